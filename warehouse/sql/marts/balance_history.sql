-- What the exchanges said that the account holds, and from when until when.
-- A currency that an observation leaves out is 0 then and has no row. Before the first observation,
-- and with what lies in open orders where the exchange does not say: marts.holdings.
--
-- grain: one row per exchange, account, currency and observation
-- sources: balances
-- columns:
--   exchange      VARCHAR                     where it is held
--   account       VARCHAR                     label of the account
--   currency      VARCHAR                     what is held
--   valid_from    TIMESTAMP WITH TIME ZONE    when it was observed so (UTC)
--   valid_to      TIMESTAMP WITH TIME ZONE    the account's next, different observation; null: still so
--   available     DECIMAL(38,12)              free to use
--   reserved      DECIMAL(38,12)              held by open orders; null where the exchange does not
--                                             say (WEX)
--   total         DECIMAL(38,12)              available + reserved as far as known
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
    available + coalesce(reserved, 0)::DECIMAL(38,12) AS total
FROM main.balances
JOIN observations USING (exchange, account, observed_at)
