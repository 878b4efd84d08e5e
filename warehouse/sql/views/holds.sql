-- What open orders lay aside: every change of it.
-- From the exchange's statement where it has one (WEX), else from account_orders: what an order
-- still wants when it opens, less its fills, less the rest when it closes. An order that closed at
-- an unknown time is left out; where fills do not name their order (BitexBit), what an order held
-- before a fill is not known either.
--
-- grain: one row per exchange, account, order and change
-- sources: statements, account_fills, account_orders, markets, cost()
-- columns:
--   exchange          VARCHAR                     whose order
--   account           VARCHAR                     label of the account
--   order_id          VARCHAR                     the order
--   timestamp         TIMESTAMP WITH TIME ZONE    of the change (UTC)
--   currency          VARCHAR                     what is laid aside
--   amount            DECIMAL(38,18)              signed, exact; positive: laid aside
--   source_dataset    VARCHAR                     account_transactions, account_trades or
--                                                 account_orders
--   source_id         VARCHAR                     transaction_id, trade_id or order_id of the row
--   held              DECIMAL(38,18)              of this currency in all open orders after this
--                                                 change
WITH stated AS (
    SELECT DISTINCT exchange, account, order_id FROM main.statements WHERE meaning = 'hold'
),
own_fills AS (
    SELECT
        *,
        if(side = 'buy', quote, base) AS currency,
        if(side = 'buy', cost, base_amount::DECIMAL(38, 18)) AS paid,
        if(trade_id IS NULL, 'account_transactions', 'account_trades') AS source_dataset,
        coalesce(trade_id, transaction_id) AS source_id
    FROM main.account_fills
    WHERE order_id IS NOT NULL
),
orders AS (
    SELECT
        o.*,
        coalesce(
            if(o.side = 'buy', m.quote, m.base),
            split_part(o.symbol, '-', if(o.side = 'buy', 2, 1))
        ) AS currency,
        if(o.side = 'buy', o.price, 1) AS each,
        coalesce(f.base_amount, 0) AS known,
        o.amount - coalesce(o.filled, f.base_amount, 0) AS rest
    FROM main.account_orders AS o
    ANTI JOIN stated USING (exchange, account, order_id)
    LEFT JOIN (
        SELECT exchange, account, order_id, sum(base_amount) AS base_amount
        FROM own_fills
        GROUP BY exchange, account, order_id
    ) AS f USING (exchange, account, order_id)
    LEFT JOIN main.markets AS m USING (exchange, symbol)
    WHERE o.type = 'limit' AND (o.status = 'open' OR o.closed_at IS NOT NULL)
),
counted AS (
    SELECT exchange, account, order_id FROM stated
    UNION ALL
    SELECT exchange, account, order_id FROM orders
),
changes AS (
    SELECT
        exchange, account, order_id, timestamp, currency,
        if(meaning = 'hold', amount, -amount)::DECIMAL(38, 18) AS amount,
        'account_transactions' AS source_dataset, transaction_id AS source_id
    FROM main.statements
    SEMI JOIN stated USING (exchange, account, order_id)
    WHERE meaning IN ('hold', 'release')
    UNION ALL
    SELECT
        exchange, account, order_id, timestamp, currency,
        main.cost(rest + known, each), 'account_orders', order_id
    FROM orders
    UNION ALL
    SELECT
        exchange, account, order_id, closed_at, currency,
        -main.cost(rest, each), 'account_orders', order_id
    FROM orders
    WHERE status <> 'open'
    UNION ALL
    SELECT
        exchange, account, order_id, timestamp, currency,
        -paid, source_dataset, source_id
    FROM own_fills
    SEMI JOIN counted USING (exchange, account, order_id)
)
SELECT
    *,
    sum(amount) OVER (
        PARTITION BY exchange, account, currency
        ORDER BY timestamp, source_dataset, TRY_CAST(source_id AS HUGEINT), source_id, amount
        ROWS UNBOUNDED PRECEDING
    ) AS held
FROM changes
WHERE amount <> 0
