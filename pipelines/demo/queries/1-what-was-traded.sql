-- What was traded where, at which average price? Sums of decimals are exact.
SELECT exchange, symbol, count(*) AS trades, sum(amount) AS volume,
       (sum(cost) / sum(amount))::DECIMAL(38, 2) AS average_price,
       min(timestamp) AS first, max(timestamp) AS last
FROM trades
GROUP BY ALL
ORDER BY symbol, exchange;
