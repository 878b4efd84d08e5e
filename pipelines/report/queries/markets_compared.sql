-- The markets that several exchanges have: newest price of each, its difference from the lowest, and
-- what was traded in the 24 hours before the newest trade held of any of them. Prices that are more
-- than a day older than the newest one are left out.
-- Grain: one row per symbol and exchange.
WITH fresh AS (
    SELECT exchange, symbol, moment, price
    FROM last_prices
    QUALIFY moment >= max(moment) OVER (PARTITION BY symbol) - INTERVAL 1 DAY
),
shared AS (
    SELECT symbol, min(price) AS lowest
    FROM fresh
    GROUP BY symbol
    HAVING count(*) > 1
),
day AS (
    SELECT exchange, symbol, count(*) AS trades, sum(amount) AS volume
    FROM trades
    SEMI JOIN shared USING (symbol)
    JOIN (SELECT symbol, max(timestamp) AS newest FROM trades GROUP BY symbol) AS n USING (symbol)
    WHERE timestamp > newest - INTERVAL 24 HOURS
    GROUP BY ALL
)
SELECT
    symbol,
    exchange,
    price,
    moment,
    ratio((price - lowest)::DECIMAL(38,18), lowest) AS above_lowest,
    trades,
    volume
FROM fresh
JOIN shared USING (symbol)
LEFT JOIN day USING (exchange, symbol)
ORDER BY sum(coalesce(trades, 0)) OVER (PARTITION BY symbol) DESC, symbol, exchange
