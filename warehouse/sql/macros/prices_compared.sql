-- One market at every exchange, by its trades: FROM prices_compared('BTC-USD', '1h', reference := 'kraken').
-- Of each interval the average price by volume (vwap), the last price and when it was paid, against
-- the vwap of an exchange of your choice. An interval without a trade has no price; one without a
-- price of the reference, or that only one exchange traded in, is left out. The newest interval may
-- not have ended. (marts.prices_compared compares the closes of candles, of all markets.)
--
-- grain: one row per interval and exchange
-- sources: trades, time_slot(), utc(), ratio()
-- parameters:
--   symbol               VARCHAR                     BASE-QUOTE
--   timeframe := '1h'    VARCHAR                     such as '7m': any whole number of s m h d w
--   reference := NULL    VARCHAR                     an exchange; else all of them together
--   since := NULL        TIMESTAMP WITH TIME ZONE    opening here or later
--   until := NULL        TIMESTAMP WITH TIME ZONE    opening before
-- columns:
--   symbol            VARCHAR                     market, BASE-QUOTE
--   timeframe         VARCHAR                     length of the interval, as asked
--   timestamp         TIMESTAMP WITH TIME ZONE    opening time (UTC)
--   exchange          VARCHAR                     where it was traded
--   trades            BIGINT                      number of trades
--   volume            DECIMAL(38,12)              sum of amounts, in base currency, exact
--   close             DECIMAL(38,12)              price of the last trade
--   closed_at         TIMESTAMP WITH TIME ZONE    when that trade was made (UTC)
--   vwap              DECIMAL(38,12)              turnover / volume: the average price of a unit,
--                                                 rounded to 12 decimals; null where the cost of a
--                                                 trade does not fit
--   reference_vwap    DECIMAL(38,12)              that of the reference
--   difference        DECIMAL(38,12)              vwap - reference_vwap
--   difference_bps    DECIMAL(38,12)              difference in hundredths of a per cent of
--                                                 reference_vwap, rounded to 12 decimals
WITH slots AS (
    SELECT
        t.exchange,
        main.time_slot(t.timestamp, timeframe) AS timestamp,
        count(*) AS trades,
        sum(t.amount) AS volume,
        last(t.price ORDER BY t.timestamp, TRY_CAST(t.trade_id AS BIGINT), t.trade_id) AS close,
        max(t.timestamp) AS closed_at,
        CASE WHEN count(t.cost) = count(*) THEN sum(t.cost) END AS turnover
    FROM main.trades AS t
    WHERE t.symbol = symbol
        AND (since IS NULL OR t.timestamp >= main.utc(since))
        AND (since IS NULL OR main.time_slot(t.timestamp, timeframe) >= main.utc(since))
        AND (until IS NULL OR main.time_slot(t.timestamp, timeframe) < main.utc(until))
    GROUP BY 1, 2
),
shared AS (
    SELECT s.timestamp FROM slots AS s GROUP BY s.timestamp HAVING count(*) > 1
),
bases AS (
    SELECT
        s.timestamp,
        sum(s.volume) AS volume,
        CASE WHEN count(s.turnover) = count(*) THEN sum(s.turnover) END AS turnover
    FROM slots AS s
    WHERE reference IS NULL OR s.exchange = reference
    GROUP BY s.timestamp
),
priced AS (
    SELECT
        s.*,
        main.ratio(s.turnover, s.volume) AS vwap,
        main.ratio(b.turnover, b.volume) AS reference_vwap
    FROM slots AS s
    JOIN bases AS b ON s.timestamp = b.timestamp
    SEMI JOIN shared AS h ON s.timestamp = h.timestamp
),
compared AS (
    SELECT p.*, TRY(p.vwap - p.reference_vwap) AS difference FROM priced AS p
)
SELECT
    symbol AS symbol,
    timeframe AS timeframe,
    p.timestamp,
    p.exchange,
    p.trades,
    p.volume,
    p.close,
    p.closed_at,
    p.vwap,
    p.reference_vwap,
    p.difference,
    main.ratio(TRY(p.difference * 10000), p.reference_vwap) AS difference_bps
FROM compared AS p
ORDER BY p.timestamp, p.exchange
