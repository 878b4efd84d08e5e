-- Do fills, fees, deposits and withdrawals add up to the balances, to the last digit?
SELECT exchange, currency, computed, reported, difference
FROM reconciliation
QUALIFY observed_at = max(observed_at) OVER (PARTITION BY exchange, account)
ORDER BY ALL;
