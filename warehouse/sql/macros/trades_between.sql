-- The trades of one market in a span of time: FROM trades_between('BTC-USD', '2026-01-10', '2026-01-11').
--
-- grain: one row per exchange and trade
-- sources: trades, utc()
-- parameters:
--   symbol               VARCHAR                     BASE-QUOTE
--   since                TIMESTAMP WITH TIME ZONE    from here, inclusive
--   until                TIMESTAMP WITH TIME ZONE    to here, exclusive
--   exchange := NULL     VARCHAR                     only of this exchange
-- columns:
--   exchange     VARCHAR                     where it was traded
--   symbol       VARCHAR                     market, BASE-QUOTE
--   trade_id     VARCHAR                     the exchange's number of the trade
--   timestamp    TIMESTAMP WITH TIME ZONE    when (UTC)
--   side         VARCHAR                     buy or sell: the taker's
--   price        DECIMAL(38,12)              in quote currency for one of base currency
--   amount       DECIMAL(38,12)              in base currency
--   cost         DECIMAL(38,18)              price × amount in quote currency, exact; null where it
--                                            does not fit
SELECT t.exchange, t.symbol, t.trade_id, t.timestamp, t.side, t.price, t.amount, t.cost
FROM main.trades AS t
WHERE t.symbol = symbol
    AND t.timestamp >= main.utc(since)
    AND t.timestamp < main.utc(until)
    AND (exchange IS NULL OR t.exchange = exchange)
ORDER BY t.timestamp, t.exchange, TRY_CAST(t.trade_id AS BIGINT), t.trade_id
