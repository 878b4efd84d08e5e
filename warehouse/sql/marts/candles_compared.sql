-- The exchanges' own candles beside those built from their trades.
-- Only finished candles. An interval is proved where the trades around it are proved complete.
--
-- grain: one row per exchange, symbol, timeframe and interval that has a candle, or that should have
--        one: its trades are held and the exchange's candles there are complete
-- sources: candles, coverage, trades_proved, timeframe_us(), marts.candles_rebuilt
-- columns:
--   exchange           VARCHAR                     where it was traded
--   symbol             VARCHAR                     market, BASE-QUOTE
--   timeframe          VARCHAR                     {{timeframes}}
--   timestamp          TIMESTAMP WITH TIME ZONE    opening time (UTC)
--   verdict            VARCHAR                     equal; different; missing (trades make a candle,
--                                                  the exchange has none); unfounded (a candle with
--                                                  a volume and no trades); empty (volume 0 and no
--                                                  trades, as it should be); unproved (trades are
--                                                  not complete there)
--   open               DECIMAL(38,12)              the exchange's
--   high               DECIMAL(38,12)              the exchange's
--   low                DECIMAL(38,12)              the exchange's
--   close              DECIMAL(38,12)              the exchange's
--   volume             DECIMAL(38,12)              the exchange's, in base currency
--   rebuilt_open       DECIMAL(38,12)              of the trades held
--   rebuilt_high       DECIMAL(38,12)              of the trades held
--   rebuilt_low        DECIMAL(38,12)              of the trades held
--   rebuilt_close      DECIMAL(38,12)              of the trades held
--   rebuilt_volume     DECIMAL(38,12)              of the trades held, in base currency, exact
--   trades             BIGINT                      number of trades held in the interval
WITH held AS (  -- where the exchange's candles are complete
    SELECT
        exchange,
        stream,
        make_timestamptz(lower) AS since,
        make_timestamptz(upper) AS until
    FROM main.coverage
    WHERE dataset = 'candles' AND unit = 'time' AND state = 'complete'
),
theirs AS (
    SELECT * FROM main.candles WHERE is_final
),
rebuilt AS MATERIALIZED (
    SELECT * FROM marts.candles_rebuilt
),
missing AS (  -- no candle at all, not even an open one
    SELECT r.*
    FROM rebuilt AS r
    SEMI JOIN held AS h
        ON r.exchange = h.exchange AND r.symbol || ':' || r.timeframe = h.stream
        AND r.timestamp >= h.since AND r.timestamp < h.until
    ANTI JOIN main.candles AS c
        ON r.exchange = c.exchange AND r.symbol = c.symbol AND r.timeframe = c.timeframe
        AND r.timestamp = c.timestamp
),
both_sides AS (
    SELECT
        c.exchange, c.symbol, c.timeframe, c.timestamp,
        c.open, c.high, c.low, c.close, c.volume,
        r.open AS rebuilt_open,
        r.high AS rebuilt_high,
        r.low AS rebuilt_low,
        r.close AS rebuilt_close,
        r.volume AS rebuilt_volume,
        coalesce(r.trades, 0) AS trades
    FROM theirs AS c
    LEFT JOIN rebuilt AS r USING (exchange, symbol, timeframe, timestamp)
    UNION ALL
    SELECT
        exchange, symbol, timeframe, timestamp,
        NULL, NULL, NULL, NULL, NULL,
        open, high, low, close, volume, trades
    FROM missing
),
judged AS (
    SELECT
        b.*,
        coalesce(
            b.timestamp + to_microseconds(main.timeframe_us(b.timeframe)) <= p.up_to, false
        ) AS is_proved
    FROM both_sides AS b
    ASOF LEFT JOIN main.trades_proved AS p
        ON b.exchange = p.exchange AND b.symbol = p.symbol AND b.timestamp > p.after
)
SELECT
    j.exchange,
    j.symbol,
    j.timeframe,
    j.timestamp,
    CASE
        WHEN NOT j.is_proved THEN 'unproved'
        WHEN j.trades = 0 AND j.volume = 0 THEN 'empty'
        WHEN j.trades = 0 THEN 'unfounded'
        WHEN j.open IS NULL THEN 'missing'
        WHEN (j.open, j.high, j.low, j.close, j.volume)
            = (j.rebuilt_open, j.rebuilt_high, j.rebuilt_low, j.rebuilt_close, j.rebuilt_volume)
        THEN 'equal'
        ELSE 'different'
    END AS verdict,
    j.* EXCLUDE (exchange, symbol, timeframe, timestamp, is_proved)
FROM judged AS j
