-- What every account was worth at the end of every interval of $length microseconds ($timeframe),
-- and what came in or went out in it: all changes of holdings but those by trades and their fees.
-- A currency counts from its first price on: until then the value is not whole, and then it comes in.
-- Currencies that never have a price are left out.
-- Grain: one row per exchange, account and interval since something held has a price.
WITH priced AS (
    SELECT exchange, account, currency, timestamp, total, price, value
    FROM valued
    WHERE price IS NOT NULL
),
ever AS (
    SELECT DISTINCT exchange, account, currency FROM priced
),
worth AS (
    SELECT exchange, account, timestamp, sum(value) AS value
    FROM priced
    GROUP BY ALL
),
missing AS (
    SELECT DISTINCT exchange, account, timestamp
    FROM valued
    SEMI JOIN ever USING (exchange, account, currency)
    WHERE price IS NULL AND total <> 0
),
changes AS (
    SELECT exchange, account, currency, timestamp, total AS amount FROM priced
    UNION ALL
    SELECT exchange, account, currency, timestamp + to_microseconds($length), -total FROM priced
    UNION ALL
    SELECT exchange, account, currency, time_slot(timestamp, $timeframe), -amount
    FROM ledger
    SEMI JOIN ever USING (exchange, account, currency)
    WHERE book = 'account' AND kind IN ('trade', 'fee')
),
moved AS (
    SELECT exchange, account, currency, timestamp, sum(amount)::DECIMAL(38,18) AS amount
    FROM changes
    GROUP BY ALL
    HAVING sum(amount) <> 0
),
flows AS (
    SELECT m.exchange, m.account, m.timestamp, sum(pro_rata(m.amount, r.price, 1)) AS flow
    FROM moved AS m
    ASOF JOIN rates AS r
        ON m.exchange = r.exchange AND m.currency = r.currency AND m.timestamp >= r.timestamp
    GROUP BY ALL
)
SELECT
    w.exchange,
    w.account,
    epoch_ms(least(w.timestamp + to_microseconds($length), now())) AS time,
    w.value::DECIMAL(38,18) AS value,
    coalesce(f.flow, 0)::DECIMAL(38,18) AS flow,
    m.timestamp IS NULL AS whole
FROM worth AS w
LEFT JOIN flows AS f USING (exchange, account, timestamp)
LEFT JOIN missing AS m USING (exchange, account, timestamp)
ORDER BY w.exchange, w.account, w.timestamp
