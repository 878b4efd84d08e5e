-- The equity curve: what each account was worth in USD at the end of every day.
--
-- grain: one row per exchange, account and UTC day since something was held
-- sources: marts.account_value_daily
-- columns:
--   exchange     VARCHAR                     where it is held
--   account      VARCHAR                     label of the account
--   timestamp    TIMESTAMP WITH TIME ZONE    the day's beginning (UTC)
--   quote        VARCHAR                     USD
--   value        DECIMAL(38,18)              all holdings that have a price, in USD
--   unpriced     VARCHAR[]                   currencies held that no market gives a price for: their
--                                            value is not in it
SELECT
    exchange,
    account,
    timestamp,
    quote,
    sum(value) AS value,
    coalesce(list(currency ORDER BY currency) FILTER (price IS NULL AND total <> 0), []) AS unpriced
FROM marts.account_value_daily
GROUP BY ALL
ORDER BY exchange, account, timestamp
