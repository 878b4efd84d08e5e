-- The markets and timeframes of which candles are held, and how far back they reach.
-- Grain: one row per exchange, symbol and timeframe.
SELECT exchange, symbol, timeframe, min(timestamp) AS oldest, max(timestamp) AS newest
FROM candles
GROUP BY ALL
ORDER BY ALL
