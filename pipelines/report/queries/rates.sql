-- What one unit of a currency was worth in $quote at the end of every interval, asked once; before the
-- first price that is known, that one.
-- Grain: one row per exchange, currency and interval with a price.
CREATE TEMP TABLE rates AS
SELECT DISTINCT exchange, currency, timestamp, price
FROM valued
WHERE price IS NOT NULL
UNION
SELECT exchange, currency, to_timestamp(0), arg_min(price, timestamp)
FROM valued
WHERE price IS NOT NULL AND currency <> $quote
GROUP BY ALL
UNION
SELECT DISTINCT exchange, $quote, to_timestamp(0), 1
FROM valued
