-- What the account owned over time and what it was worth: FROM account_value('USD', '1d').
-- Of every interval the holding at its end and the price at its end: the newest one known by trade,
-- ticker, finished candle or own fill of the same exchange, in the market CURRENCY-QUOTE, else in
-- QUOTE-CURRENCY, else through one other currency. For an equity curve see marts.equity_daily.
--
-- grain: one row per exchange, account, currency and interval since it was first held
-- sources: marts.holdings, trades, tickers, candles, account_fills, markets, pro_rata(),
--          time_slot(), timeframe_us()
-- parameters:
--   quote := 'USD'       VARCHAR     currency of all values
--   timeframe := '1d'    VARCHAR     such as '4h', see timeframe_us
-- columns:
--   exchange     VARCHAR                     where it is held
--   account      VARCHAR                     label of the account
--   currency     VARCHAR                     what is held
--   timestamp    TIMESTAMP WITH TIME ZONE    opening time of the interval (UTC)
--   total        DECIMAL(38,18)              free and in open orders, at its end, exact
--   quote        VARCHAR                     currency of price and value
--   price        DECIMAL(38,12)              quote currency for one of currency, rounded to 12
--                                            decimals unless it is the market's own; null without any
--   value        DECIMAL(38,18)              total in quote currency: total × each market's price (or
--                                            divided by it), rounded to 18 decimals; null without a
--                                            price
WITH holdings AS MATERIALIZED (
    SELECT * FROM marts.holdings
),
prices_seen AS (
    SELECT
        t.exchange, t.symbol, t.timestamp AS moment, TRY_CAST(t.trade_id AS BIGINT) AS id, t.price
    FROM main.trades AS t
    UNION ALL
    SELECT k.exchange, k.symbol, k.observed_at, NULL, k.last
    FROM main.tickers AS k
    WHERE k.last IS NOT NULL
    UNION ALL
    SELECT
        c.exchange, c.symbol,
        c.timestamp + to_microseconds(main.timeframe_us(c.timeframe) - 1), NULL, c.close
    FROM main.candles AS c
    WHERE c.is_final
    UNION ALL
    SELECT f.exchange, f.symbol, f.timestamp, NULL, f.price
    FROM main.account_fills AS f
),
prices AS (
    SELECT
        p.exchange,
        p.symbol,
        main.time_slot(p.moment, timeframe) AS slot,
        last(p.price ORDER BY p.moment, p.id NULLS FIRST, p.price) AS price
    FROM prices_seen AS p
    WHERE p.price > 0
    GROUP BY 1, 2, 3
),
ways AS (  -- a market leads from its base to its quote currency, and back
    SELECT
        m.exchange, m.symbol, m.slots, w.back,
        coalesce(if(w.back, l.quote, l.base), split_part(m.symbol, '-', if(w.back, 2, 1))) AS source,
        coalesce(if(w.back, l.base, l.quote), split_part(m.symbol, '-', if(w.back, 1, 2))) AS target
    FROM (SELECT p.exchange, p.symbol, count(*) AS slots FROM prices AS p GROUP BY ALL) AS m
    CROSS JOIN (VALUES (false), (true)) AS w(back)
    LEFT JOIN main.markets AS l ON l.exchange = m.exchange AND l.symbol = m.symbol
),
paths AS (
    SELECT
        a.exchange, a.source AS currency,
        a.symbol AS symbol, a.back AS back, b.symbol AS then_symbol, b.back AS then_back
    FROM ways AS a
    LEFT JOIN ways AS b
        ON b.exchange = a.exchange AND b.source = a.target AND b.target = quote
        AND a.target <> quote
    WHERE a.source <> quote AND (a.target = quote OR b.target = quote)
    QUALIFY row_number() OVER (
        PARTITION BY a.exchange, a.source
        ORDER BY b.symbol IS NOT NULL, a.back::INT + coalesce(b.back, false)::INT,
            least(a.slots, b.slots) DESC, a.symbol, b.symbol
    ) = 1
),
spans AS (
    SELECT h.exchange, h.since, greatest(h.newest, n.newest) AS until
    FROM (
        SELECT h.exchange, min(h.valid_from) AS since, max(h.valid_from) AS newest
        FROM holdings AS h
        GROUP BY 1
    ) AS h
    LEFT JOIN (SELECT p.exchange, max(p.slot) AS newest FROM prices AS p GROUP BY 1) AS n
        ON n.exchange = h.exchange
),
openings AS (
    SELECT
        s.exchange,
        unnest(generate_series(
            epoch_us(main.time_slot(s.since, timeframe)),
            epoch_us(main.time_slot(s.until, timeframe)),
            main.timeframe_us(timeframe)
        )) AS opening
    FROM spans AS s
),
slots AS (
    SELECT
        o.exchange, make_timestamptz(o.opening) AS slot,
        make_timestamptz(o.opening + main.timeframe_us(timeframe)) AS closing
    FROM openings AS o
),
changes AS (
    SELECT
        h.exchange, h.account, h.currency, main.time_slot(h.valid_from, timeframe) AS slot,
        last({'total': h.total, 'valid_to': h.valid_to} ORDER BY h.valid_from) AS holding
    FROM holdings AS h
    GROUP BY 1, 2, 3, 4
),
held AS (
    SELECT
        exchange, account, currency, slot, closing,
        last_value(holding IGNORE NULLS) OVER (
            PARTITION BY exchange, account, currency ORDER BY slot) AS holding
    FROM slots
    JOIN (SELECT DISTINCT exchange, account, currency FROM changes) USING (exchange)
    LEFT JOIN changes USING (exchange, account, currency, slot)
),
known AS (  -- not by ASOF joins: DuckDB takes the slots for few, and loops
    SELECT
        exchange, symbol, slot,
        last_value(price IGNORE NULLS) OVER (
            PARTITION BY exchange, symbol ORDER BY slot) AS price
    FROM (
        SELECT exchange, symbol, slot FROM prices
        UNION
        SELECT exchange, symbol, slot
        FROM slots
        JOIN (SELECT DISTINCT exchange, symbol FROM prices) USING (exchange)
    )
    LEFT JOIN prices USING (exchange, symbol, slot)
),
priced AS (
    SELECT
        b.exchange, b.account, b.currency, b.slot, b.holding.total AS total, w.then_symbol,
        CASE WHEN b.currency = quote OR w.back THEN 1 ELSE p.price END::DECIMAL(38,12) AS times,
        if(w.back, p.price, 1)::DECIMAL(38,12) AS over_by,
        if(w.then_back, 1, n.price)::DECIMAL(38,12) AS then_times,
        if(w.then_back, n.price, 1)::DECIMAL(38,12) AS then_over_by
    FROM held AS b
    LEFT JOIN paths AS w ON w.exchange = b.exchange AND w.currency = b.currency
    LEFT JOIN known AS p
        ON p.exchange = b.exchange AND p.symbol = w.symbol AND p.slot = b.slot
    LEFT JOIN known AS n
        ON n.exchange = b.exchange AND n.symbol = w.then_symbol AND n.slot = b.slot
    WHERE b.holding IS NOT NULL
        AND (b.holding.valid_to IS NULL OR b.holding.valid_to >= b.closing)
),
halfway AS (  -- through the first market of the path
    SELECT
        v.*,
        main.pro_rata(1::DECIMAL(38,18), v.times, v.over_by) AS price,
        main.pro_rata(v.total, v.times, v.over_by) AS value
    FROM priced AS v
)
SELECT
    v.exchange,
    v.account,
    v.currency,
    v.slot AS timestamp,
    v.total,
    quote AS quote,
    if(v.then_symbol IS NULL, v.price, main.pro_rata(v.price, v.then_times, v.then_over_by)
    )::DECIMAL(38,12) AS price,
    if(v.then_symbol IS NULL, v.value, main.pro_rata(v.value, v.then_times, v.then_over_by)) AS value
FROM halfway AS v
ORDER BY 1, 2, 3, 4
