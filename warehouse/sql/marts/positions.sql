-- How every fill changed the position bought in its market.
-- Fees count: a buy adds the amount received at the cost paid including its fee; a sale brings the
-- proceeds received less it. A fee in a third currency counts if it can be converted (marts.fills:
-- fee_quote is null where it cannot). An amount sold beyond all that was bought (deposited, or bought
-- before the history begins) takes nothing. After a fill, the position is all_bought - taken_to.
--
-- grain: one row per exchange, account, symbol and fill
-- sources: marts.fills
-- columns:
--   exchange      VARCHAR                     where it was traded
--   account       VARCHAR                     label of the account
--   symbol        VARCHAR                     market, BASE-QUOTE; positions do not cross markets
--   fill_id       VARCHAR                     the fill
--   timestamp     TIMESTAMP WITH TIME ZONE    when (UTC)
--   place         BIGINT                      number of the fill in its market, by time and id
--   value         DECIMAL(38,18)              what it cost or brought, in quote currency; null where
--                                             unknown
--   bought        DECIMAL(38,12)              what it added, in base currency; 0 of a sale
--   sold          DECIMAL(38,12)              what it sold, in base currency; 0 of a buy
--   all_bought    DECIMAL(38,12)              sum of bought so far, with this fill
--   taken_from    DECIMAL(38,12)              how much of that had been sold before this fill
--   taken_to      DECIMAL(38,12)              and after it: it took what lies between
WITH moves AS (
    SELECT
        exchange,
        account,
        symbol,
        fill_id,
        timestamp,
        if(base_change > 0, -net_quote, net_quote) AS value,
        if(base_change > 0, base_change, 0)::DECIMAL(38,12) AS bought,
        if(base_change < 0, -base_change, 0)::DECIMAL(38,12) AS sold,
        row_number() OVER market_order AS place
    FROM marts.fills
    WINDOW market_order AS (
        PARTITION BY exchange, account, symbol ORDER BY timestamp, try_cast(fill_id AS HUGEINT), fill_id)
),
totals AS (
    SELECT *, sum(bought) OVER so_far AS all_bought, sum(sold) OVER so_far AS all_sold
    FROM moves
    WINDOW so_far AS (
        PARTITION BY exchange, account, symbol ORDER BY place ROWS UNBOUNDED PRECEDING)
),
taken AS (  -- all that was sold, but for what was sold while nothing was left
    SELECT
        *,
        all_sold - greatest(0, max(all_sold - all_bought) OVER (
            PARTITION BY exchange, account, symbol ORDER BY place ROWS UNBOUNDED PRECEDING
        ))::DECIMAL(38,12) AS taken_to
    FROM totals
)
SELECT
    exchange,
    account,
    symbol,
    fill_id,
    timestamp,
    place,
    value,
    bought,
    sold,
    all_bought,
    lag(taken_to, 1, 0::DECIMAL(38,12)) OVER (
        PARTITION BY exchange, account, symbol ORDER BY place) AS taken_from,
    taken_to
FROM taken
