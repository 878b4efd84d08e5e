-- Currencies to value in, the one that most markets are quoted in first. Grain: one row per currency.
WITH shown AS (
    SELECT DISTINCT
        symbol,
        coalesce(base, split_part(symbol, '-', 1)) AS base,
        coalesce(quote, split_part(symbol, '-', 2)) AS quote
    FROM (
        SELECT exchange, symbol FROM trades
        UNION
        SELECT exchange, symbol FROM tickers
    )
    LEFT JOIN markets USING (exchange, symbol)
),
known AS (
    SELECT quote AS currency, 1 AS quoted FROM shown
    UNION ALL
    SELECT base, 0 FROM shown
    UNION ALL
    SELECT currency, 0 FROM balances
)
SELECT currency, sum(quoted)::BIGINT AS markets
FROM known
WHERE currency <> ''
GROUP BY currency
ORDER BY markets DESC, currency
