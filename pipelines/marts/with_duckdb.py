"""The marts as DuckDB calculates them from the published file."""

from collections.abc import Iterator
from pathlib import Path

import duckdb

import warehouse
from pipelines.marts.folders import placed
from warehouse.errors import StorageError
from warehouse.views import views


def write_marts(home: Path, out: Path) -> Iterator[tuple[str, int]]:
    """Write every mart to ``out/<mart>/*.parquet``. Gives the name and rows of each that is done.

    Raises ``StorageError``.
    """
    marts = [view for view in views().values() if view.schema == "marts"]
    with warehouse.connect(home) as db:
        for mart in marts:
            with placed(out / mart.name) as building:
                building.mkdir()
                file = str(building / "part-0.parquet").replace("'", "''")
                try:
                    rows = db.execute(f"COPY (FROM {mart.key}) TO '{file}' (FORMAT parquet)")
                    (count,) = rows.fetchall()[0]
                except duckdb.Error as error:
                    raise StorageError(f"cannot write {mart.key}: {error}") from error
            yield mart.name, count
