-- What did my own account do, and what did it cost?
SELECT exchange, symbol, side, count(*) AS fills, sum(amount) AS amount, sum(cost) AS cost,
       fee_currency, sum(fee_amount) AS fees
FROM account_trades
GROUP BY ALL
ORDER BY ALL;
