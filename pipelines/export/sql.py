"""The published DuckDB file, and the SQL files in ``queries/``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

import warehouse
from pipelines.output.formatting import with_fix
from warehouse import StorageError


@contextmanager
def opened(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the newest version; what DuckDB cannot do is a ``StorageError``."""
    with warehouse.connect(home) as db:
        try:
            yield db
        except duckdb.CatalogException as error:
            raise other_version(str(error)) from error
        except duckdb.Error as error:
            raise StorageError(f"cannot read {home / warehouse.LINK}: {error}") from error


def other_version(lacks: str) -> StorageError:
    """The error for a DuckDB file without something that this program puts there."""
    return StorageError(
        "the DuckDB file was written by another version of Tidemark, or changed: "
        + with_fix(lacks.splitlines()[0], "tidemark rebuild")
    )


def text(name: str) -> str:
    """The query in ``queries/<name>.sql``."""
    return (Path(__file__).parent / "queries" / f"{name}.sql").read_text(encoding="utf-8")
