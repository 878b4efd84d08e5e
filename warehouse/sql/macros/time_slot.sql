-- The opening time of the interval that a moment lies in.
-- Intervals are counted from 1970-01-01 UTC, weeks from a Monday.
--
-- sources: timeframe_us(), utc()
-- parameters:
--   moment         TIMESTAMP WITH TIME ZONE    any time since 1970
--   timeframe      VARCHAR                     such as '7m', see timeframe_us
-- returns: TIMESTAMP WITH TIME ZONE
make_timestamptz(
    -- 1970-01-05 was a Monday
    (epoch_us(main.utc(moment)) - if(right(timeframe, 1) = 'w', 345600000000, 0))
        // main.timeframe_us(timeframe) * main.timeframe_us(timeframe)
    + if(right(timeframe, 1) = 'w', 345600000000, 0)
)
