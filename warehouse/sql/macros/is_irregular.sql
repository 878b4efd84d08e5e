-- Whether a candle is stored as sent although no trades can make it, or opens off its grid.
-- Open or close outside of low and high, a negative volume, or an opening time that is no whole
-- multiple of the timeframe since 1970-01-01 UTC; of weeks no Monday, and of several days no
-- midnight: exchanges count those from days of their own.
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
OR if(
    right(timeframe, 1) = 'w',
    epoch_us(timestamp) % 604800000000 <> 345600000000,  -- 1970-01-05 was a Monday
    epoch_us(timestamp) % least(main.timeframe_us(timeframe), 86400000000) <> 0
)
