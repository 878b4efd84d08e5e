"""The queries of the page, over one read-only connection, so that all figures are of one load."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import duckdb

import warehouse

Row = dict[str, Any]
FOLDER: Final = Path(__file__).parent / "queries"


class Queries:
    """Runs ``queries/<name>.sql`` with the parameters that a query names."""

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db

    def rows(self, name: str, **parameters: object) -> list[Row]:
        """The result, decimals exact, times in UTC. Raises ``StorageError``."""
        try:
            result = self._db.execute(_text(name), parameters or None)
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        except duckdb.Error as error:
            raise warehouse.StorageError(f"the report's query {name}: {error}") from error


@contextmanager
def connected(home: Path) -> Iterator[Queries]:
    """Query the newest load of ``home``. Raises ``StorageError`` where there is none."""
    with warehouse.connect(home) as db:
        yield Queries(db)


@cache
def _text(name: str) -> str:
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
