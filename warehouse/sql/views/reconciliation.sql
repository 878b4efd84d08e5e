-- Whether the history explains what the exchange says the account owns.
-- See balance_readings for how an observation is read.
--
-- grain: one row per exchange, account, currency and observation
-- sources: balance_readings, account_fills, holds, statements, balances, account_trades,
--          account_transactions, coverage
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
--   difference     DECIMAL(38,18)              computed - reported, exact
--   cause          VARCHAR                     of a difference of 0: what had to be assumed for it,
--                                              null: nothing; of any other: its likely cause, null:
--                                              none is known
--   explained      BOOLEAN                     the difference is 0, or it may well be right under
--                                              its cause. "History incomplete" explains only a
--                                              difference that never changes, unless there are
--                                              holes in between
WITH compared AS (
    SELECT
        *,
        computed - reported AS difference,
        first(computed - reported) OVER so_far AS first_difference,
        min(CASE WHEN computed = reported THEN observed_at END) OVER (
            PARTITION BY exchange, account, currency ORDER BY observed_at
            ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS right_at
    FROM main.balance_readings
    WINDOW so_far AS (PARTITION BY exchange, account, currency ORDER BY observed_at)
),
collected AS (
    SELECT
        exchange, account, 'account_trades' AS dataset, min(timestamp) AS since
    FROM main.account_trades
    GROUP BY exchange, account
    UNION ALL
    SELECT exchange, account, 'account_transactions', min(timestamp)
    FROM main.account_transactions
    GROUP BY exchange, account
),
holes AS (
    SELECT
        exchange,
        split_part(stream, '/', 1) AS account,  -- main/BTC-USD: asked market by market
        dataset,
        -- ids that are not covered from 0 on: history was wanted only from some day
        count(*) FILTER (state <> 'complete' OR (unit = 'id' AND lower = lowest AND lower > 0))
            AS all_holes,
        count(*) FILTER (state <> 'complete' AND lower > lowest) AS later_holes
    FROM (
        SELECT *, min(lower) OVER (PARTITION BY exchange, dataset, stream) AS lowest
        FROM main.coverage
        WHERE dataset IN ('account_trades', 'account_transactions')
    )
    GROUP BY 1, 2, 3
),
lacking AS (
    SELECT
        a.exchange,
        a.account,
        string_agg(
            CASE
                WHEN c.dataset IS NULL THEN w.dataset || ': none is held'
                WHEN h.all_holes > 0
                    THEN w.dataset || ' incomplete before '
                        || strftime(c.since AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M')
            END,
            ', ' ORDER BY w.dataset
        ) AS what,
        coalesce(sum(h.later_holes), 0) > 0 AS has_later_holes
    FROM (SELECT DISTINCT exchange, account FROM main.balances) AS a
    CROSS JOIN (VALUES ('account_trades'), ('account_transactions')) AS w(dataset)
    LEFT JOIN collected AS c USING (exchange, account, dataset)
    LEFT JOIN holes AS h USING (exchange, account, dataset)
    GROUP BY a.exchange, a.account
),
doubts AS (
    SELECT
        r.exchange, r.account, r.currency, r.observed_at,
        (
            -- costs and fees that have more than 8 places, or that no line of a statement gives
            SELECT count(*) FROM main.account_fills AS f
            WHERE f.exchange = r.exchange AND f.account = r.account AND f.timestamp <= r.as_of
                AND (
                    (
                        f.quote = r.currency
                        AND (
                            f.cost <> trunc(f.cost, 8)
                            OR (f.transaction_id IS NOT NULL AND f.side = 'buy'
                                AND f.taker_or_maker = 'maker')
                        )
                    ) OR (
                        f.fee_currency = r.currency
                        AND (
                            f.fee <> trunc(f.fee, 8)
                            OR (f.transaction_id IS NOT NULL AND f.side = 'buy'
                                AND f.taker_or_maker = 'taker')
                        )
                    )
                )
        ) AS figures,
        (
            SELECT count(*) FROM main.account_fills AS f
            WHERE f.exchange = r.exchange AND f.account = r.account AND f.fee IS NULL
                AND if(f.side = 'buy', f.base, f.quote) = r.currency
                AND f.timestamp <= r.as_of
        ) AS feeless,
        (
            SELECT count(*) FROM main.statements AS s
            WHERE s.exchange = r.exchange AND s.account = r.account AND s.currency = r.currency
                AND s.meaning = 'unread' AND s.timestamp <= r.as_of
        ) AS unread,
        EXISTS (
            SELECT 1 FROM main.holds AS o WHERE o.exchange = r.exchange AND o.account = r.account
        ) AS knows_holds
    FROM compared AS r
    WHERE r.difference <> 0
),
judged AS (
    SELECT
        c.*,
        CASE
            WHEN c.difference = 0 THEN nullif(c.reading, '')
            WHEN d.unread > 0 THEN
                'lines about orders that cannot be read: ' || d.unread
                || ' (see ' || c.exchange || '_statements)'
            WHEN c.right_at IS NOT NULL THEN
                'passing: right again at '
                || strftime(c.right_at AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S')
            WHEN abs(c.difference) <= 0.00000001 * d.figures THEN
                'rounding of ' || d.figures || ' figures to 8 places'
            WHEN l.what IS NOT NULL
                AND (c.difference = c.first_difference OR l.has_later_holes)
                THEN 'history incomplete: ' || l.what
            WHEN c.difference > 0 AND c.reserved IS NULL AND NOT d.knows_holds THEN
                'hold: open orders are not known (collect account_orders)'
            WHEN c.difference > 0 AND d.feeless > 0 THEN
                'fees of ' || d.feeless || ' fills are not known'
        END AS cause,
        coalesce(d.unread, 0) > 0 AS is_unread
    FROM compared AS c
    LEFT JOIN doubts AS d USING (exchange, account, currency, observed_at)
    LEFT JOIN lacking AS l USING (exchange, account)
)
SELECT
    exchange,
    account,
    currency,
    observed_at,
    available,
    reserved,
    held,
    reported,
    as_of,
    in_transit,
    computed,
    difference,
    cause,
    difference = 0 OR (cause IS NOT NULL AND NOT is_unread) AS explained
FROM judged
