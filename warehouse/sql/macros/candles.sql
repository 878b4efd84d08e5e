-- Candles of any length, built from the trades held: FROM candles('BTC-USD', '7m').
-- An interval without trades has none. Whether trades are missing in one, coverage knows.
-- (The table of the same name holds the exchanges' own candles.)
--
-- grain: one row per exchange and interval with trades
-- sources: trades, time_slot(), timeframe_us(), utc()
-- parameters:
--   symbol               VARCHAR                     BASE-QUOTE
--   timeframe            VARCHAR                     such as '7m': any whole number of s m h d w
--   exchange := NULL     VARCHAR                     only of this exchange
--   since := NULL        TIMESTAMP WITH TIME ZONE    opening here or later
--   until := NULL        TIMESTAMP WITH TIME ZONE    opening before
-- columns:
--   exchange     VARCHAR                     where it was traded
--   symbol       VARCHAR                     market, BASE-QUOTE
--   timeframe    VARCHAR                     length of the interval, as asked
--   timestamp    TIMESTAMP WITH TIME ZONE    opening time (UTC)
--   open         DECIMAL(38,12)              price of the first trade, by time and id
--   high         DECIMAL(38,12)              highest price
--   low          DECIMAL(38,12)              lowest price
--   close        DECIMAL(38,12)              price of the last trade
--   volume       DECIMAL(38,12)              sum of amounts, in base currency, exact
--   trades       BIGINT                      number of trades
SELECT
    t.exchange,
    t.symbol,
    timeframe AS timeframe,
    main.time_slot(t.timestamp, timeframe) AS timestamp,
    first(t.price ORDER BY t.timestamp, TRY_CAST(t.trade_id AS BIGINT), t.trade_id) AS open,
    max(t.price) AS high,
    min(t.price) AS low,
    last(t.price ORDER BY t.timestamp, TRY_CAST(t.trade_id AS BIGINT), t.trade_id) AS close,
    sum(t.amount) AS volume,
    count(*) AS trades
FROM main.trades AS t
WHERE t.symbol = symbol
    AND (exchange IS NULL OR t.exchange = exchange)
    AND (since IS NULL OR t.timestamp >= main.utc(since))
    AND (since IS NULL OR main.time_slot(t.timestamp, timeframe) >= main.utc(since))
    AND (until IS NULL OR main.time_slot(t.timestamp, timeframe) < main.utc(until))
GROUP BY 1, 2, 3, 4
ORDER BY 1, 4
