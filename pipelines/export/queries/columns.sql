-- Every table and view that can be exported, with its columns in order: tables, views, marts.
SELECT
    if(c.schema_name = 'main', c.table_name, c.schema_name || '.' || c.table_name) AS name,
    c.column_name,
    c.data_type
FROM duckdb_columns() AS c
LEFT JOIN duckdb_views() AS v
    ON c.schema_name = v.schema_name AND c.table_name = v.view_name
WHERE c.database_name = current_database() AND c.schema_name IN ('main', 'marts')
    AND NOT c.internal
ORDER BY c.schema_name, v.view_name IS NOT NULL, c.table_name, c.column_index
