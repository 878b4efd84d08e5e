-- What trading cost by month, in the currency that the markets are quoted in.
-- Grain: one row per month, exchange, account and quote currency, the newest month first.
SELECT
    strftime(month, '%Y-%m') AS month,
    exchange,
    account,
    quote,
    sum(fills)::BIGINT AS fills,
    sum(fills_without_fee)::BIGINT AS fills_without_fee,
    CASE WHEN count(turnover) = count(*) THEN sum(turnover) END AS turnover,
    CASE WHEN count(fee_quote) = count(*) THEN sum(fee_quote) END AS fee_quote,
    string_agg(DISTINCT fee_currency, ', ' ORDER BY fee_currency) AS taken_in
FROM marts.fees_monthly
GROUP BY ALL
ORDER BY month DESC, exchange, account, quote
