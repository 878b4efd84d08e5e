-- Every stream: rows, span and holes. Grain: one row per exchange, dataset and stream.
SELECT exchange, dataset, stream, rows, oldest, newest, gaps, lost
FROM marts.health
ORDER BY exchange, dataset, stream
