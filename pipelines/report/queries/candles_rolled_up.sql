-- Longer candles of one market, out of those of length $source.
-- Grain: one row per opening time.
SELECT
    exchange,
    symbol,
    $timeframe AS timeframe,
    time_slot(timestamp, $timeframe) AS timestamp,
    first(open ORDER BY c.timestamp) AS open,
    max(high) AS high,
    min(low) AS low,
    last(close ORDER BY c.timestamp) AS close,
    sum(volume) AS volume
FROM candles AS c
WHERE exchange = $exchange AND symbol = $symbol AND timeframe = $source
    AND time_slot(c.timestamp, $timeframe)
        > $newest::TIMESTAMPTZ - to_microseconds(timeframe_us($timeframe) * $intervals)
GROUP BY exchange, symbol, time_slot(c.timestamp, $timeframe)
ORDER BY 4
