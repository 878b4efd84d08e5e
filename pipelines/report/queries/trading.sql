-- Turnover and fees of every account in $quote, each fill at the price at the end of its interval of
-- length $timeframe. Null where a fill is known and cannot be converted.
-- Grain: one row per exchange and account.
WITH made AS (
    SELECT
        exchange, account, quote AS currency, time_slot(timestamp, $timeframe) AS timestamp,
        count(*) AS fills,
        count(*) - count(fee_amount) AS without_fee,
        count(fee_amount) - count(fee_quote) AS other_fees,
        CASE WHEN count(cost) = count(*) THEN sum(cost) END AS turnover,
        sum(fee_quote) AS fees
    FROM marts.fills
    GROUP BY ALL
)
SELECT
    m.exchange,
    m.account,
    sum(m.fills)::BIGINT AS fills,
    sum(m.without_fee)::BIGINT AS without_fee,
    sum(m.other_fees)::BIGINT AS other_fees,
    CASE
        WHEN count(m.turnover) = count(*) AND count(r.price) = count(*)
            THEN sum(pro_rata(m.turnover, r.price, 1))
    END AS turnover,
    CASE
        WHEN sum(m.other_fees) = 0 AND count(r.price) = count(*)
            THEN sum(pro_rata(m.fees, r.price, 1))
    END AS fees
FROM made AS m
ASOF LEFT JOIN rates AS r
    ON m.exchange = r.exchange AND m.currency = r.currency AND m.timestamp >= r.timestamp
GROUP BY ALL
ORDER BY ALL
