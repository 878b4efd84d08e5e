-- The events as transaction records of BittyTax. Quantities are before the fee, which has columns
-- of its own. Values are left to BittyTax, which looks prices up. A rebate is a record of its own.
CREATE TEMP VIEW records AS
WITH noted AS (
    SELECT
        *,
        concat_ws(
            ', ',
            concat_ws(' ', kind, symbol, source_id),
            if(is_under_way, 'under way', NULL),
            nullif(description, '')
        ) AS note
    FROM events
)
SELECT
    exchange, account, entry, 1 AS part,
    CASE
        WHEN kind = 'trade' THEN 'Trade'
        WHEN kind IN ('deposit', 'credit') THEN 'Deposit'
        ELSE 'Withdrawal'
    END AS "Type",
    received AS "Buy Quantity",
    received_currency AS "Buy Asset",
    NULL::DECIMAL(38, 18) AS "Buy Value",
    given AS "Sell Quantity",
    given_currency AS "Sell Asset",
    NULL::DECIMAL(38, 18) AS "Sell Value",
    if(fee > 0, fee, NULL) AS "Fee Quantity",
    if(fee > 0, fee_currency, NULL) AS "Fee Asset",
    NULL::DECIMAL(38, 18) AS "Fee Value",
    exchange || ' ' || account AS "Wallet",
    timestamp AS "Timestamp",
    note AS "Note"
FROM noted
UNION ALL
SELECT
    exchange, account, entry, 2, 'Fee-Rebate', -fee, fee_currency, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, exchange || ' ' || account, timestamp, note
FROM noted
WHERE fee < 0
