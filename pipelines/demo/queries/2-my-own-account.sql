-- What did my own accounts trade, and what did it cost?
SELECT exchange, symbol, count(*) AS fills, sum(base_amount) FILTER (side = 'buy') AS bought,
       sum(base_amount) FILTER (side = 'sell') AS sold, sum(cost) AS turnover,
       sum(fee) FILTER (fee_currency = base) AS fees_in_base,
       sum(fee) FILTER (fee_currency = quote) AS fees_in_quote
FROM account_fills
GROUP BY ALL
ORDER BY ALL;
