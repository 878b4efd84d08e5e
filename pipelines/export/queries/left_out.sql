-- Deposits and credits that are under way: the ledger counts them once they are ok.
SELECT
    exchange || ' ' || account || ' ' || type || ' ' || transaction_id || ': '
    || rtrim(rtrim(amount::VARCHAR, '0'), '.') || ' ' || currency || ', ' || status
FROM account_transactions
WHERE type IN ('deposit', 'credit') AND status IN ('pending', 'unconfirmed')
    AND ($exchange::VARCHAR IS NULL OR exchange = $exchange)
    AND ($account::VARCHAR IS NULL OR account = $account)
ORDER BY exchange, account, timestamp, transaction_id
