-- Every span with its dates. Of ids: the times of the rows at its ends; what is not held is between
-- its neighbours' rows, and begins or ends at null where there is none.
-- Grain: one row per exchange, dataset, stream and span.
WITH ids AS (
    SELECT exchange, 'trades' AS dataset, symbol AS stream, try_cast(trade_id AS BIGINT) AS id, timestamp
    FROM trades
    UNION ALL
    SELECT exchange, 'public_orders', symbol, try_cast(order_id AS BIGINT), timestamp
    FROM public_orders
    UNION ALL
    SELECT exchange, 'account_trades', account, try_cast(trade_id AS BIGINT), timestamp
    FROM account_trades
    UNION ALL
    SELECT exchange, 'account_transactions', account, try_cast(transaction_id AS BIGINT), timestamp
    FROM account_transactions
    UNION ALL
    SELECT exchange, 'account_orders', account, try_cast(order_id AS BIGINT), timestamp
    FROM account_orders
),
ends AS (
    SELECT
        c.exchange,
        c.dataset,
        c.stream,
        c.lower,
        arg_min(i.timestamp, i.id) AS first_at,
        arg_max(i.timestamp, i.id) AS last_at
    FROM coverage AS c
    JOIN ids AS i
        ON i.exchange = c.exchange AND i.dataset = c.dataset AND i.stream = c.stream
        AND i.id BETWEEN c.lower AND c.upper
    WHERE c.unit = 'id' AND c.state = 'complete'
    GROUP BY ALL
)
SELECT
    exchange,
    dataset,
    stream,
    unit,
    state,
    lower,
    upper,
    CASE
        WHEN unit = 'time' THEN make_timestamptz(lower)
        WHEN state = 'complete' THEN first_at
        ELSE lag(last_at IGNORE NULLS) OVER by_id
    END AS since,
    CASE
        WHEN unit = 'time' THEN make_timestamptz(upper)
        WHEN state = 'complete' THEN last_at
        ELSE lead(first_at IGNORE NULLS) OVER by_id
    END AS until
FROM coverage
LEFT JOIN ends USING (exchange, dataset, stream, lower)
WINDOW by_id AS (PARTITION BY exchange, dataset, stream ORDER BY lower)
ORDER BY exchange, dataset, stream, lower
