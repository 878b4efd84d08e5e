"""What a contestant is, and how what it stored is counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Totals:
    """Enough of a table to check that every trade is in it exactly once."""

    rows: int
    id_sum: int


class Contestant(Protocol):
    """One way to bring a market's trades home.

    The constructor may prepare what a user prepares once (configuration); it is not timed, nor are
    imports. ``pull`` is. ``stored`` reads back, after all is measured, what lies in each place.
    """

    def __init__(self, url: str, folder: Path) -> None: ...

    def pull(self) -> None: ...

    def stored(self) -> Mapping[str, Totals]: ...


def read_back(table: str, id_: str, database: Path, parquet: str) -> dict[str, Totals]:
    """Totals of ``table`` in the DuckDB file and of the Parquet files that match ``parquet``.

    ``id_``: an SQL expression of a row's id.
    """
    import duckdb

    def totals(connection: duckdb.DuckDBPyConnection, source: str) -> Totals:
        query = f"SELECT count(*), sum(CAST({id_} AS HUGEINT)) FROM {source}"
        row = connection.execute(query).fetchone()
        assert row is not None
        return Totals(int(row[0]), int(row[1] or 0))

    with duckdb.connect(str(database), read_only=True) as connection:
        return {
            "duckdb": totals(connection, table),
            "parquet": totals(connection, f"read_parquet('{parquet}')"),
        }
