-- A moment as one means it: what names no zone is UTC, whatever zone the session has.
--
-- sources:
-- parameters:
--   moment    TIMESTAMP WITH TIME ZONE    or a date, a time without zone, or text of either
-- returns: TIMESTAMP WITH TIME ZONE
CASE
    WHEN typeof(moment) = 'TIMESTAMP WITH TIME ZONE'
        OR regexp_matches(moment::VARCHAR, ':\d.*([Zz]|[+-]\d\d(:?\d\d)*|[A-Za-z/_]+)$')
    THEN moment::TIMESTAMPTZ
    ELSE moment::VARCHAR::TIMESTAMP AT TIME ZONE 'UTC'
END
