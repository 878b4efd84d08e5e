-- Volume, turnover and average price of every market and day.
--
-- grain: one row per exchange, symbol and UTC day with trades
-- sources: trades, ratio()
-- columns:
--   exchange      VARCHAR           where it was traded
--   symbol        VARCHAR           market, BASE-QUOTE
--   day           DATE              UTC
--   trades        BIGINT            number of trades
--   volume        DECIMAL(38,12)    sum of amounts, in base currency, exact
--   buy_volume    DECIMAL(38,12)    the part of volume that takers bought
--   turnover      DECIMAL(38,18)    sum of price × amount, in quote currency, exact; null where the
--                                   cost of a trade does not fit
--   vwap          DECIMAL(38,12)    turnover / volume: the average price of a unit, rounded to 12
--                                   decimals
WITH days AS (
    SELECT
        t.exchange,
        t.symbol,
        (t.timestamp AT TIME ZONE 'UTC')::DATE AS day,
        count(*) AS trades,
        sum(t.amount) AS volume,
        coalesce(sum(t.amount) FILTER (t.side = 'buy'), 0)::DECIMAL(38,12) AS buy_volume,
        CASE WHEN count(t.cost) = count(*) THEN sum(t.cost) END AS turnover
    FROM main.trades AS t
    GROUP BY ALL
)
SELECT *, main.ratio(turnover, volume) AS vwap
FROM days
