-- What trading cost, by month.
--
-- grain: one row per exchange, account, UTC month, symbol and fee currency
-- sources: marts.fills
-- columns:
--   exchange             VARCHAR           where it was traded
--   account              VARCHAR           label of the account
--   month                DATE              first day of the month, UTC
--   symbol               VARCHAR           market, BASE-QUOTE
--   fee_currency         VARCHAR           currency of fee; null where the exchange names no fee
--   fills                BIGINT            number of fills
--   fills_without_fee    BIGINT            those of which no fee is known
--   fee                  DECIMAL(38,18)    sum of fees in fee_currency, exact; null where unknown
--   turnover             DECIMAL(38,18)    sum of price × amount, in quote currency, exact
--   fee_quote            DECIMAL(38,18)    sum of fees in quote currency (exact to 18 decimals each);
--                                          null where a fee cannot be converted
--   quote                VARCHAR           currency that turnover and fee_quote are in
SELECT
    exchange,
    account,
    date_trunc('month', timestamp AT TIME ZONE 'UTC')::DATE AS month,
    symbol,
    fee_currency,
    count(*) AS fills,
    count(*) - count(fee_amount) AS fills_without_fee,
    sum(fee_amount) AS fee,
    CASE WHEN count(cost) = count(*) THEN sum(cost) END AS turnover,
    CASE WHEN count(fee_quote) = count(fee_amount) THEN sum(fee_quote) END AS fee_quote,
    quote
FROM marts.fills
GROUP BY ALL
