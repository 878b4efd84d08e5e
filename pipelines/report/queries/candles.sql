-- The newest candles of the markets in the lists $exchanges and $symbols, at most $intervals of each
-- length. Grain: one row per exchange, symbol, timeframe and opening time.
WITH wanted AS (
    SELECT unnest($exchanges) AS exchange, unnest($symbols) AS symbol
),
newest AS (
    SELECT exchange, symbol, timeframe, max(timestamp) AS newest
    FROM candles
    JOIN wanted USING (exchange, symbol)
    GROUP BY ALL
)
SELECT exchange, symbol, timeframe, timestamp, open, high, low, close, volume
FROM candles
JOIN newest USING (exchange, symbol, timeframe)
WHERE timestamp > newest - to_microseconds(timeframe_us(timeframe) * $intervals)
ORDER BY exchange, symbol, timeframe, timestamp
