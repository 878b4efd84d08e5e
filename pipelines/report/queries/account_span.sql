-- How long account_value() follows the accounts, in microseconds: from their first event to their
-- newest, or to the newest price of their exchange. Grain: one row.
WITH events AS (
    SELECT exchange, min(timestamp) AS since, max(timestamp) AS until
    FROM ledger
    WHERE book = 'account'
    GROUP BY exchange
    UNION ALL
    SELECT exchange, min(observed_at), max(observed_at) FROM balances GROUP BY exchange
),
prices AS (
    SELECT exchange, max(timestamp) AS until FROM trades GROUP BY exchange
    UNION ALL
    SELECT exchange, max(observed_at) FROM tickers GROUP BY exchange
    UNION ALL
    SELECT exchange, max(timestamp) FROM candles GROUP BY exchange
)
SELECT
    greatest(
        epoch_us(max(until)),
        (SELECT epoch_us(max(until)) FROM prices SEMI JOIN events USING (exchange))
    ) - epoch_us(min(since)) AS span
FROM events
