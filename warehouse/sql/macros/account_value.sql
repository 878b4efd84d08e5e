-- Balances over time and what they are worth: FROM account_value('USD', '1d').
-- Of every interval the balance at its end (as last observed) and the price at its end: that of the
-- last trade or ticker of the same exchange, be it of the market CURRENCY-QUOTE or of
-- QUOTE-CURRENCY. Sum value over currencies for an equity curve.
--
-- grain: one row per exchange, account, currency and interval since the account's first balance
-- sources: marts.balance_history, trades, tickers, ratio(), time_slot(), timeframe_us()
-- parameters:
--   quote := 'USD'       VARCHAR     currency to reckon in
--   timeframe := '1d'    VARCHAR     such as '4h', see timeframe_us
-- columns:
--   exchange     VARCHAR                     where it is held
--   account      VARCHAR                     label of the account
--   currency     VARCHAR                     what is held
--   timestamp    TIMESTAMP WITH TIME ZONE    opening time of the interval (UTC)
--   total        DECIMAL(38,12)              available + reserved as far as known, at its end
--   quote        VARCHAR                     currency of price and value
--   price        DECIMAL(38,12)              quote currency for one of currency; rounded to 12 decimals
--                                            if only the opposite market is known; null without any
--   value        DECIMAL(38,18)              total in quote currency: total × price, exact (from the
--                                            opposite market: total / its price, rounded to 12
--                                            decimals); null without a price
WITH prices AS (
    SELECT
        p.exchange,
        p.symbol,
        main.time_slot(p.moment, timeframe) AS slot,
        last(p.price ORDER BY p.moment, p.id) AS price
    FROM (
        SELECT
            t.exchange, t.symbol, t.timestamp AS moment, t.trade_id::BIGINT AS id, t.price
        FROM main.trades AS t
        UNION ALL
        SELECT k.exchange, k.symbol, k.observed_at, NULL, k.last
        FROM main.tickers AS k
        WHERE k.last IS NOT NULL
    ) AS p
    WHERE p.symbol LIKE '%-' || quote OR p.symbol LIKE quote || '-%'
    GROUP BY 1, 2, 3
),
slots AS (
    SELECT
        h.exchange,
        h.account,
        unnest(generate_series(
            epoch_us(min(main.time_slot(h.valid_from, timeframe))),
            greatest(
                epoch_us(max(main.time_slot(h.valid_from, timeframe))),
                coalesce(
                    (SELECT max(epoch_us(n.slot)) FROM prices AS n WHERE n.exchange = h.exchange), 0)
            ),
            main.timeframe_us(timeframe)
        )) AS opening
    FROM marts.balance_history AS h
    GROUP BY 1, 2
),
held AS (
    SELECT h.exchange, h.account, h.currency, make_timestamptz(s.opening) AS slot, h.total
    FROM slots AS s
    JOIN marts.balance_history AS h
        ON h.exchange = s.exchange AND h.account = s.account
        AND h.valid_from < make_timestamptz(s.opening + main.timeframe_us(timeframe))
        AND (h.valid_to IS NULL
            OR h.valid_to >= make_timestamptz(s.opening + main.timeframe_us(timeframe)))
)
SELECT
    b.exchange,
    b.account,
    b.currency,
    b.slot AS timestamp,
    b.total,
    quote AS quote,
    CASE
        WHEN b.currency = quote THEN 1::DECIMAL(38,12)
        ELSE coalesce(p.price, main.ratio(1::DECIMAL(38,12), o.price))
    END AS price,
    CASE
        WHEN b.currency = quote THEN try_cast(b.total AS DECIMAL(38,18))
        WHEN p.price IS NOT NULL THEN try_cast(try(b.total * p.price) AS DECIMAL(38,18))
        ELSE try_cast(main.ratio(b.total, o.price) AS DECIMAL(38,18))
    END AS value
FROM held AS b
ASOF LEFT JOIN prices AS p
    ON p.exchange = b.exchange AND p.symbol = b.currency || '-' || quote AND b.slot >= p.slot
ASOF LEFT JOIN prices AS o
    ON o.exchange = b.exchange AND o.symbol = quote || '-' || b.currency AND b.slot >= o.slot
ORDER BY 1, 2, 3, 4
