-- What the lines of WEX's TransHistory say of orders.
-- Types 4 and 5 (credit, debit) hold three things besides coupons and bonuses:
--   hold     In payment for a warrant :order:N:         laid aside for an open order
--   release  Cancel order :order:N:                     what is left of it comes back
--   fill     Bought 1 LTC from your order :order:N: by price 3.367 EUR total 3.367 EUR (-0.2%)
-- A fill has one line: what a maker receives, what a taker pays for a buy or receives for a sell;
-- the wording gives the rest. WEX cuts costs and fees off after 8 places, it does not round them.
--
-- grain: one row per exchange, account and line that names an order
-- sources: account_transactions, markets
-- columns:
--   exchange          VARCHAR                     wex
--   account           VARCHAR                     label of the account
--   transaction_id    VARCHAR                     the line's id
--   timestamp         TIMESTAMP WITH TIME ZONE    of the line (UTC)
--   meaning           VARCHAR                     hold, release, fill; unread where the wording is
--                                                 not known (order_id and what follows amount are
--                                                 then null)
--   order_id          VARCHAR                     the order it names: the account's own, but for a
--                                                 taker's fill
--   trade_id          VARCHAR                     null
--   currency          VARCHAR                     the line's currency
--   amount            DECIMAL(38,18)              the line's amount, positive
--   symbol            VARCHAR                     of a fill: market, BASE-QUOTE
--   side              VARCHAR                     of a fill: buy or sell, the account's
--   taker_or_maker    VARCHAR                     of a fill: role of the account
--   price             DECIMAL(38,12)              of a fill: in quote currency, as worded
--   base_amount       DECIMAL(38,12)              of a fill: in base currency, before the fee
--   cost              DECIMAL(38,18)              of a fill: in quote currency, before the fee
--   fee               DECIMAL(38,18)              of a fill: taken from what is received
--   fee_currency      VARCHAR                     of a fill: currency of fee
WITH listed AS (
    SELECT unnest([base, quote]) AS code FROM main.markets WHERE exchange = 'wex'
),
lines AS (
    SELECT
        *,
        regexp_extract(description, '^In payment for a warrant :order:([0-9]+):$', 1) AS held,
        regexp_extract(description, '^Cancel order :order:([0-9]+):$', 1) AS released,
        regexp_extract(
            description,
            '^(?:Buy|Bought|Sell|Sold) ([0-9]+(?:\.[0-9]{1,12})?) ([^ ]+)(?: \(-([0-9.]+)%\))?'
            || ' from (your )?order :order:([0-9]+):'
            || ' by price ([0-9]+(?:\.[0-9]{1,12})?) ([^ ]+)'
            || '(?: total ([0-9]+(?:\.[0-9]{1,12})?) [^ ]+)?(?: \(-[0-9.]+%\))?$',
            ['amount', 'base', 'percent', 'own', 'order_id', 'price', 'quote', 'total']
        ) AS parsed
    FROM main.account_transactions
    WHERE exchange = 'wex' AND type IN ('credit', 'debit') AND status = 'ok'
        AND description LIKE '%:order:%'
),
coded AS (
    -- a code is in upper case, but for one that another differs from by case only
    SELECT
        *,
        if(parsed.base IN (SELECT code FROM listed), parsed.base, upper(parsed.base)) AS base,
        if(parsed.quote IN (SELECT code FROM listed), parsed.quote, upper(parsed.quote)) AS quote
    FROM lines
),
read AS (
    SELECT
        *,
        type = 'credit' AND currency = base AS is_maker_buy,
        type = 'debit' AND currency = quote AS is_taker_buy,
        type = 'credit' AND currency = quote AND parsed.total <> '' AS is_sell,
        TRY_CAST(parsed.amount AS DECIMAL(38, 12)) AS base_amount,
        TRY_CAST(parsed.price AS DECIMAL(38, 12)) AS price,
        TRY_CAST(nullif(parsed.percent, '') AS DECIMAL(9, 6)) AS percent,
        TRY_CAST(nullif(parsed.total, '') AS DECIMAL(38, 12)) AS total
    FROM coded
),
judged AS (
    SELECT
        *,
        CASE
            WHEN held <> '' AND type = 'debit' THEN 'hold'
            WHEN released <> '' AND type = 'credit' THEN 'release'
            WHEN is_maker_buy OR is_taker_buy OR is_sell THEN 'fill'
            ELSE 'unread'
        END AS meaning
    FROM read
)
SELECT
    exchange,
    account,
    transaction_id,
    timestamp,
    meaning,
    CASE meaning WHEN 'hold' THEN held WHEN 'release' THEN released WHEN 'fill' THEN parsed.order_id
    END AS order_id,
    NULL::VARCHAR AS trade_id,
    currency,
    amount,
    CASE meaning WHEN 'fill' THEN base || '-' || quote END AS symbol,
    CASE meaning WHEN 'fill' THEN if(is_sell, 'sell', 'buy') END AS side,
    CASE meaning WHEN 'fill' THEN if(parsed.own <> '', 'maker', 'taker') END AS taker_or_maker,
    CASE meaning WHEN 'fill' THEN price END AS price,
    CASE meaning WHEN 'fill' THEN base_amount END AS base_amount,
    CASE
        WHEN meaning <> 'fill' THEN NULL
        WHEN is_sell THEN total
        WHEN is_taker_buy THEN amount
        ELSE trunc(price * base_amount, 8)  -- paid out of what the order had laid aside
    END::DECIMAL(38, 18) AS cost,
    CASE
        WHEN meaning <> 'fill' THEN NULL
        WHEN is_sell THEN total - amount
        WHEN is_maker_buy THEN base_amount - amount
        -- the only figure that no line states: the taker's base leg has none
        ELSE trunc(base_amount * percent * 0.01, 8)
    END::DECIMAL(38, 18) AS fee,
    CASE WHEN meaning = 'fill' THEN if(is_sell, quote, base) END AS fee_currency
FROM judged
