-- Whether a candle is stored as sent although no trades can make it, or opens off its grid.
-- Open or close outside of low and high, a negative volume, or an opening time that is no whole
-- multiple of the timeframe since 1970-01-01 UTC (of a day, where the timeframe is longer).
--
-- sources: timeframe_us()
-- parameters:
--   timeframe      VARCHAR                     such as '1h', see timeframe_us
--   timestamp      TIMESTAMP WITH TIME ZONE    opening time
--   open           DECIMAL                     first price
--   high           DECIMAL                     highest price
--   low            DECIMAL                     lowest price
--   close          DECIMAL                     last price
--   volume         DECIMAL                     in base currency
-- returns: BOOLEAN
low > least(open, close, high) OR high < greatest(open, close) OR volume < 0
OR epoch_us(timestamp) % least(main.timeframe_us(timeframe), 86400000000) <> 0
