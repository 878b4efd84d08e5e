-- Fills and realised profit by market, in its quote currency.
-- Grain: one row per exchange, account and symbol.
WITH made AS (
    SELECT
        exchange, account, symbol,
        count_if(side = 'buy') AS buys,
        count_if(side = 'sell') AS sells,
        min(timestamp) AS first_at,
        max(timestamp) AS last_at
    FROM marts.fills
    GROUP BY ALL
),
fifo AS (
    SELECT
        exchange, account, symbol,
        sum(profit) AS profit,
        sum(amount) FILTER (profit IS NULL) AS without_cost
    FROM realised
    GROUP BY ALL
),
average AS (
    SELECT exchange, account, symbol, sum(profit) AS profit
    FROM realised_profit('average')
    GROUP BY ALL
)
SELECT
    exchange,
    account,
    symbol,
    split_part(symbol, '-', 1) AS base,
    split_part(symbol, '-', 2) AS quote,
    buys,
    sells,
    first_at,
    last_at,
    fifo.profit AS fifo,
    average.profit AS average,
    fifo.without_cost
FROM made
LEFT JOIN fifo USING (exchange, account, symbol)
LEFT JOIN average USING (exchange, account, symbol)
ORDER BY exchange, account, buys + sells DESC, symbol
