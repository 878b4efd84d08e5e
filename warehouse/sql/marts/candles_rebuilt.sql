-- Candles of the usual lengths, built from the trades held.
--
-- grain: one row per exchange, symbol, timeframe ({{timeframes}}) and interval with trades
-- sources: trades, time_slot()
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
)
SELECT
    exchange,
    symbol,
    timeframe,
    main.time_slot(opening, timeframe) AS timestamp,
    first(open ORDER BY opening) AS open,
    max(high) AS high,
    min(low) AS low,
    last(close ORDER BY opening) AS close,
    sum(volume) AS volume,
    sum(trades)::BIGINT AS trades
FROM shortest, (VALUES {{timeframe_rows}}) AS lengths(timeframe)
GROUP BY 1, 2, 3, 4
