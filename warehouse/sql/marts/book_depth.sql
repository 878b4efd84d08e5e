-- Spread and depth of every order book snapshot.
--
-- grain: one row per exchange, symbol and observed_at
-- sources: order_books, cost(), ratio()
-- columns:
--   exchange           VARCHAR                     where it was observed
--   symbol             VARCHAR                     market, BASE-QUOTE
--   observed_at        TIMESTAMP WITH TIME ZONE    when (UTC)
--   best_bid           DECIMAL(38,12)              highest price that somebody pays; null without bids
--   best_ask           DECIMAL(38,12)              lowest price that somebody takes; null without asks
--   spread             DECIMAL(38,12)              best_ask - best_bid, in quote currency
--   mid                DECIMAL(38,13)              half way between them, exact
--   spread_bps         DECIMAL(38,12)              spread in hundredths of a per cent of mid, rounded
--                                                  to 12 decimals
--   bid_levels         BIGINT                      number of price levels of bids
--   ask_levels         BIGINT                      number of price levels of asks
--   bid_amount         DECIMAL(38,12)              all bids, in base currency
--   ask_amount         DECIMAL(38,12)              all asks, in base currency
--   bid_amount_1pct    DECIMAL(38,12)              bids within 1 % of mid, in base currency
--   ask_amount_1pct    DECIMAL(38,12)              asks within 1 % of mid, in base currency
--   bid_value_1pct     DECIMAL(38,18)              bids within 1 % of mid, in quote currency
--   ask_value_1pct     DECIMAL(38,18)              asks within 1 % of mid, in quote currency
WITH best AS (
    SELECT
        exchange,
        symbol,
        observed_at,
        max(price) FILTER (side = 'bid') AS best_bid,
        min(price) FILTER (side = 'ask') AS best_ask,
        count_if(side = 'bid')::BIGINT AS bid_levels,
        count_if(side = 'ask')::BIGINT AS ask_levels
    FROM main.order_books
    GROUP BY ALL
),
middle AS (
    SELECT
        *,
        best_ask - best_bid AS spread,
        ((best_bid + best_ask) * 0.5::DECIMAL(2,1))::DECIMAL(38,13) AS mid
    FROM best
),
levels AS (
    SELECT
        m.*,
        o.side,
        o.amount,
        o.price,
        CASE o.side
            WHEN 'bid' THEN o.price >= m.mid * 0.99::DECIMAL(3,2)
            ELSE o.price <= m.mid * 1.01::DECIMAL(3,2)
        END AS is_near
    FROM main.order_books AS o
    JOIN middle AS m USING (exchange, symbol, observed_at)
)
SELECT
    exchange,
    symbol,
    observed_at,
    best_bid,
    best_ask,
    spread,
    mid,
    main.ratio(spread * 20000, best_bid + best_ask) AS spread_bps,
    bid_levels,
    ask_levels,
    coalesce(sum(amount) FILTER (side = 'bid'), 0)::DECIMAL(38,12) AS bid_amount,
    coalesce(sum(amount) FILTER (side = 'ask'), 0)::DECIMAL(38,12) AS ask_amount,
    sum(amount) FILTER (side = 'bid' AND is_near) AS bid_amount_1pct,
    sum(amount) FILTER (side = 'ask' AND is_near) AS ask_amount_1pct,
    sum(main.cost(amount, price)) FILTER (side = 'bid' AND is_near) AS bid_value_1pct,
    sum(main.cost(amount, price)) FILTER (side = 'ask' AND is_near) AS ask_value_1pct
FROM levels
GROUP BY ALL
