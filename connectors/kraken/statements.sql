-- Transfers of the last 90 days as Kraken lists them, booked or not.
-- Each of their rows tells how far a deposit or withdrawal is, by which transaction and to which
-- address. What the account owns is told by the ledger's own entries, whose description ends in the
-- same reference: these rows are no part of it.
--
-- grain: one row per account and transfer
-- sources: account_transactions
-- columns:
--   exchange          VARCHAR                     kraken
--   account           VARCHAR                     label of the account
--   transaction_id    VARCHAR                     the row's id: transfer: and the reference
--   timestamp         TIMESTAMP WITH TIME ZONE    of the transfer (UTC)
--   meaning           VARCHAR                     transfer
--   order_id          VARCHAR                     null
--   currency          VARCHAR                     what is transferred
--   amount            DECIMAL(38,18)              positive, without the fee
--   symbol            VARCHAR                     null
--   side              VARCHAR                     null
--   taker_or_maker    VARCHAR                     null
--   price             DECIMAL(38,12)              null
--   base_amount       DECIMAL(38,12)              null
--   cost              DECIMAL(38,18)              null
--   fee               DECIMAL(38,18)              null
--   fee_currency      VARCHAR                     null
SELECT
    exchange,
    account,
    transaction_id,
    timestamp,
    'transfer' AS meaning,
    NULL::VARCHAR AS order_id,
    currency,
    amount,
    NULL::VARCHAR AS symbol,
    NULL::VARCHAR AS side,
    NULL::VARCHAR AS taker_or_maker,
    NULL::DECIMAL(38, 12) AS price,
    NULL::DECIMAL(38, 12) AS base_amount,
    NULL::DECIMAL(38, 18) AS cost,
    NULL::DECIMAL(38, 18) AS fee,
    NULL::VARCHAR AS fee_currency
FROM main.account_transactions
WHERE exchange = 'kraken' AND starts_with(transaction_id, 'transfer:')
