-- Candles of the usual lengths, built from the trades held.
--
-- grain: one row per exchange, symbol, timeframe (5m 15m 30m 1h 4h 1d) and interval with trades
-- sources: trades, time_slot()
-- columns:
--   exchange     VARCHAR                     where it was traded
--   symbol       VARCHAR                     market, BASE-QUOTE
--   timeframe    VARCHAR                     5m 15m 30m 1h 4h 1d
--   timestamp    TIMESTAMP WITH TIME ZONE    opening time (UTC)
--   open         DECIMAL(38,12)              price of the first trade, by time and id
--   high         DECIMAL(38,12)              highest price
--   low          DECIMAL(38,12)              lowest price
--   close        DECIMAL(38,12)              price of the last trade
--   volume       DECIMAL(38,12)              sum of amounts, in base currency, exact
--   trades       BIGINT                      number of trades
WITH five AS (
    SELECT
        exchange,
        symbol,
        main.time_slot(t.timestamp, '5m') AS opening,
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
FROM five, (VALUES ('5m'), ('15m'), ('30m'), ('1h'), ('4h'), ('1d')) AS lengths(timeframe)
GROUP BY 1, 2, 3, 4
