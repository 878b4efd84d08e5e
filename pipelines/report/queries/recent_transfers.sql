-- The newest transfers, credits and debits of all accounts that are no fills, at most $listed, with
-- what each is worth in $quote now. Grain: one row per transaction.
WITH now AS (
    SELECT exchange, currency, arg_max(price, timestamp) AS price
    FROM rates
    GROUP BY ALL
)
SELECT
    exchange, account, timestamp, type, currency, amount, status, description,
    pro_rata(amount::DECIMAL(38,18), now.price, 1) AS value
FROM account_transactions
ANTI JOIN (FROM statements WHERE meaning <> 'margin') USING (exchange, account, transaction_id)
LEFT JOIN now USING (exchange, currency)
ORDER BY timestamp DESC, exchange, account, transaction_id DESC
LIMIT $listed
