-- How long the accounts' histories are, in microseconds. Grain: one row.
SELECT epoch_us(max(moment)) - epoch_us(min(moment)) AS span
FROM (
    SELECT timestamp AS moment FROM ledger WHERE book = 'account'
    UNION ALL
    SELECT observed_at FROM balances
)
