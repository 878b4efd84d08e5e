-- The spans of time in which no trade of a market is missing.
-- Out of the coverage of trades, whose bounds may be ids.
--
-- grain: one row per exchange, symbol and span
-- sources: coverage, trades
-- columns:
--   exchange    VARCHAR                     where it was traded
--   symbol      VARCHAR                     market, BASE-QUOTE
--   after       TIMESTAMP WITH TIME ZONE    the span begins behind this moment
--   up_to       TIMESTAMP WITH TIME ZONE    and ends here
WITH complete AS (
    SELECT exchange, stream AS symbol, lower, upper, unit
    FROM main.coverage
    WHERE dataset = 'trades' AND state = 'complete'
),
spans AS (
    SELECT
        c.exchange,
        c.symbol,
        if(c.lower <= 0, TIMESTAMPTZ '1970-01-01 00:00:00+00', min(t.timestamp)) AS after,
        max(t.timestamp) AS up_to
    FROM main.trades AS t
    ASOF JOIN (SELECT * FROM complete WHERE unit = 'id') AS c
        ON t.exchange = c.exchange AND t.symbol = c.symbol
        AND TRY_CAST(t.trade_id AS BIGINT) >= c.lower
    WHERE TRY_CAST(t.trade_id AS BIGINT) <= c.upper
    GROUP BY c.exchange, c.symbol, c.lower
    UNION ALL
    SELECT exchange, symbol, make_timestamptz(lower - 1), make_timestamptz(upper)
    FROM complete
    WHERE unit = 'time'
)
SELECT exchange, symbol, after, max(up_to) AS up_to  -- of those that begin together, the longest
FROM spans
GROUP BY exchange, symbol, after
