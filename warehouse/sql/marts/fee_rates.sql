-- The account's fee rates with the time for which each was valid.
--
-- grain: one row per exchange, account, symbol and rate it had
-- sources: trading_fees
-- columns:
--   exchange         VARCHAR                     of which exchange
--   account          VARCHAR                     label of the account
--   symbol           VARCHAR                     market, BASE-QUOTE; *: all markets without a rate of
--                                                their own
--   valid_from       TIMESTAMP WITH TIME ZONE    first observed (UTC)
--   valid_to         TIMESTAMP WITH TIME ZONE    another rate first observed; null: current
--   buy_fee_rate     DECIMAL(38,12)              of a buy, a fraction: 0.002 = 0.2 %
--   sell_fee_rate    DECIMAL(38,12)              of a sale; both are null where the exchange tells
--                                                maker and taker apart instead
--   maker_fee_rate   DECIMAL(38,12)              of an order that waits in the book; null where not
--                                                named
--   taker_fee_rate   DECIMAL(38,12)              of an order that meets one; null where not named
WITH observations AS (
    SELECT
        exchange,
        account,
        observed_at,
        row_number() OVER seen AS place,
        lead(observed_at) OVER seen AS next_at
    FROM (SELECT DISTINCT exchange, account, observed_at FROM main.trading_fees)
    WINDOW seen AS (PARTITION BY exchange, account ORDER BY observed_at)
),
runs AS (  -- in a run of like observations, place grows as their number does
    SELECT
        *,
        place - row_number() OVER (
            PARTITION BY
                exchange, account, symbol,
                buy_fee_rate, sell_fee_rate, maker_fee_rate, taker_fee_rate
            ORDER BY place
        ) AS run
    FROM main.trading_fees
    JOIN observations USING (exchange, account, observed_at)
)
SELECT
    exchange,
    account,
    symbol,
    min(observed_at) AS valid_from,
    arg_max_null(next_at, place) AS valid_to,
    buy_fee_rate,
    sell_fee_rate,
    maker_fee_rate,
    taker_fee_rate
FROM runs
GROUP BY
    exchange, account, symbol, buy_fee_rate, sell_fee_rate, maker_fee_rate, taker_fee_rate, run
