-- What one unit of a currency was worth in $quote at the end of every interval, asked once.
-- Grain: one row per exchange, currency and interval with a price.
CREATE TEMP TABLE rates AS
SELECT DISTINCT exchange, currency, timestamp, price
FROM valued
WHERE price IS NOT NULL
UNION
SELECT DISTINCT exchange, $quote, to_timestamp(0), 1
FROM valued
