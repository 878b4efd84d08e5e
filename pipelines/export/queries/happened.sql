-- The events of a span, in the order of the ledger.
SELECT *
FROM events
WHERE ($start::TIMESTAMPTZ IS NULL OR timestamp >= $start)
    AND ($end::TIMESTAMPTZ IS NULL OR timestamp < $end)
ORDER BY exchange, account, entry
