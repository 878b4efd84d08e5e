-- Realised profit (first in, first out) of the markets quoted in $quote so far, for drawing.
-- Grain: one row per exchange, account and interval of length $timeframe with a sale.
WITH made AS (
    SELECT exchange, account, time_slot(timestamp, $timeframe) AS slot, sum(profit) AS profit
    FROM realised
    WHERE split_part(symbol, '-', 2) = $quote AND profit IS NOT NULL
    GROUP BY ALL
)
SELECT
    exchange,
    account,
    epoch_ms(slot) AS time,
    (sum(profit) OVER (PARTITION BY exchange, account ORDER BY slot))::DOUBLE AS profit
FROM made
ORDER BY exchange, account, time
