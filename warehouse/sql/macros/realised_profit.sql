-- Realised profit by the method of your choice: FROM realised_profit('fifo').
--
-- grain: one row per exchange, account, symbol, sale and (fifo) lot it took from
-- sources: marts.profit_fifo, marts.profit_average
-- parameters:
--   method := 'fifo'     VARCHAR     fifo (first in, first out) or average (average cost)
-- columns:
--   exchange        VARCHAR                     where it was traded
--   account         VARCHAR                     label of the account
--   symbol          VARCHAR                     market, BASE-QUOTE
--   fill_id         VARCHAR                     the sale
--   timestamp       TIMESTAMP WITH TIME ZONE    when it was sold (UTC)
--   lot_fill_id     VARCHAR                     the buy (fifo); null where none is left
--   bought_at       TIMESTAMP WITH TIME ZONE    when it was bought (fifo, UTC)
--   amount          DECIMAL(38,12)              sold, in base currency, exact
--   cost            DECIMAL(38,18)              what was paid for it, in quote currency; null where
--                                               unknown
--   proceeds        DECIMAL(38,18)              what it brought, in quote currency
--   profit          DECIMAL(38,18)              proceeds - cost, in quote currency; null where the
--                                               cost is unknown
SELECT * FROM marts.profit_fifo WHERE method = 'fifo'
UNION ALL
SELECT * FROM marts.profit_average WHERE method = 'average'
UNION ALL
SELECT * FROM marts.profit_fifo
WHERE CASE WHEN method IN ('fifo', 'average') THEN false
    ELSE error('not a method: ' || coalesce(method, 'NULL') || ' (fifo or average)') END
