-- Currencies to value in, the one that most markets are quoted in first. Grain: one row per currency.
WITH known AS (
    SELECT split_part(symbol, '-', 2) AS currency, 1 AS quoted
    FROM (SELECT symbol FROM trades UNION SELECT symbol FROM tickers)
    UNION ALL
    SELECT split_part(symbol, '-', 1), 0
    FROM (SELECT symbol FROM trades UNION SELECT symbol FROM tickers)
    UNION ALL
    SELECT currency, 0 FROM balances
)
SELECT currency, sum(quoted)::BIGINT AS markets
FROM known
WHERE currency <> ''
GROUP BY currency
ORDER BY markets DESC, currency
