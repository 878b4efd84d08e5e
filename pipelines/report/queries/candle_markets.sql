-- The markets of which candles are held. Grain: one row per exchange and symbol.
SELECT DISTINCT exchange, symbol
FROM candles
ORDER BY ALL
