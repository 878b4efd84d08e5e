-- What every account holds now and what that is worth; available as last reported.
-- Grain: one row per exchange, account and currency that is not 0.
WITH now AS (
    SELECT exchange, account, currency, total, price, value
    FROM valued
    QUALIFY timestamp = max(timestamp) OVER (PARTITION BY exchange, account)
),
reported AS (
    SELECT exchange, account, currency, observed_at, available
    FROM reconciled
    QUALIFY observed_at = max(observed_at) OVER (PARTITION BY exchange, account)
)
SELECT
    exchange, account, currency, observed_at, available, total - available AS in_orders, total, price, value
FROM now
LEFT JOIN reported USING (exchange, account, currency)
WHERE total <> 0
ORDER BY exchange, account, value DESC NULLS LAST, currency
