-- The newest fills of all accounts, at most $listed. Grain: one row per fill.
SELECT
    exchange, account, timestamp, symbol, base, quote, side, price, amount, cost, fee_amount, fee_currency
FROM marts.fills
ORDER BY timestamp DESC, exchange, account, try_cast(fill_id AS HUGEINT) DESC, fill_id DESC
LIMIT $listed
