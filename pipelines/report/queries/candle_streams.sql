-- The markets and timeframes of which candles are held.
-- Grain: one row per exchange, symbol and timeframe.
SELECT DISTINCT exchange, symbol, timeframe
FROM candles
ORDER BY ALL
