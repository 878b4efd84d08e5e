-- How many balances were compared, and how many differ. Grain: one row.
SELECT
    count(*) AS compared,
    count_if(difference <> 0) AS different,
    count_if(NOT explained) AS unexplained,
    min(observed_at) AS since,
    max(observed_at) AS until
FROM reconciled
