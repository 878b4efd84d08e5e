-- Every currency of every account up to the end of a span: when it was first touched, what it was
-- at the start, and which kinds of entries it has within.
SELECT
    exchange,
    account,
    currency,
    (greatest(min(timestamp), $start::TIMESTAMPTZ) AT TIME ZONE 'UTC')::DATE AS since,
    coalesce(sum(amount) FILTER (timestamp < $start::TIMESTAMPTZ), 0)::DECIMAL(38, 18) AS opening,
    list(DISTINCT kind ORDER BY kind)
        FILTER (timestamp >= coalesce($start::TIMESTAMPTZ, '-infinity')) AS kinds
FROM ledger
SEMI JOIN events USING (exchange, account)
WHERE book = 'account' AND ($end::TIMESTAMPTZ IS NULL OR timestamp < $end)
GROUP BY exchange, account, currency
ORDER BY exchange, account, currency
