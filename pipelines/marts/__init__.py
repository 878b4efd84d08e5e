"""Every mart as Parquet, by DuckDB or by Spark, from the one source of SQL in ``warehouse/sql``.

``with_duckdb``       out of the published file
``with_spark``        out of the lake, on one machine or many
``translation``       the SQL files in Spark's words (sqlglot)
``expressions``       its rules for expressions
``duckdb_functions``  what DuckDB calculates within Spark's workers
``folders``           folders of Parquet files that appear when they are complete
"""
