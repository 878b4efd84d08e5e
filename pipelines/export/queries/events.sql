-- What happened to the accounts: one row per event of the ledger, from the account's side.
-- A trade that received or gave 0 of its other currency (its cost is less than the last decimal)
-- has that currency all the same: the ledger has no entry of 0, but the market is known.
CREATE TEMP TABLE events AS
WITH entries AS (
    SELECT *
    FROM ledger
    WHERE book = 'account'
        AND ($exchange::VARCHAR IS NULL OR exchange = $exchange)
        AND ($account::VARCHAR IS NULL OR account = $account)
),
legs AS (
    SELECT
        exchange,
        account,
        event,
        min(entry) AS entry,
        any_value(timestamp) AS timestamp,
        any_value(kind) FILTER (kind <> 'fee') AS kind,
        any_value(amount) FILTER (kind <> 'fee' AND amount > 0) AS received,
        any_value(currency) FILTER (kind <> 'fee' AND amount > 0) AS received_currency,
        any_value(-amount) FILTER (kind <> 'fee' AND amount < 0) AS given,
        any_value(currency) FILTER (kind <> 'fee' AND amount < 0) AS given_currency,
        any_value(-amount) FILTER (kind = 'fee') AS fee,  -- negative: a rebate
        any_value(currency) FILTER (kind = 'fee') AS fee_currency,
        any_value(source_dataset) AS source_dataset,
        any_value(source_id) AS source_id,
        any_value(exact_id) AS exact_id
    FROM entries
    GROUP BY exchange, account, event
),
fills AS (
    SELECT
        exchange, account, symbol, side, price, order_id, base, quote,
        -- as the ledger names a fill
        if(
            trade_id IS NULL,
            'statement ' || transaction_id,
            'trade ' || symbol || ' ' || fill_id
        ) AS event
    FROM account_fills
)
SELECT
    l.exchange,
    l.account,
    l.entry,
    l.timestamp,
    coalesce(l.kind, t.type, 'trade') AS kind,
    f.symbol,
    f.side,
    f.price,
    f.order_id,
    coalesce(l.received, if(f.symbol IS NULL, NULL, 0)) AS received,
    coalesce(l.received_currency, if(f.side = 'buy', f.base, f.quote)) AS received_currency,
    coalesce(l.given, if(f.symbol IS NULL, NULL, 0)) AS given,
    coalesce(l.given_currency, if(f.side = 'buy', f.quote, f.base)) AS given_currency,
    l.fee,
    l.fee_currency,
    l.source_dataset,
    l.source_id,
    l.exact_id,
    t.status IN ('pending', 'unconfirmed') AS is_under_way,
    t.description
FROM legs AS l
LEFT JOIN fills AS f
    ON l.exchange = f.exchange AND l.account = f.account AND l.event = f.event
LEFT JOIN account_transactions AS t
    ON l.exchange = t.exchange AND l.account = t.account AND l.source_id = t.transaction_id
    AND l.source_dataset = 'account_transactions' AND f.symbol IS NULL
ORDER BY l.exchange, l.account, l.entry
