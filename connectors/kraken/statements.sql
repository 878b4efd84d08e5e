-- Transfers of the last 90 days as Kraken lists them, and what the ledger books of margin fills.
-- A transfer's row tells how far a deposit or withdrawal is, by which transaction and to which
-- address. What the account owns is told by the ledger's own entries, whose description ends in the
-- same reference: these rows are no part of it. A fill on margin moves neither of its currencies.
-- The ledger has its fee, and the result or the settlement, in entries that refer to it (margin,
-- rollover, settled) in place of the two entries of a spot trade.
--
-- grain: one row per account and transfer, or entry that stands for a fill
-- sources: account_transactions
-- columns:
--   exchange          VARCHAR                     kraken
--   account           VARCHAR                     label of the account
--   transaction_id    VARCHAR                     the row's id: transfer: and the reference, or the
--                                                 entry's
--   timestamp         TIMESTAMP WITH TIME ZONE    of the transfer or entry (UTC)
--   meaning           VARCHAR                     transfer or margin
--   order_id          VARCHAR                     null
--   trade_id          VARCHAR                     of margin: the fill that the entry refers to
--   currency          VARCHAR                     what is transferred or booked
--   amount            DECIMAL(38,18)              positive, without the fee
--   symbol            VARCHAR                     null
--   side              VARCHAR                     null
--   taker_or_maker    VARCHAR                     null
--   price             DECIMAL(38,12)              null
--   base_amount       DECIMAL(38,12)              null
--   cost              DECIMAL(38,18)              null
--   fee               DECIMAL(38,18)              null
--   fee_currency      VARCHAR                     null
WITH read AS (
    SELECT
        *,
        if(
            starts_with(transaction_id, 'transfer:'),
            'transfer',
            -- type, subtype if any, and the reference
            if(regexp_matches(description, '^(margin|rollover|settled) (.+ )?[^ ]+$'), 'margin', NULL)
        ) AS meaning
    FROM main.account_transactions
    WHERE exchange = 'kraken'
)
SELECT
    exchange,
    account,
    transaction_id,
    timestamp,
    meaning,
    NULL::VARCHAR AS order_id,
    if(meaning = 'margin', split_part(description, ' ', -1), NULL) AS trade_id,
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
FROM read
WHERE meaning IS NOT NULL
