-- The account's fills with what they changed and what they cost in quote currency.
-- A fee counts where it was taken: in base currency it lessens the amount, in quote currency the
-- proceeds. One in a third currency is converted at the newest price known then in the market of the
-- two, by trade, ticker, finished candle or own fill of the same exchange. Where no history names a
-- fee, it is null and the changes are gross. Fills on margin are not among them: they move neither
-- currency, and their result is booked as credits and debits (ledger).
--
-- grain: one row per exchange, account, symbol and fill
-- sources: account_fills, trades, tickers, candles, cost(), pro_rata(), timeframe_us()
-- columns:
--   exchange          VARCHAR                     where it was traded
--   account           VARCHAR                     label of the account
--   symbol            VARCHAR                     market, BASE-QUOTE
--   fill_id           VARCHAR                     the exchange's number of the fill (trade_id); of a
--                                                 trade with oneself with its side; where only a
--                                                 statement has it, of the statement's line
--   order_id          VARCHAR                     the account's own order; null where unknown
--   timestamp         TIMESTAMP WITH TIME ZONE    when (UTC)
--   base              VARCHAR                     currency that amount is in
--   quote             VARCHAR                     currency that price and cost are in
--   side              VARCHAR                     buy or sell: the account's
--   price             DECIMAL(38,12)              in quote currency for one of base currency
--   amount            DECIMAL(38,12)              in base currency, positive
--   cost              DECIMAL(38,18)              price × amount in quote currency, exact; null where
--                                                 it does not fit
--   fee_amount        DECIMAL(38,18)              as the exchange states it; null where it does not
--   fee_currency      VARCHAR                     currency of fee_amount
--   fee_quote         DECIMAL(38,18)              the fee in quote currency: as it is, or × price if
--                                                 taken in base currency, or converted (exact to 18
--                                                 decimals); null where unknown, and of a third
--                                                 currency without a price
--   base_change       DECIMAL(38,12)              what the fill added to the base currency's balance:
--                                                 ± amount, less the fee if taken in it (to 12
--                                                 decimals)
--   quote_change      DECIMAL(38,18)              what it added to the quote currency's balance:
--                                                 ∓ cost, less the fee if taken in it
--   net_quote         DECIMAL(38,18)              quote_change less the fee taken in a third currency,
--                                                 where that can be converted
WITH named AS MATERIALIZED (
    SELECT
        *,
        base_amount AS amount,
        fee AS fee_amount,
        if(side = 'buy', 1, -1)::DECIMAL(1,0) AS direction,
        fee <> 0 AND fee_currency NOT IN (base, quote) AS is_third
    FROM main.account_fills
    WHERE NOT is_on_margin
),
markets AS (  -- in which a fee in a third currency has a price
    SELECT DISTINCT exchange, unnest([fee_currency || '-' || quote, quote || '-' || fee_currency]) AS symbol
    FROM named
    WHERE is_third
),
prices AS (
    SELECT exchange, symbol, moment, last(price ORDER BY id NULLS FIRST, price) AS price
    FROM (
        SELECT exchange, symbol, timestamp AS moment, TRY_CAST(trade_id AS BIGINT) AS id, price
        FROM main.trades
        SEMI JOIN markets USING (exchange, symbol)
        UNION ALL
        SELECT exchange, symbol, observed_at, NULL, last
        FROM main.tickers
        SEMI JOIN markets USING (exchange, symbol)
        WHERE last IS NOT NULL
        UNION ALL
        SELECT
            exchange, symbol, timestamp + to_microseconds(main.timeframe_us(timeframe) - 1), NULL, close
        FROM main.candles
        SEMI JOIN markets USING (exchange, symbol)
        WHERE is_final
        UNION ALL
        SELECT exchange, symbol, timestamp, NULL, price
        FROM named
        SEMI JOIN markets USING (exchange, symbol)
    )
    WHERE price > 0
    GROUP BY ALL
),
converted AS (
    SELECT
        n.*,
        CASE
            WHEN n.fee_currency = n.quote THEN n.fee_amount
            WHEN n.fee_currency = n.base THEN main.cost(n.fee_amount, n.price)
            WHEN n.fee_amount = 0 THEN n.fee_amount
            ELSE coalesce(
                main.pro_rata(n.fee_amount, d.price, 1), main.pro_rata(n.fee_amount, 1, b.price)
            )
        END::DECIMAL(38,18) AS fee_quote
    FROM named AS n
    ASOF LEFT JOIN prices AS d
        ON n.exchange = d.exchange AND n.fee_currency || '-' || n.quote = d.symbol
        AND n.timestamp >= d.moment
    ASOF LEFT JOIN prices AS b
        ON n.exchange = b.exchange AND n.quote || '-' || n.fee_currency = b.symbol
        AND n.timestamp >= b.moment
),
changed AS (
    SELECT
        *,
        (amount * direction
            - CASE WHEN fee_currency = base THEN coalesce(fee_amount, 0) ELSE 0 END
        )::DECIMAL(38,12) AS base_change,
        (-cost * direction
            - CASE WHEN fee_currency = quote THEN coalesce(fee_amount, 0) ELSE 0 END
        )::DECIMAL(38,18) AS quote_change
    FROM converted
)
SELECT
    exchange,
    account,
    symbol,
    fill_id,
    order_id,
    timestamp,
    base,
    quote,
    side,
    price,
    amount,
    cost,
    fee_amount,
    fee_currency,
    fee_quote,
    base_change,
    quote_change,
    (quote_change - if(is_third, coalesce(fee_quote, 0), 0))::DECIMAL(38,18) AS net_quote
FROM changed
