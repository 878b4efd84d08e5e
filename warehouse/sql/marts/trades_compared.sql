-- Trades of imported files that lack the exchange's ids, beside the trades held.
-- Only intervals that lie wholly inside of what a file holds, each file for itself. An interval is
-- proved where the trades around it are proved complete.
--
-- grain: one row per exchange, symbol, source, timeframe (1m 1h 1d) and interval with trades in
--        either
-- sources: reference_trades, trades, trades_proved, time_slot(), timeframe_us()
-- columns:
--   exchange             VARCHAR                     where it was traded
--   symbol               VARCHAR                     market, BASE-QUOTE
--   source               VARCHAR                     the file, by the digest of what it holds
--   timeframe            VARCHAR                     length of the interval
--   timestamp            TIMESTAMP WITH TIME ZONE    its beginning (UTC)
--   verdict              VARCHAR                     equal (candle and volume; the numbers of trades
--                                                    differ where rows are aggregates); different;
--                                                    missing (trades are held, none in the file);
--                                                    unfounded (the file has trades, none are held);
--                                                    unproved (trades held are not complete there)
--   open                 DECIMAL(38,12)              of the trades held
--   high                 DECIMAL(38,12)              of the trades held
--   low                  DECIMAL(38,12)              of the trades held
--   close                DECIMAL(38,12)              of the trades held
--   volume               DECIMAL(38,12)              of the trades held, in base currency, exact
--   trades               BIGINT                      number of trades held
--   reference_open       DECIMAL(38,12)              of the file's rows
--   reference_high       DECIMAL(38,12)              of the file's rows
--   reference_low        DECIMAL(38,12)              of the file's rows
--   reference_close      DECIMAL(38,12)              of the file's rows
--   reference_volume     DECIMAL(38,12)              of the file's rows, in base currency, exact
--   reference_trades     BIGINT                      number of the file's rows
WITH files AS (
    SELECT exchange, symbol, source, min(timestamp) AS since, max(timestamp) AS until
    FROM main.reference_trades
    GROUP BY 1, 2, 3
),
theirs AS MATERIALIZED (
    SELECT
        exchange,
        symbol,
        source,
        main.time_slot(timestamp, '1m') AS opening,
        first(price ORDER BY t.timestamp, row_number) AS open,
        max(price) AS high,
        min(price) AS low,
        last(price ORDER BY t.timestamp, row_number) AS close,
        sum(amount) AS volume,
        count(*) AS trades
    FROM main.reference_trades AS t
    GROUP BY 1, 2, 3, 4
),
ours AS MATERIALIZED (
    SELECT
        t.exchange,
        t.symbol,
        main.time_slot(t.timestamp, '1m') AS opening,
        first(price ORDER BY t.timestamp, TRY_CAST(trade_id AS BIGINT), trade_id) AS open,
        max(price) AS high,
        min(price) AS low,
        last(price ORDER BY t.timestamp, TRY_CAST(trade_id AS BIGINT), trade_id) AS close,
        sum(amount) AS volume,
        count(*) AS trades
    FROM main.trades AS t
    SEMI JOIN files AS f ON t.exchange = f.exchange AND t.symbol = f.symbol
    GROUP BY 1, 2, 3
),
minutes AS (
    SELECT *, true AS is_reference FROM theirs
    UNION ALL
    SELECT
        o.exchange, o.symbol, f.source, o.opening, o.open, o.high, o.low, o.close, o.volume,
        o.trades, false AS is_reference
    FROM ours AS o
    JOIN files AS f
        ON o.exchange = f.exchange AND o.symbol = f.symbol
        AND o.opening >= f.since - INTERVAL 1 MINUTE AND o.opening <= f.until
),
slots AS (
    SELECT
        m.exchange,
        m.symbol,
        m.source,
        timeframe,
        main.time_slot(m.opening, timeframe) AS timestamp,
        first(m.open ORDER BY m.opening) FILTER (NOT is_reference) AS open,
        max(m.high) FILTER (NOT is_reference) AS high,
        min(m.low) FILTER (NOT is_reference) AS low,
        last(m.close ORDER BY m.opening) FILTER (NOT is_reference) AS close,
        sum(m.volume) FILTER (NOT is_reference) AS volume,
        coalesce(sum(m.trades) FILTER (NOT is_reference), 0)::BIGINT AS trades,
        first(m.open ORDER BY m.opening) FILTER (is_reference) AS reference_open,
        max(m.high) FILTER (is_reference) AS reference_high,
        min(m.low) FILTER (is_reference) AS reference_low,
        last(m.close ORDER BY m.opening) FILTER (is_reference) AS reference_close,
        sum(m.volume) FILTER (is_reference) AS reference_volume,
        coalesce(sum(m.trades) FILTER (is_reference), 0)::BIGINT AS reference_trades
    FROM minutes AS m
    CROSS JOIN (VALUES ('1m'), ('1h'), ('1d')) AS lengths(timeframe)
    GROUP BY 1, 2, 3, 4, 5
),
inside AS (
    SELECT s.*, s.timestamp + to_microseconds(main.timeframe_us(s.timeframe)) AS until
    FROM slots AS s
    JOIN files AS f USING (exchange, symbol, source)
    WHERE s.timestamp >= f.since
        AND s.timestamp + to_microseconds(main.timeframe_us(s.timeframe)) <= f.until
)
SELECT
    i.exchange,
    i.symbol,
    i.source,
    i.timeframe,
    i.timestamp,
    CASE
        WHEN NOT coalesce(i.until <= p.up_to, false) THEN 'unproved'
        WHEN i.trades = 0 THEN 'unfounded'
        WHEN i.reference_trades = 0 THEN 'missing'
        WHEN (i.open, i.high, i.low, i.close, i.volume)
            = (
                i.reference_open, i.reference_high, i.reference_low, i.reference_close,
                i.reference_volume
            )
        THEN 'equal'
        ELSE 'different'
    END AS verdict,
    i.* EXCLUDE (exchange, symbol, source, timeframe, timestamp, until)
FROM inside AS i
ASOF LEFT JOIN main.trades_proved AS p
    ON i.exchange = p.exchange AND i.symbol = p.symbol AND i.timestamp > p.after
