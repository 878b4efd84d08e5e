-- The newest comparison of every balance. Grain: one row per exchange, account and currency.
SELECT
    exchange, account, currency, observed_at, reported, computed, difference, cause, explained
FROM reconciled
QUALIFY observed_at = max(observed_at) OVER (PARTITION BY exchange, account, currency)
ORDER BY explained, difference = 0, exchange, account, currency
