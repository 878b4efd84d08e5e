-- Candles of the usual lengths, built from the trades held.
-- Those of 3 days are counted from the first such candle of the exchange that is held, else from
-- 1970-01-01.
--
-- grain: one row per exchange, symbol, timeframe ({{timeframes}}) and interval with trades
-- sources: trades, candles, time_slot()
-- columns:
--   exchange     VARCHAR                     where it was traded
--   symbol       VARCHAR                     market, BASE-QUOTE
--   timeframe    VARCHAR                     {{timeframes}}
--   timestamp    TIMESTAMP WITH TIME ZONE    opening time (UTC)
--   open         DECIMAL(38,12)              price of the first trade, by time and id
--   high         DECIMAL(38,12)              highest price
--   low          DECIMAL(38,12)              lowest price
--   close        DECIMAL(38,12)              price of the last trade
--   volume       DECIMAL(38,12)              sum of amounts, in base currency, exact
--   trades       BIGINT                      number of trades
WITH shortest AS (
    SELECT
        exchange,
        symbol,
        main.time_slot(t.timestamp, '{{shortest}}') AS opening,
        first(price ORDER BY t.timestamp, TRY_CAST(trade_id AS BIGINT), trade_id) AS open,
        max(price) AS high,
        min(price) AS low,
        last(price ORDER BY t.timestamp, TRY_CAST(trade_id AS BIGINT), trade_id) AS close,
        sum(amount) AS volume,
        count(*) AS trades
    FROM main.trades AS t
    GROUP BY 1, 2, 3
),
three_days AS (
    SELECT exchange, symbol, epoch_us(min(timestamp)) % 259200000000 AS origin
    FROM main.candles
    WHERE timeframe = '3d'
    GROUP BY 1, 2
)
SELECT
    exchange,
    symbol,
    timeframe,
    if(
        timeframe = '3d' AND origin IS NOT NULL,
        make_timestamptz(epoch_us(opening) - (epoch_us(opening) - origin) % 259200000000),
        main.time_slot(opening, timeframe)
    ) AS timestamp,
    first(open ORDER BY opening) AS open,
    max(high) AS high,
    min(low) AS low,
    last(close ORDER BY opening) AS close,
    sum(volume) AS volume,
    sum(trades)::BIGINT AS trades
FROM shortest
CROSS JOIN (VALUES {{timeframe_rows}}) AS lengths(timeframe)
LEFT JOIN three_days USING (exchange, symbol)
GROUP BY 1, 2, 3, 4
