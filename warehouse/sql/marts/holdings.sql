-- The holdings of each account over time: from its history, and as observed since the first snapshot.
-- The history (ledger) is calculated back from the first observation, so that it is right as far
-- back as it is complete. Amounts in open orders count (balance_readings).
--
-- grain: one row per exchange, account, currency and moment at which it changed or was observed
-- sources: ledger, marts.balance_history, balance_readings
-- columns:
--   exchange      VARCHAR                     where it is held
--   account       VARCHAR                     label of the account
--   currency      VARCHAR                     what is held
--   valid_from    TIMESTAMP WITH TIME ZONE    from when (UTC)
--   valid_to      TIMESTAMP WITH TIME ZONE    until when; null: current
--   total         DECIMAL(38,18)              free and in open orders, exact
--   source        VARCHAR                     history or reported
WITH readings AS MATERIALIZED (
    SELECT exchange, account, currency, observed_at, computed, reported FROM main.balance_readings
),
observations AS (
    SELECT DISTINCT exchange, account, valid_from AS observed_at, valid_to
    FROM marts.balance_history
),
first_seen AS (
    SELECT exchange, account, min(observed_at) AS observed_at FROM observations GROUP BY ALL
),
surplus AS (  -- what the history has too much of, all along
    SELECT exchange, account, currency, computed - reported AS amount
    FROM readings
    SEMI JOIN first_seen USING (exchange, account, observed_at)
),
changes AS (
    SELECT
        l.exchange,
        l.account,
        l.currency,
        l.timestamp AS valid_from,
        f.observed_at AS until,
        last(l.balance ORDER BY l.entry) - coalesce(any_value(s.amount), 0) AS total
    FROM main.ledger AS l
    LEFT JOIN first_seen AS f USING (exchange, account)
    LEFT JOIN surplus AS s USING (exchange, account, currency)
    WHERE l.book = 'account' AND (f.observed_at IS NULL OR l.timestamp < f.observed_at)
    GROUP BY ALL
)
SELECT
    exchange,
    account,
    currency,
    valid_from,
    coalesce(
        lead(valid_from) OVER (PARTITION BY exchange, account, currency ORDER BY valid_from), until
    ) AS valid_to,
    total::DECIMAL(38,18) AS total,
    'history' AS source
FROM changes
UNION ALL
SELECT exchange, account, currency, observed_at, valid_to, reported, 'reported'
FROM readings
JOIN observations USING (exchange, account, observed_at)
