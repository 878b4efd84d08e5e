-- Rejected rows. Grain: one row per exchange and dataset.
SELECT exchange, dataset, count(*) AS rows
FROM quarantine
GROUP BY exchange, dataset
ORDER BY exchange, dataset
