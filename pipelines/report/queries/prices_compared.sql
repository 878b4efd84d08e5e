-- How far the exchanges are from the median close, of the markets in the list $symbols, the newest
-- $intervals. Grain: one row per symbol, exchange and interval of $timeframe.
SELECT symbol, exchange, timestamp, difference_bps, volume
FROM marts.prices_compared
WHERE timeframe = $timeframe AND list_contains($symbols, symbol) AND difference_bps IS NOT NULL
QUALIFY dense_rank() OVER (PARTITION BY symbol ORDER BY timestamp DESC) <= $intervals
ORDER BY symbol, exchange, timestamp
