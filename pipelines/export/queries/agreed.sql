-- The balances at the end of every day on which the exchange's own figure was that of the history,
-- to the last digit and without transfers that had to be read otherwise. The last such figure of a
-- day is beside it: what followed on that day is in the balance and not in the figure.
WITH days AS (
    SELECT
        exchange, account, currency,
        (as_of AT TIME ZONE 'UTC')::DATE AS day,
        max(as_of) AS as_of,
        max_by(reported, as_of) AS reported
    FROM reconciliation
    SEMI JOIN events USING (exchange, account)
    WHERE difference = 0 AND in_transit = 0
    GROUP BY exchange, account, currency, day
),
balances AS (
    SELECT
        exchange, account, currency,
        (timestamp AT TIME ZONE 'UTC')::DATE AS day,
        max_by(balance, entry) AS balance
    FROM ledger
    WHERE book = 'account'
    GROUP BY exchange, account, currency, day
)
SELECT d.exchange, d.account, d.currency, d.day, d.as_of, d.reported, b.balance
FROM days AS d
ASOF JOIN balances AS b
    ON d.exchange = b.exchange AND d.account = b.account AND d.currency = b.currency
    AND d.day >= b.day
WHERE ($start::TIMESTAMPTZ IS NULL OR (d.day + 1)::TIMESTAMPTZ > $start)
    AND ($end::TIMESTAMPTZ IS NULL OR (d.day + 1)::TIMESTAMPTZ <= $end)
ORDER BY d.day, d.exchange, d.account, d.currency
