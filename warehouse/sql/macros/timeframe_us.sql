-- The length of a timeframe: a whole number of s, m, h, d or w ('90s', '7m', '4h', '1d', '2w').
-- Anything else is an error.
--
-- sources:
-- parameters:
--   timeframe      VARCHAR     such as '7m'
-- returns: BIGINT microseconds
CASE
    WHEN regexp_full_match(timeframe, '[1-9][0-9]{0,5}[smhdw]')
    THEN left(timeframe, -1)::BIGINT * CASE right(timeframe, 1)
        WHEN 's' THEN 1000000 WHEN 'm' THEN 60000000 WHEN 'h' THEN 3600000000
        WHEN 'd' THEN 86400000000 ELSE 604800000000
    END
    ELSE error('not a timeframe: ' || coalesce(timeframe, 'NULL')
        || ' (a whole number of s, m, h, d or w, such as 7m)')
END
