-- Realised profit by lot, first in first out.
-- A lot is a buy; a sale uses up the oldest lots of its market first. Fees count: a lot costs what
-- was paid with its fee and holds what was received; a sale brings what was received (a fee in a
-- third currency is not counted). What a sale sells beyond all lots (deposited, or bought before the
-- history begins) has no cost: a row of its own without lot. Parts of a lot or sale are rounded to
-- 18 decimals, and together they are it exactly.
--
-- grain: one row per exchange, account, symbol, sale and lot it took from
-- sources: marts.fills, share()
-- columns:
--   exchange        VARCHAR                     where it was traded
--   account         VARCHAR                     label of the account
--   symbol          VARCHAR                     market, BASE-QUOTE; lots do not cross markets
--   fill_id         VARCHAR                     the sale
--   timestamp       TIMESTAMP WITH TIME ZONE    when it was sold (UTC)
--   lot_fill_id     VARCHAR                     the buy; null where none is left
--   bought_at       TIMESTAMP WITH TIME ZONE    when it was bought (UTC)
--   amount          DECIMAL(38,12)              sold out of this lot, in base currency, exact
--   cost            DECIMAL(38,18)              its part of what the lot cost, in quote currency;
--                                               null without lot
--   proceeds        DECIMAL(38,18)              its part of what the sale brought, in quote currency
--   profit          DECIMAL(38,18)              proceeds - cost, in quote currency; null without lot
WITH moves AS (
    SELECT
        exchange,
        account,
        symbol,
        fill_id,
        timestamp,
        if(base_change > 0, -quote_change, quote_change) AS value,
        if(base_change > 0, base_change, 0)::DECIMAL(38,12) AS bought,
        if(base_change < 0, -base_change, 0)::DECIMAL(38,12) AS sold,
        row_number() OVER market_order AS place
    FROM marts.fills
    WINDOW market_order AS (
        PARTITION BY exchange, account, symbol ORDER BY timestamp, try_cast(fill_id AS HUGEINT), fill_id)
),
totals AS (
    SELECT *, sum(bought) OVER so_far AS all_bought, sum(sold) OVER so_far AS all_sold
    FROM moves
    WINDOW so_far AS (
        PARTITION BY exchange, account, symbol ORDER BY place ROWS UNBOUNDED PRECEDING)
),
shortage AS (  -- how much was sold so far without a lot
    SELECT
        *,
        greatest(0, max(all_sold - all_bought) OVER (
            PARTITION BY exchange, account, symbol ORDER BY place ROWS UNBOUNDED PRECEDING
        ))::DECIMAL(38,12) AS short
    FROM totals
),
lots AS (  -- where each lot lies in the queue of everything bought
    SELECT
        exchange, account, symbol, fill_id, timestamp, value, bought,
        all_bought - bought AS lot_from,
        all_bought AS lot_to
    FROM shortage
    WHERE bought > 0
),
sales AS (  -- and which stretch of that queue each sale takes
    SELECT
        exchange, account, symbol, fill_id, timestamp, value, sold,
        all_sold - short AS sale_to,
        lag(all_sold - short, 1, 0::DECIMAL(38,12)) OVER (
            PARTITION BY exchange, account, symbol ORDER BY place) AS sale_from
    FROM shortage
),
cuts AS (
    SELECT exchange, account, symbol, lot_to AS stretch_to FROM lots
    UNION
    SELECT exchange, account, symbol, sale_to FROM sales WHERE sold > 0 AND sale_to > 0
),
stretches AS (  -- between two cuts: of one lot, to one sale
    SELECT
        *,
        lag(stretch_to, 1, 0::DECIMAL(38,12)) OVER (
            PARTITION BY exchange, account, symbol ORDER BY stretch_to) AS stretch_from
    FROM cuts
),
matched AS (
    SELECT
        s.exchange, s.account, s.symbol,
        sale.fill_id, sale.timestamp,
        lot.fill_id AS lot_fill_id, lot.timestamp AS bought_at,
        s.stretch_to - s.stretch_from AS amount,
        main.share(lot.value, s.stretch_to - lot.lot_from, lot.bought)
            - main.share(lot.value, s.stretch_from - lot.lot_from, lot.bought) AS cost,
        main.share(sale.value, s.stretch_to - sale.sale_from, sale.sold)
            - main.share(sale.value, s.stretch_from - sale.sale_from, sale.sold) AS proceeds
    FROM stretches AS s
    ASOF JOIN lots AS lot
        ON s.exchange = lot.exchange AND s.account = lot.account AND s.symbol = lot.symbol
        AND s.stretch_to <= lot.lot_to
    ASOF JOIN (SELECT * FROM sales WHERE sale_to > sale_from) AS sale
        ON s.exchange = sale.exchange AND s.account = sale.account AND s.symbol = sale.symbol
        AND s.stretch_to <= sale.sale_to
)
SELECT *, (proceeds - cost)::DECIMAL(38,18) AS profit
FROM matched
UNION ALL
SELECT
    exchange, account, symbol, fill_id, timestamp,
    NULL AS lot_fill_id,
    NULL AS bought_at,
    (sold - (sale_to - sale_from))::DECIMAL(38,12) AS amount,
    NULL AS cost,
    -- what the lots' parts left of the proceeds
    value - main.share(value, sale_to - sale_from, sold) AS proceeds,
    NULL AS profit
FROM sales
WHERE sold > sale_to - sale_from
