-- Fills and profit of every market, in its quote currency and in $quote (null: not convertible).
-- Realised: of sales, first in first out, each at the price at the end of its interval of length
-- $timeframe (or the next one known). Unrealised: of what was bought and not sold, at the market's newest price.
-- Grain: one row per exchange, account and symbol.
WITH made AS (
    SELECT
        exchange, account, symbol, base, quote,
        count_if(side = 'buy') AS buys,
        count_if(side = 'sell') AS sells,
        min(timestamp) AS first_at,
        max(timestamp) AS last_at
    FROM marts.fills
    GROUP BY ALL
),
sold AS (
    SELECT
        exchange, account, symbol, m.quote AS currency,
        time_slot(timestamp, $timeframe) AS timestamp,
        sum(profit) AS profit,
        sum(amount) FILTER (profit IS NULL) AS without_cost
    FROM realised
    JOIN made AS m USING (exchange, account, symbol)
    GROUP BY ALL
),
fifo AS (
    SELECT
        s.exchange, s.account, s.symbol,
        sum(s.profit) AS profit,
        CASE
            WHEN count(s.profit) = count(r.price) FILTER (s.profit IS NOT NULL)
                THEN sum(pro_rata(s.profit, r.price, 1))
        END AS converted,
        sum(s.without_cost) AS without_cost
    FROM sold AS s
    ASOF LEFT JOIN rates AS r
        ON s.exchange = r.exchange AND s.currency = r.currency AND s.timestamp >= r.timestamp
    GROUP BY ALL
),
average AS (
    SELECT exchange, account, symbol, sum(profit) AS profit
    FROM realised_profit('average')
    GROUP BY ALL
),
lots AS (  -- what the sales left of each buy, and of what it cost
    SELECT
        exchange, account, symbol, bought, value, all_bought - bought AS lot_from, all_bought,
        max(taken_to) OVER (PARTITION BY exchange, account, symbol) AS taken
    FROM marts.positions
),
open AS (
    SELECT
        exchange, account, symbol,
        sum(least(bought, all_bought - taken))::DECIMAL(38,12) AS amount,
        CASE
            WHEN count(value) = count(*)
                THEN sum(value - pro_rata(value, greatest(taken - lot_from, 0), bought))
        END AS cost
    FROM lots
    WHERE bought > 0 AND all_bought > taken
    GROUP BY ALL
),
now AS (
    SELECT exchange, currency, arg_max(price, timestamp) AS price
    FROM rates
    GROUP BY ALL
),
valued_open AS (
    SELECT o.*, p.price, cost(o.amount, p.price) - o.cost AS profit
    FROM open AS o
    LEFT JOIN last_prices AS p USING (exchange, symbol)
)
SELECT
    m.exchange,
    m.account,
    m.symbol,
    m.base,
    m.quote,
    m.buys,
    m.sells,
    m.first_at,
    m.last_at,
    fifo.profit AS fifo,
    fifo.converted AS realised,
    average.profit AS average,
    fifo.without_cost,
    o.amount AS open_amount,
    o.cost AS open_cost,
    o.price,
    o.profit::DECIMAL(38,18) AS unrealised_in_quote,
    pro_rata(o.profit::DECIMAL(38,18), now.price, 1) AS unrealised
FROM made AS m
LEFT JOIN fifo USING (exchange, account, symbol)
LEFT JOIN average USING (exchange, account, symbol)
LEFT JOIN valued_open AS o USING (exchange, account, symbol)
LEFT JOIN now ON now.exchange = m.exchange AND now.currency = m.quote
ORDER BY m.exchange, m.account, m.buys + m.sells DESC, m.symbol
