-- Candles built from the trades of one market, where the exchange's are not collected.
-- Grain: one row per opening time.
SELECT exchange, symbol, timeframe, timestamp, open, high, low, close, volume
FROM candles(
    $symbol,
    $timeframe,
    exchange := $exchange,
    since := $newest::TIMESTAMPTZ - to_microseconds(timeframe_us($timeframe) * $intervals)
)
ORDER BY timestamp
