"""Whether two queries of DuckDB give the same rows, of the same types."""

from pathlib import Path

import duckdb

from pipelines.marts.translation import wanted_views

MARTS = [view.name for view in wanted_views() if view.schema == "marts"]
ONLY_NOW = {"health": " EXCLUDE (lag_seconds)"}
"""What depends on the moment at which it is asked."""


def mart_rows(folder: Path, mart: str) -> str:
    """A query of the rows of a mart as it was written, but for what depends on the moment."""
    return f"SELECT *{ONLY_NOW.get(mart, '')} FROM read_parquet('{folder}/{mart}/*.parquet')"


def assert_equal(db: duckdb.DuckDBPyConnection, mine: str, theirs: str) -> None:
    """Every row as often; what differs is shown."""
    columns, expected = (db.sql(f"DESCRIBE {query}").fetchall() for query in (mine, theirs))
    assert [column[:2] for column in columns] == [column[:2] for column in expected]
    extra = db.sql(f"{mine} EXCEPT ALL {theirs} LIMIT 3").fetchall()
    lacking = db.sql(f"{theirs} EXCEPT ALL {mine} LIMIT 3").fetchall()
    assert (extra, lacking) == ([], [])
