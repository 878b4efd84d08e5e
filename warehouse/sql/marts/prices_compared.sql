-- The price of one market at every exchange that traded it, interval by interval.
-- Prices are closes of finished candles. Where no candles of a market and timeframe are held of an
-- exchange, they are built from its trades, without the newest (it may not have ended). An interval
-- without a trade has no price. One that only one exchange traded in is left out. No currency is
-- converted: BTC-USD and BTC-USDT are two markets. With another exchange as reference, or by vwap:
-- FROM prices_compared('BTC-USD').
--
-- grain: one row per symbol, timeframe, interval and exchange; timeframes are those of which candles
--        of the market are held of any exchange; where there are none, all of marts.candles_rebuilt
-- sources: candles, trades, time_slot(), ratio()
-- columns:
--   symbol            VARCHAR                     market, BASE-QUOTE
--   timeframe         VARCHAR                     {{timeframes}}
--   timestamp         TIMESTAMP WITH TIME ZONE    opening time (UTC)
--   exchange          VARCHAR                     where it was traded
--   close             DECIMAL(38,12)              price of the last trade there, in quote currency
--   volume            DECIMAL(38,12)              traded there, in base currency; above 0
--   source            VARCHAR                     candles (the exchange's, or built when they were
--                                                 pulled), or trades (built here)
--   exchanges         BIGINT                      exchanges with a price in the interval
--   reference         DECIMAL(38,13)              median of their closes, exact; of an even number
--                                                 halfway between the two in the middle
--   difference        DECIMAL(38,13)              close - reference, exact
--   difference_bps    DECIMAL(38,12)              difference in hundredths of a per cent of reference,
--                                                 rounded to 12 decimals
--   spread_bps        DECIMAL(38,12)              highest less lowest close of all exchanges, in
--                                                 hundredths of a per cent of reference, rounded
WITH held AS (
    SELECT DISTINCT exchange, symbol, timeframe FROM main.candles
),
traded AS (
    SELECT DISTINCT exchange, symbol FROM main.trades
),
shared AS (  -- markets that several exchanges have
    SELECT symbol
    FROM (SELECT exchange, symbol FROM held UNION SELECT exchange, symbol FROM traded)
    GROUP BY symbol
    HAVING count(*) > 1
),
to_build AS (
    SELECT t.exchange, t.symbol, l.timeframe
    FROM traded AS t
    SEMI JOIN shared AS s ON t.symbol = s.symbol
    CROSS JOIN (VALUES {{timeframe_rows}}) AS l(timeframe)
    LEFT JOIN (SELECT symbol, list(timeframe) AS lengths FROM held GROUP BY symbol) AS h
        ON t.symbol = h.symbol
    ANTI JOIN held AS own
        ON t.exchange = own.exchange AND t.symbol = own.symbol AND l.timeframe = own.timeframe
    WHERE h.lengths IS NULL OR list_contains(h.lengths, l.timeframe)
),
shortest AS (  -- like candles_rebuilt, of these markets alone: most often there are none
    SELECT
        exchange,
        symbol,
        main.time_slot(t.timestamp, '{{shortest}}') AS opening,
        last(price ORDER BY t.timestamp, TRY_CAST(trade_id AS BIGINT), trade_id) AS close,
        sum(amount) AS volume
    FROM main.trades AS t
    SEMI JOIN (SELECT DISTINCT exchange, symbol FROM to_build) AS b USING (exchange, symbol)
    GROUP BY 1, 2, 3
),
built AS (
    SELECT
        exchange,
        symbol,
        timeframe,
        main.time_slot(opening, timeframe) AS timestamp,
        last(close ORDER BY opening) AS close,
        sum(volume) AS volume
    FROM shortest
    JOIN to_build USING (exchange, symbol)
    GROUP BY 1, 2, 3, 4
    QUALIFY timestamp < max(timestamp) OVER (PARTITION BY exchange, symbol, timeframe)
),
prices AS (
    SELECT c.exchange, c.symbol, c.timeframe, c.timestamp, c.close, c.volume, 'candles' AS source
    FROM main.candles AS c
    SEMI JOIN shared AS s ON c.symbol = s.symbol
    WHERE c.is_final AND c.volume > 0
    UNION ALL
    SELECT *, 'trades' FROM built WHERE volume > 0
),
intervals AS (
    SELECT symbol, timeframe, timestamp, list_sort(list(close)) AS closes
    FROM prices
    GROUP BY symbol, timeframe, timestamp
    HAVING count(*) > 1
),
middles AS (  -- doubled: exact where it lies between two closes
    SELECT
        symbol,
        timeframe,
        timestamp,
        array_length(closes) AS exchanges,
        TRY(closes[(array_length(closes) + 1) // 2] + closes[array_length(closes) // 2 + 1]) AS doubled,
        TRY(closes[-1] - closes[1]) AS spread
    FROM intervals
),
compared AS (
    SELECT p.*, m.exchanges, m.doubled, m.spread, TRY(p.close * 2 - m.doubled) AS apart
    FROM prices AS p
    JOIN middles AS m USING (symbol, timeframe, timestamp)
)
SELECT
    symbol,
    timeframe,
    timestamp,
    exchange,
    close,
    volume,
    source,
    exchanges,
    TRY((doubled * 0.5::DECIMAL(2,1))::DECIMAL(38,13)) AS reference,
    TRY((apart * 0.5::DECIMAL(2,1))::DECIMAL(38,13)) AS difference,
    main.ratio(TRY(apart * 10000), doubled) AS difference_bps,
    main.ratio(TRY(spread * 20000), doubled) AS spread_bps
FROM compared
