-- Every observed balance beside the one that the history gives.
-- A currency that the history knows and the observation leaves out counts as 0 reported. Two things
-- are in no history: when exactly a transfer was booked (only its newest state is kept),
-- and how old a response is (exchanges cache balances; WEX for 60 s). So where the plain reading
-- does not fit, the observation is read again as up to a minute older or newer, and with some of
-- the six newest transfers that may have been under way booked later, or earlier. Such a reading is
-- taken only if it fits to the last digit; of those, the one with the fewest transfers and the
-- nearest time.
--
-- grain: one row per exchange, account, currency and observation
-- sources: balances, ledger, holds, account_transactions, statements
-- columns:
--   exchange       VARCHAR                     whose account
--   account        VARCHAR                     label of the account
--   currency       VARCHAR                     what is held
--   observed_at    TIMESTAMP WITH TIME ZONE    when the balance was observed (UTC)
--   available      DECIMAL(38,18)              as reported: free to use
--   reserved       DECIMAL(38,18)              as reported: held by open orders; null where the
--                                              exchange does not say (WEX)
--   held           DECIMAL(38,18)              in open orders at as_of by the history (holds); the
--                                              part of it that is this currency
--   reported       DECIMAL(38,18)              available + reserved, or available + held where the
--                                              exchange leaves out what lies in open orders
--   as_of          TIMESTAMP WITH TIME ZONE    moment up to which the history is counted (UTC)
--   in_transit     DECIMAL(38,18)              transfers that were booked later or earlier than the
--                                              ledger has them, signed
--   computed       DECIMAL(38,18)              balance by the history (ledger) at as_of, with
--                                              in_transit
--   reading        VARCHAR                     what had to be assumed where the plain reading does
--                                              not fit; else empty
WITH changes AS (
    SELECT exchange, account, currency, timestamp, amount, 0::DECIMAL(38, 18) AS held
    FROM main.ledger
    WHERE book = 'account'
    UNION ALL
    SELECT exchange, account, currency, timestamp, 0, amount
    FROM main.holds
),
moments AS (
    SELECT
        exchange, account, currency, timestamp,
        sum(sum(amount)) OVER currency_so_far AS owned,
        sum(sum(held)) OVER currency_so_far AS held
    FROM changes
    GROUP BY exchange, account, currency, timestamp
    WINDOW currency_so_far AS (
        PARTITION BY exchange, account, currency ORDER BY timestamp ROWS UNBOUNDED PRECEDING
    )
),
observed AS (
    SELECT exchange, account, currency, observed_at, available, reserved FROM main.balances
    UNION ALL
    SELECT o.exchange, o.account, m.currency, o.observed_at, 0, 0
    FROM (SELECT DISTINCT exchange, account, observed_at FROM main.balances) AS o
    JOIN (
        SELECT exchange, account, currency, min(timestamp) AS first_at
        FROM moments
        GROUP BY exchange, account, currency
    ) AS m
        ON o.exchange = m.exchange AND o.account = m.account AND m.first_at <= o.observed_at
    ANTI JOIN main.balances AS b
        ON o.exchange = b.exchange AND o.account = b.account AND o.observed_at = b.observed_at
        AND m.currency = b.currency
),
plain AS (
    SELECT
        o.*,
        coalesce(m.owned, 0)::DECIMAL(38, 18) AS owned,
        coalesce(m.held, 0)::DECIMAL(38, 18) AS held,
        (o.available + coalesce(o.reserved, m.held, 0))::DECIMAL(38, 18) AS reported
    FROM observed AS o
    ASOF LEFT JOIN moments AS m
        ON o.exchange = m.exchange AND o.account = m.account AND o.currency = m.currency
        AND o.observed_at >= m.timestamp
),
-- The other readings, for what does not fit: at other moments …
ages AS (
    SELECT exchange, account, currency, observed_at, available, reserved, observed_at AS as_of
    FROM plain
    WHERE owned <> reported
    UNION
    SELECT
        exchange, account, currency, observed_at, available, reserved,
        observed_at - INTERVAL 60 SECONDS
    FROM plain
    WHERE owned <> reported
    UNION
    SELECT
        p.exchange, p.account, p.currency, p.observed_at, p.available, p.reserved, m.timestamp
    FROM plain AS p
    JOIN moments AS m
        ON p.exchange = m.exchange AND p.account = m.account AND p.currency = m.currency
        AND m.timestamp BETWEEN p.observed_at - INTERVAL 60 SECONDS
            AND p.observed_at + INTERVAL 60 SECONDS
    WHERE p.owned <> p.reported
),
aged AS (
    SELECT
        a.*,
        coalesce(m.owned, 0)::DECIMAL(38, 18) AS owned,
        coalesce(m.held, 0)::DECIMAL(38, 18) AS held,
        (a.available + coalesce(a.reserved, m.held, 0))::DECIMAL(38, 18) AS reported
    FROM ages AS a
    ASOF LEFT JOIN moments AS m
        ON a.exchange = m.exchange AND a.account = m.account AND a.currency = m.currency
        AND a.as_of >= m.timestamp
),
-- … and with any of the six newest transfers that may have been under way booked otherwise.
doubted AS (
    SELECT
        p.exchange, p.account, p.currency, p.observed_at,
        -- by now counted, and perhaps not booked then; or the other way round
        (if((t.type, t.status) IN (('deposit', 'ok'), ('withdrawal', 'failed')), -1, 1)
            * (t.amount + if(t.type = 'deposit', -1, 1) * coalesce(t.fee_amount, 0))
        )::DECIMAL(38, 18) AS effect,
        t.type || ' ' || t.transaction_id || CASE
            WHEN t.type = 'deposit' AND t.status = 'ok' THEN ' not yet booked'
            WHEN t.type = 'deposit' THEN ' already booked'
            WHEN t.status = 'failed' THEN ' not yet back'
            ELSE ' not yet taken'
        END AS what,
        row_number() OVER (
            PARTITION BY p.exchange, p.account, p.currency, p.observed_at
            ORDER BY t.timestamp DESC, t.transaction_id
        ) - 1 AS place
    FROM plain AS p
    JOIN main.account_transactions AS t
        ON p.exchange = t.exchange AND p.account = t.account AND p.currency = t.currency
        AND t.timestamp <= p.observed_at
    ANTI JOIN main.statements AS s
        ON t.exchange = s.exchange AND t.account = s.account
        AND t.transaction_id = s.transaction_id
    WHERE p.owned <> p.reported AND t.type IN ('deposit', 'withdrawal')
        AND (t.status IN ('pending', 'unconfirmed') OR t.ingested_at > p.observed_at)
        AND NOT (t.type = 'deposit' AND t.status = 'failed')
    QUALIFY place < 6
),
choices AS (
    SELECT
        d.exchange, d.account, d.currency, d.observed_at, s.subset,
        sum(d.effect) AS in_transit,
        count(*) AS transfers,
        string_agg(d.what, ', ' ORDER BY d.place) AS what
    FROM doubted AS d
    JOIN (SELECT unnest(range(1, 64)) AS subset) AS s ON (s.subset >> d.place) & 1 = 1
    GROUP BY d.exchange, d.account, d.currency, d.observed_at, s.subset
    UNION ALL
    SELECT exchange, account, currency, observed_at, 0, 0, 0, NULL
    FROM plain
    WHERE owned <> reported
),
fitting AS (
    SELECT a.*, c.in_transit, c.transfers, c.what
    FROM aged AS a
    JOIN choices AS c USING (exchange, account, currency, observed_at)
    WHERE a.owned + c.in_transit = a.reported
    QUALIFY row_number() OVER (
        PARTITION BY exchange, account, currency, observed_at
        ORDER BY c.transfers, abs(epoch_us(a.as_of) - epoch_us(observed_at)), a.as_of, c.what
    ) = 1
)
SELECT
    p.exchange,
    p.account,
    p.currency,
    p.observed_at,
    p.available,
    p.reserved,
    coalesce(f.held, p.held) AS held,
    coalesce(f.reported, p.reported) AS reported,
    coalesce(f.as_of, p.observed_at) AS as_of,
    coalesce(f.in_transit, 0)::DECIMAL(38, 18) AS in_transit,
    (coalesce(f.owned, p.owned) + coalesce(f.in_transit, 0))::DECIMAL(38, 18) AS computed,
    concat_ws(
        ', ',
        CASE
            WHEN f.as_of < p.observed_at THEN 'the answer was up to 60 s old (cached)'
            WHEN f.as_of > p.observed_at THEN 'the clocks differ by up to 60 s'
        END,
        f.what
    ) AS reading
FROM plain AS p
LEFT JOIN fitting AS f USING (exchange, account, currency, observed_at)
