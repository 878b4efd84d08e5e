-- Realised profit (first in, first out) in $quote so far, each sale at the price at the end of its
-- interval. Sales that cannot be converted are left out.
-- Grain: one row per exchange, account and interval of length $timeframe with a sale.
WITH made AS (
    SELECT
        exchange, account, f.quote AS currency,
        time_slot(timestamp, $timeframe) AS timestamp,
        sum(profit) AS profit
    FROM realised
    JOIN (SELECT DISTINCT exchange, account, symbol, quote FROM marts.fills) AS f
        USING (exchange, account, symbol)
    WHERE profit IS NOT NULL
    GROUP BY ALL
),
converted AS (
    SELECT m.exchange, m.account, m.timestamp, sum(pro_rata(m.profit, r.price, 1)) AS profit
    FROM made AS m
    ASOF JOIN rates AS r
        ON m.exchange = r.exchange AND m.currency = r.currency AND m.timestamp >= r.timestamp
    GROUP BY ALL
)
SELECT
    exchange,
    account,
    epoch_ms(timestamp) AS time,
    sum(profit) OVER (PARTITION BY exchange, account ORDER BY timestamp) AS profit
FROM converted
ORDER BY exchange, account, time
