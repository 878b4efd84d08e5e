-- amount × price: what an amount costs at a price.
-- Exact if it has at most 18 decimals, else rounded to them. Null where it does not fit (10^20).
--
-- sources: pro_rata()
-- parameters:
--   amount    DECIMAL     at most 18 decimals
--   price     DECIMAL     0 or more, at most 12 decimals
-- returns: DECIMAL(38,18)
coalesce(
    -- DuckDB's product of two times 12 decimals ends at 10^14
    CASE
        WHEN TRY(amount::DECIMAL(38,12)) = amount
        THEN TRY((amount::DECIMAL(38,12) * price::DECIMAL(38,12))::DECIMAL(38,18))
    END,
    main.pro_rata(amount, price, 1)
)
