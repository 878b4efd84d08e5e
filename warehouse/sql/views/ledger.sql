-- Every change of every currency of every account, in double entry.
-- Each change of the account has its counter-entry in another book, so that the entries of an event
-- add up to 0 in every currency. Each economic event is taken once: a fill that two histories
-- hold is one event (account_fills), and what is laid aside for an open order changes nothing that
-- the account owns (holds). A deposit or credit counts once it is ok; a withdrawal or debit from
-- when it is asked for, and not at all once it has failed. The fee of a transaction comes on top of
-- its amount; the fee of a fill is taken in whichever currency the exchange takes it. A fill on margin
-- is no event: its fee and the position's result are transactions.
--
-- grain: one row per exchange, account and entry
-- sources: account_fills, account_transactions, statements
-- columns:
--   exchange          VARCHAR                     whose account
--   account           VARCHAR                     label of the account
--   entry             BIGINT                      number of the entry within the account, by time
--   timestamp         TIMESTAMP WITH TIME ZONE    of the event (UTC)
--   event             VARCHAR                     name of the event, unique within the account
--   kind              VARCHAR                     trade, fee, deposit, withdrawal, credit, debit
--   book              VARCHAR                     account (what it owns, free and in open orders),
--                                                 market (bought and sold against), fees (paid),
--                                                 external (transfers, credits, debits)
--   currency          VARCHAR                     what changed
--   amount            DECIMAL(38,18)              signed, exact
--   balance           DECIMAL(38,18)              of this book and currency after this entry
--   source_dataset    VARCHAR                     account_trades or account_transactions
--   source_id         VARCHAR                     trade_id or transaction_id of the row
--   exact_id          VARCHAR                     transaction_id of the line that gave the exact
--                                                 figures of a fill; else null
WITH fills AS (
    SELECT
        *,
        if(side = 'buy', 1, -1) AS way,
        if(trade_id IS NULL, 'account_transactions', 'account_trades') AS source_dataset,
        coalesce(trade_id, transaction_id) AS source_id,
        if(
            trade_id IS NULL,
            'statement ' || transaction_id,
            'trade ' || symbol || ' ' || fill_id
        ) AS event
    FROM main.account_fills
    WHERE NOT is_on_margin
),
no_changes AS (
    SELECT exchange, account, transaction_id FROM main.statements WHERE meaning <> 'margin'
),
transactions AS (
    SELECT *
    FROM main.account_transactions
    ANTI JOIN no_changes USING (exchange, account, transaction_id)
    WHERE status = 'ok' OR (type IN ('withdrawal', 'debit') AND status <> 'failed')
),
changes AS (
    SELECT
        exchange, account, timestamp, event, 1 AS leg, 'trade' AS kind, 'market' AS other,
        base AS currency, (way * base_amount)::DECIMAL(38, 18) AS amount,
        source_dataset, source_id, transaction_id AS exact_id
    FROM fills
    UNION ALL
    SELECT
        exchange, account, timestamp, event, 2, 'trade', 'market',
        quote, (-way * cost)::DECIMAL(38, 18),
        source_dataset, source_id, transaction_id
    FROM fills
    UNION ALL
    SELECT
        exchange, account, timestamp, event, 3, 'fee', 'fees',
        fee_currency, (-fee)::DECIMAL(38, 18),
        source_dataset, source_id, transaction_id
    FROM fills
    UNION ALL
    SELECT
        exchange, account, timestamp, 'transaction ' || transaction_id, 1, type, 'external',
        currency, if(type IN ('deposit', 'credit'), amount, -amount)::DECIMAL(38, 18),
        'account_transactions', transaction_id, NULL
    FROM transactions
    UNION ALL
    SELECT
        exchange, account, timestamp, 'transaction ' || transaction_id, 2, 'fee', 'fees',
        currency, -fee_amount,
        'account_transactions', transaction_id, NULL
    FROM transactions
),
entries AS (
    SELECT
        c.* EXCLUDE (other, amount),
        if(b.is_account, 'account', c.other) AS book,
        if(b.is_account, c.amount, -c.amount) AS amount,
        NOT b.is_account AS is_counter
    FROM changes AS c
    CROSS JOIN (VALUES (true), (false)) AS b(is_account)
    WHERE c.amount <> 0
),
numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY exchange, account
            ORDER BY
                timestamp, source_dataset, TRY_CAST(source_id AS HUGEINT), source_id, event, leg,
                is_counter
        ) AS entry
    FROM entries
)
SELECT
    exchange,
    account,
    entry,
    timestamp,
    event,
    kind,
    book,
    currency,
    amount,
    sum(amount) OVER (
        PARTITION BY exchange, account, book, currency ORDER BY entry ROWS UNBOUNDED PRECEDING
    ) AS balance,
    source_dataset,
    source_id,
    exact_id
FROM numbered
