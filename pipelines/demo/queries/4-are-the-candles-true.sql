-- Do the finished hourly candles agree with the trades, to the last digit?
WITH rebuilt AS (
    SELECT exchange, symbol, date_trunc('hour', timestamp) AS timestamp, max(price) AS high,
           min(price) AS low, sum(amount) AS volume
    FROM trades
    GROUP BY ALL
)
SELECT exchange, symbol, count(*) AS candles,
       count(*) FILTER (c.high = r.high AND c.low = r.low AND c.volume = r.volume) AS equal
FROM candles AS c JOIN rebuilt AS r USING (exchange, symbol, timestamp)
WHERE c.timeframe = '1h' AND c.is_final
GROUP BY ALL
ORDER BY ALL;
