-- The account's fills with what they changed and what they cost in quote currency.
-- A fee counts where it was taken: in base currency it lessens the amount, in quote currency the
-- proceeds. Where no history names a fee, it is null and the changes are gross.
--
-- grain: one row per exchange, account, symbol and fill
-- sources: account_fills, cost()
-- columns:
--   exchange          VARCHAR                     where it was traded
--   account           VARCHAR                     label of the account
--   symbol            VARCHAR                     market, BASE-QUOTE
--   fill_id           VARCHAR                     the exchange's number of the fill (trade_id); where
--                                                 only a statement has it, of the statement's line
--   order_id          VARCHAR                     the account's own order; null where unknown
--   timestamp         TIMESTAMP WITH TIME ZONE    when (UTC)
--   base              VARCHAR                     currency that amount is in
--   quote             VARCHAR                     currency that price and cost are in
--   side              VARCHAR                     buy or sell: the account's
--   price             DECIMAL(38,12)              in quote currency for one of base currency
--   amount            DECIMAL(38,12)              in base currency, positive
--   cost              DECIMAL(38,18)              price × amount in quote currency, exact; null where
--                                                 it does not fit
--   fee_amount        DECIMAL(38,12)              as the exchange states it; null where it does not
--   fee_currency      VARCHAR                     currency of fee_amount
--   fee_quote         DECIMAL(38,18)              the fee in quote currency: as it is, or × price if
--                                                 taken in base currency (exact to 18 decimals);
--                                                 null where unknown or in a third currency
--   base_change       DECIMAL(38,12)              what the fill added to the base currency's balance:
--                                                 ± amount, less the fee if taken in it
--   quote_change      DECIMAL(38,18)              what it added to the quote currency's balance:
--                                                 ∓ cost, less the fee if taken in it
WITH named AS (
    SELECT
        *,
        base_amount AS amount,
        fee AS fee_amount,
        coalesce(trade_id, transaction_id) AS fill_id,
        if(side = 'buy', 1, -1)::DECIMAL(1,0) AS direction
    FROM main.account_fills
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
    CASE fee_currency
        WHEN quote THEN try_cast(fee_amount AS DECIMAL(38,18))
        WHEN base THEN main.cost(fee_amount, price)
    END AS fee_quote,
    (amount * direction
        - CASE WHEN fee_currency = base THEN coalesce(fee_amount, 0) ELSE 0 END
    )::DECIMAL(38,12) AS base_change,
    (-cost * direction
        - CASE WHEN fee_currency = quote THEN coalesce(fee_amount, 0) ELSE 0 END
    )::DECIMAL(38,18) AS quote_change
FROM named
