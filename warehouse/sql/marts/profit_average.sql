-- Realised profit at average cost.
-- Everything bought of a market is one pool; what a sale takes costs the pool's average. Fees count
-- (marts.positions). What is sold beyond the pool (deposited, or bought before the history begins)
-- has no cost: a row of its own. What sales between two buys take is rounded to 18 decimals, and
-- together it is the pool's cost exactly.
--
-- grain: one row per exchange, account, symbol and sale, and one for what it sold beyond the pool
-- sources: marts.positions, pro_rata()
-- columns:
--   exchange        VARCHAR                     where it was traded
--   account         VARCHAR                     label of the account
--   symbol          VARCHAR                     market, BASE-QUOTE; pools do not cross markets
--   fill_id         VARCHAR                     the sale
--   timestamp       TIMESTAMP WITH TIME ZONE    when it was sold (UTC)
--   lot_fill_id     VARCHAR                     null: there are no lots
--   bought_at       TIMESTAMP WITH TIME ZONE    null: there are no lots
--   amount          DECIMAL(38,12)              sold out of the pool, in base currency, exact
--   cost            DECIMAL(38,18)              its part of what the pool cost, in quote currency;
--                                               null beyond the pool, and where the cost of a buy in
--                                               the pool is unknown
--   proceeds        DECIMAL(38,18)              its part of what the sale brought, in quote currency
--   profit          DECIMAL(38,18)              proceeds - cost, in quote currency; null where the
--                                               cost is
WITH RECURSIVE moves AS (
    SELECT *, bought > 0 AND lag(bought = 0, 1, true) OVER market_order AS opens
    FROM marts.positions
    WINDOW market_order AS (PARTITION BY exchange, account, symbol ORDER BY place)
),
taken AS (  -- a turn is a run of buys and the sales that follow it
    SELECT
        *,
        count_if(opens) OVER (
            PARTITION BY exchange, account, symbol ORDER BY place ROWS UNBOUNDED PRECEDING
        ) AS turn
    FROM moves
),
turns AS (
    SELECT
        exchange, account, symbol, turn,
        CASE  -- with one cost that is not known, what the pool costs is not known
            WHEN count(value) FILTER (bought > 0) = count_if(bought > 0)
                THEN coalesce(sum(value) FILTER (bought > 0), 0)
        END::DECIMAL(38,18) AS paid,
        max(all_bought) - min(taken_from) AS held,
        max(taken_to) - min(taken_from) AS given,
        min(taken_from) AS begun
    FROM taken
    GROUP BY exchange, account, symbol, turn
),
pools AS (  -- what the pool costs after the buys of a turn, and what its sales leave of that
    SELECT
        exchange, account, symbol, turn, held, begun,
        paid AS pool,
        if(given = held, 0::DECIMAL(38,18), paid - main.pro_rata(paid, given, held)) AS rest
    FROM turns
    WHERE turn = 1
    UNION ALL
    SELECT
        t.exchange, t.account, t.symbol, t.turn, t.held, t.begun,
        p.rest + t.paid,
        if(t.given = t.held, 0::DECIMAL(38,18),
            p.rest + t.paid - main.pro_rata(p.rest + t.paid, t.given, t.held))
    FROM pools AS p
    JOIN turns AS t
        ON t.exchange = p.exchange AND t.account = p.account AND t.symbol = p.symbol
        AND t.turn = p.turn + 1
),
sales AS (
    SELECT
        s.exchange, s.account, s.symbol, s.fill_id, s.timestamp, s.value, s.sold,
        s.taken_to - s.taken_from AS amount,
        main.pro_rata(p.pool, s.taken_to - p.begun, p.held)
            - main.pro_rata(p.pool, s.taken_from - p.begun, p.held) AS cost,
        main.pro_rata(s.value, s.taken_to - s.taken_from, s.sold) AS proceeds
    FROM taken AS s
    LEFT JOIN pools AS p
        ON s.exchange = p.exchange AND s.account = p.account AND s.symbol = p.symbol
        AND s.turn = p.turn
    WHERE s.sold > 0
)
SELECT
    exchange, account, symbol, fill_id, timestamp,
    NULL::VARCHAR AS lot_fill_id,
    NULL::TIMESTAMPTZ AS bought_at,
    amount,
    cost,
    proceeds,
    (proceeds - cost)::DECIMAL(38,18) AS profit
FROM sales
WHERE amount > 0
UNION ALL
SELECT
    exchange, account, symbol, fill_id, timestamp,
    NULL,
    NULL,
    (sold - amount)::DECIMAL(38,12),
    NULL,
    value - proceeds,
    NULL
FROM sales
WHERE sold > amount
