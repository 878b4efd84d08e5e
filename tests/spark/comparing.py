"""Whether two queries of DuckDB give the same rows, of the same types."""

import duckdb


def assert_equal(db: duckdb.DuckDBPyConnection, mine: str, theirs: str) -> None:
    """Every row as often; what differs is shown."""
    columns, expected = (db.sql(f"DESCRIBE {query}").fetchall() for query in (mine, theirs))
    assert [column[:2] for column in columns] == [column[:2] for column in expected]
    extra = db.sql(f"{mine} EXCEPT ALL {theirs} LIMIT 3").fetchall()
    lacking = db.sql(f"{theirs} EXCEPT ALL {mine} LIMIT 3").fetchall()
    assert (extra, lacking) == ([], [])
