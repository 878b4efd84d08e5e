-- What every account was worth at the end of every interval of $length microseconds, for drawing.
-- Currencies that never have a price are left out; where another has none yet, the value is null.
-- Grain: one row per exchange, account and interval.
WITH known AS (
    SELECT *, bool_or(value IS NOT NULL) OVER (PARTITION BY exchange, account, currency) AS ever
    FROM valued
    WHERE total <> 0
)
SELECT
    exchange,
    account,
    epoch_ms(least(timestamp + to_microseconds($length), now())) AS time,
    CASE WHEN count(*) = count(value) THEN sum(value)::DOUBLE END AS value
FROM known
WHERE ever
GROUP BY exchange, account, timestamp
ORDER BY exchange, account, timestamp
