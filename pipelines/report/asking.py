"""One read-only connection for the whole page, so that all of it is of one load."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import duckdb

import warehouse

Row = dict[str, Any]
QUERIES: Final = Path(__file__).parent / "queries"


class Asking:
    """Runs ``queries/<name>.sql`` with the parameters that a query names."""

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db

    def rows(self, name: str, **parameters: object) -> list[Row]:
        """The answer, decimals exact, times in UTC. Raises ``StorageError``."""
        try:
            answer = self._db.execute(_text(name), parameters or None)
            names = [column[0] for column in answer.description or ()]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
        except duckdb.Error as error:
            raise warehouse.StorageError(f"the report's query {name}: {error}") from error


@contextmanager
def asking(home: Path) -> Iterator[Asking]:
    """Ask the newest load of ``home``. Raises ``StorageError`` where there is none."""
    with warehouse.connect(home) as db:
        yield Asking(db)


@cache
def _text(name: str) -> str:
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
