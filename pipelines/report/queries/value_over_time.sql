-- What every account was worth at the end of every interval of $length microseconds ($timeframe),
-- and what came in or went out in it: all changes of holdings but those by trades and their fees.
-- Currencies that never have a price are left out; where another has none yet, the value is null. A
-- flow counts at the price at the end of its interval, else at the next one known.
-- Grain: one row per exchange, account and interval.
WITH priced AS (
    SELECT
        exchange,
        account,
        currency,
        arg_min(price, timestamp) FILTER (price IS NOT NULL) AS first_price
    FROM valued
    GROUP BY ALL
    HAVING count(price) > 0
),
worth AS (
    SELECT
        exchange, account, timestamp,
        CASE
            WHEN count(value) = count(*) THEN sum(value)
            -- a currency that is no longer held needs no price
            WHEN count(value) FILTER (total <> 0) = count_if(total <> 0)
                THEN coalesce(sum(value) FILTER (total <> 0), 0)
        END AS value
    FROM valued
    SEMI JOIN priced USING (exchange, account, currency)
    GROUP BY ALL
),
changes AS (
    SELECT exchange, account, currency, timestamp, total AS amount FROM valued
    UNION ALL
    SELECT exchange, account, currency, timestamp + to_microseconds($length), -total FROM valued
    UNION ALL
    SELECT exchange, account, currency, time_slot(timestamp, $timeframe), -amount
    FROM ledger
    WHERE book = 'account' AND kind IN ('trade', 'fee')
),
moved AS (
    SELECT exchange, account, currency, timestamp, sum(amount)::DECIMAL(38,18) AS amount
    FROM changes
    SEMI JOIN priced USING (exchange, account, currency)
    GROUP BY ALL
    HAVING sum(amount) <> 0
),
flows AS (
    SELECT
        m.exchange, m.account, m.timestamp,
        sum(pro_rata(m.amount, coalesce(r.price, p.first_price), 1)) AS flow
    FROM moved AS m
    JOIN priced AS p USING (exchange, account, currency)
    ASOF LEFT JOIN rates AS r
        ON m.exchange = r.exchange AND m.currency = r.currency AND m.timestamp >= r.timestamp
    GROUP BY ALL
)
SELECT
    exchange,
    account,
    epoch_ms(least(timestamp + to_microseconds($length), now())) AS time,
    value::DECIMAL(38,18) AS value,
    coalesce(flow, 0)::DECIMAL(38,18) AS flow
FROM worth
LEFT JOIN flows USING (exchange, account, timestamp)
ORDER BY exchange, account, timestamp
