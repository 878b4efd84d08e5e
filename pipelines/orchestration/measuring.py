"""What Dagster shows of a view besides its definition: rows, a preview, where its columns are from.

Counting a view means computing it. So each gets a few seconds at most, and all of them together;
one that takes longer is recorded without.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import dagster as dg
import duckdb

import warehouse
from pipelines.feeds import Feed
from pipelines.orchestration.looking import table
from pipelines.orchestration.marts import mart_key, marts_of
from pipelines.orchestration.specs import datasets_of, table_key
from warehouse.lineage import column_lineage
from warehouse.views import View

VIEW_SECONDS: Final = 3.0
SECONDS: Final = 15.0
_ROWS: Final = 5
_AT_ONCE: Final = 2
"""Views at a time: one thread plans a query, and planning takes longest."""
_LIMITS: Final = ("SET memory_limit = '512MB'", "SET threads = 2")

Metadata = dict[str, dg.MetadataValue | dg.TableColumnLineage | int]


def measured(home: Path, marts: Sequence[View], feeds: Sequence[Feed]) -> dict[str, Metadata]:
    """The metadata of each of ``marts``, by name, on what is published now.

    Raises ``StorageError`` where nothing is.
    """
    ends = time.monotonic() + SECONDS
    with warehouse.connect(home) as db, ThreadPoolExecutor(_AT_ONCE) as pool:
        for limit in _LIMITS:
            db.execute(limit)
        counted = pool.map(lambda mart: _counted(db.cursor(), mart, ends), marts)
        return {m.name: {**_lineage(m, feeds), **c} for m, c in zip(marts, counted, strict=True)}


def _counted(db: duckdb.DuckDBPyConnection, mart: View, ends: float) -> Metadata:
    """Rows and the first of them; nothing where that takes too long or fails."""
    seconds = min(VIEW_SECONDS, ends - time.monotonic())
    if seconds <= 0:
        return {}
    timer = threading.Timer(seconds, db.interrupt)
    timer.start()
    try:
        rows = (
            db.sql(f"SELECT *, count(*) OVER () AS _rows FROM {mart.key} LIMIT {_ROWS}")
            .to_arrow_table()
            .to_pylist()
        )
    except duckdb.Error:  # a view that cannot be computed is the business of who reads it
        return {}
    finally:
        timer.cancel()
        timer.join()
    count = rows[0]["_rows"] if rows else 0
    shown = [{name: row[name] for name in row if name != "_rows"} for row in rows]
    return {"dagster/row_count": count, **({"preview": table(shown)} if shown else {})}


def _lineage(mart: View, feeds: Sequence[Feed]) -> Metadata:
    """The columns of assets that each column is made of, as far as they are known."""
    collected = datasets_of(feeds)
    keys = {dataset: table_key(dataset) for dataset in collected}
    keys |= {view.key: mart_key(view.name) for view in marts_of(collected)}
    deps = {
        column: [
            dg.TableColumnDep(keys[source], name) for source, name in made_of if source in keys
        ]
        for column, made_of in column_lineage(mart).items()
    }
    known = {column: made_of for column, made_of in deps.items() if made_of}
    return {"dagster/column_lineage": dg.TableColumnLineage(known)} if known else {}
