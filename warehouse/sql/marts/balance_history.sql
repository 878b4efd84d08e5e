-- The balances that exchanges reported, with the time from which and until which each was valid.
-- A currency missing from an observation was 0 then and has no row. For the time before the first
-- observation, and with amounts in open orders that the exchange does not report: marts.holdings.
--
-- grain: one row per exchange, account, currency and observation
-- sources: balances
-- columns:
--   exchange      VARCHAR                     where it is held
--   account       VARCHAR                     label of the account
--   currency      VARCHAR                     what is held
--   valid_from    TIMESTAMP WITH TIME ZONE    when it was first observed (UTC)
--   valid_to      TIMESTAMP WITH TIME ZONE    the account's next, different observation; null: current
--   available     DECIMAL(38,18)              free to use
--   reserved      DECIMAL(38,18)              held by open orders; null where the exchange does not
--                                             say (WEX)
--   total         DECIMAL(38,18)              available + reserved as far as known
WITH observations AS (
    SELECT
        exchange,
        account,
        observed_at,
        lead(observed_at) OVER (PARTITION BY exchange, account ORDER BY observed_at) AS valid_to
    FROM (SELECT DISTINCT exchange, account, observed_at FROM main.balances)
)
SELECT
    exchange,
    account,
    currency,
    observed_at AS valid_from,
    valid_to,
    available,
    reserved,
    available + coalesce(reserved, 0)::DECIMAL(38,18) AS total
FROM main.balances
JOIN observations USING (exchange, account, observed_at)
