-- Every fill of every account once, with the most exact figures there are.
-- Where the account's statement (statements) has the same fill as account_trades, the
-- figures are the statement's: it has all decimals and the fee, while WEX's TradeHistory may be
-- rounded to 6 significant digits and names no fee. A fill that only one of the two holds is here
-- as well. The two share no id. Fills of one market, side, role and own order that lie within a
-- minute of each other are paired in the order of their ids; where not all such pairs agree (one
-- history ends earlier), only fills with equal figures are.
--
-- grain: one row per exchange, account and fill
-- sources: account_trades, statements, markets, currencies, cost()
-- columns:
--   exchange          VARCHAR                     where it was traded
--   account           VARCHAR                     label of the account
--   symbol            VARCHAR                     market, BASE-QUOTE
--   fill_id           VARCHAR                     name of the fill within its market: trade_id; of a
--                                                 trade with oneself with its side; where only a
--                                                 statement has it, of the statement's line
--   trade_id          VARCHAR                     of account_trades; null where only the statement
--                                                 has it
--   transaction_id    VARCHAR                     of the statement's line; null where there is none
--   timestamp         TIMESTAMP WITH TIME ZONE    when (UTC)
--   side              VARCHAR                     buy or sell: the account's
--   taker_or_maker    VARCHAR                     role of the account; null where unknown
--   order_id          VARCHAR                     the account's own order; null where unknown
--   price             DECIMAL(38,12)              in quote currency
--   base_amount       DECIMAL(38,12)              in base currency, before the fee
--   cost              DECIMAL(38,18)              in quote currency, before the fee
--   fee               DECIMAL(38,18)              positive: paid; negative: a rebate; null where
--                                                 neither names one
--   fee_currency      VARCHAR                     currency of fee
--   base              VARCHAR                     currency that base_amount is in: as the exchange
--                                                 lists the market, else by the symbol
--   quote             VARCHAR                     currency that price and cost are in
--   is_on_margin      BOOLEAN                     whether it moved neither currency: the account's
--                                                 statement books its fee and the position's
--                                                 result instead (statements)
WITH stated AS (
    SELECT DISTINCT exchange, account FROM main.statements WHERE meaning = 'fill'
),
on_margin AS (
    SELECT DISTINCT exchange, account, trade_id FROM main.statements WHERE meaning = 'margin'
),
both_sources AS (
    SELECT
        exchange, account, symbol, side, coalesce(taker_or_maker, '') AS role,
        CASE WHEN taker_or_maker = 'maker' THEN order_id ELSE '' END AS own_order,
        timestamp, price, amount, trade_id, NULL AS transaction_id,
        TRY_CAST(trade_id AS HUGEINT) AS number
    FROM main.account_trades
    SEMI JOIN stated USING (exchange, account)
    UNION ALL
    SELECT
        exchange, account, symbol, side, taker_or_maker,
        CASE WHEN taker_or_maker = 'maker' THEN order_id ELSE '' END,
        timestamp, price, base_amount, NULL, transaction_id,
        TRY_CAST(transaction_id AS HUGEINT)
    FROM main.statements
    WHERE meaning = 'fill'
),
spaced AS (
    SELECT
        *,
        timestamp - lag(timestamp) OVER same > INTERVAL 60 SECONDS AS is_later
    FROM both_sources
    WINDOW same AS (
        PARTITION BY exchange, account, symbol, side, role, own_order
        ORDER BY timestamp, trade_id, transaction_id
    )
),
grouped AS (
    SELECT
        *,
        count(*) FILTER (is_later) OVER (
            PARTITION BY exchange, account, symbol, side, role, own_order
            ORDER BY timestamp, trade_id, transaction_id ROWS UNBOUNDED PRECEDING
        ) AS part
    FROM spaced
),
placed AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY exchange, account, symbol, side, role, own_order, part, trade_id IS NULL
            ORDER BY timestamp, number
        ) AS seat
    FROM grouped
),
seated AS (
    SELECT
        *,
        -- two at a seat, alike within 6 significant digits
        count(*) OVER pair = 2
        AND max(price) OVER pair - min(price) OVER pair <= min(price) OVER pair * 0.00001
        AND max(amount) OVER pair - min(amount) OVER pair <= min(amount) OVER pair * 0.00001
            AS is_pair
    FROM placed
    WINDOW pair AS (
        PARTITION BY exchange, account, symbol, side, role, own_order, part, seat
    )
),
counted AS (
    SELECT
        *,
        if(
            bool_and(is_pair) OVER (
                PARTITION BY exchange, account, symbol, side, role, own_order, part
            ),
            '',
            printf('%.5e %.5e', price::DOUBLE, amount::DOUBLE)
        ) AS figures
    FROM seated
),
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY
                exchange, account, symbol, side, role, own_order, part, figures, trade_id IS NULL
            ORDER BY timestamp, number
        ) AS place
    FROM counted
),
paired AS (
    SELECT
        exchange, account, symbol, side,
        max(trade_id) AS trade_id, max(transaction_id) AS transaction_id
    FROM ranked
    GROUP BY exchange, account, symbol, side, role, own_order, part, figures, place
    UNION ALL
    SELECT exchange, account, symbol, side, trade_id, NULL
    FROM main.account_trades
    ANTI JOIN stated USING (exchange, account)
),
priced AS (
    SELECT
        p.*,
        coalesce(
            p.trade_id || if(count(*) OVER trade > 1, ' ' || p.side, ''), p.transaction_id
        ) AS fill_id,
        coalesce(m.base, split_part(p.symbol, '-', 1)) AS base,
        coalesce(m.quote, split_part(p.symbol, '-', 2)) AS quote
    FROM paired AS p
    LEFT JOIN main.markets AS m USING (exchange, symbol)
    WINDOW trade AS (PARTITION BY p.exchange, p.account, p.symbol, p.trade_id)
)
SELECT
    p.exchange,
    p.account,
    p.symbol,
    p.fill_id,
    p.trade_id,
    p.transaction_id,
    coalesce(t.timestamp, s.timestamp) AS timestamp,
    p.side,
    coalesce(t.taker_or_maker, s.taker_or_maker) AS taker_or_maker,
    coalesce(t.order_id, CASE WHEN s.taker_or_maker = 'maker' THEN s.order_id END) AS order_id,
    coalesce(s.price, t.price) AS price,
    coalesce(s.base_amount, t.amount) AS base_amount,
    coalesce(s.cost, t.cost, main.cost(t.amount, t.price)) AS cost,
    coalesce(s.fee, t.fee_amount) AS fee,
    coalesce(
        s.fee_currency,
        -- as it is where it is listed: rows of an older Tidemark may have it in lower case
        CASE WHEN t.fee_currency IN (p.base, p.quote, c.currency) THEN t.fee_currency END,
        upper(t.fee_currency),
        -- a fee of no currency is one of what was received
        CASE
            WHEN t.fee_amount IS NULL THEN NULL
            ELSE if(t.side = 'buy', p.base, p.quote)
        END
    ) AS fee_currency,
    p.base,
    p.quote,
    g.trade_id IS NOT NULL AS is_on_margin
FROM priced AS p
LEFT JOIN main.account_trades AS t
    ON p.exchange = t.exchange AND p.account = t.account AND p.symbol = t.symbol
    AND p.trade_id = t.trade_id AND p.side = t.side
LEFT JOIN main.currencies AS c
    ON t.exchange = c.exchange AND t.fee_currency = c.currency
LEFT JOIN main.statements AS s
    ON p.exchange = s.exchange AND p.account = s.account AND p.transaction_id = s.transaction_id
LEFT JOIN on_margin AS g
    ON p.exchange = g.exchange AND p.account = g.account AND p.trade_id = g.trade_id
