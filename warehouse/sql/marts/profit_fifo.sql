-- Realised profit by lot, first in first out.
-- A lot is a buy; a sale uses up the oldest lots of its market first. Fees count (marts.positions).
-- What a sale sells beyond all lots (deposited, or bought before the history begins) has no cost: a
-- row of its own without lot. Parts of a lot or sale are rounded to 18 decimals, and together they
-- are it exactly.
--
-- grain: one row per exchange, account, symbol, sale and lot it took from
-- sources: marts.positions, pro_rata()
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
WITH lots AS (  -- where each lot lies in the queue of everything bought
    SELECT *, all_bought - bought AS lot_from, all_bought AS lot_to
    FROM marts.positions
    WHERE bought > 0
),
sales AS (  -- and which stretch of that queue each sale takes
    SELECT *, taken_from AS sale_from, taken_to AS sale_to
    FROM marts.positions
    WHERE sold > 0
),
cuts AS (
    SELECT exchange, account, symbol, lot_to AS stretch_to FROM lots
    UNION
    SELECT exchange, account, symbol, sale_to FROM sales WHERE sale_to > 0
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
        main.pro_rata(lot.value, s.stretch_to - lot.lot_from, lot.bought)
            - main.pro_rata(lot.value, s.stretch_from - lot.lot_from, lot.bought) AS cost,
        main.pro_rata(sale.value, s.stretch_to - sale.sale_from, sale.sold)
            - main.pro_rata(sale.value, s.stretch_from - sale.sale_from, sale.sold) AS proceeds
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
    value - main.pro_rata(value, sale_to - sale_from, sold) AS proceeds,
    NULL AS profit
FROM sales
WHERE sold > sale_to - sale_from
