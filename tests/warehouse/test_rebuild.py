"""``warehouse.rebuild``: metastore and DuckDB from the lake, and no coverage of what is gone."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

import warehouse
from tests.warehouse.healthy import (
    COUNT,
    assert_clean,
    errors,
    rewrite,
    time_of,
    trade_file,
    unpublish,
)
from tests.warehouse.tools import TRADES, duck, lake, store
from warehouse.intervals import Interval
from warehouse.metastore import Metastore


@pytest.mark.parametrize("how", ["file gone", "row gone"])
def test_rebuild_invalidates_what_is_gone(healthy: Path, how: str) -> None:
    path = trade_file(healthy, 1)
    unpublish(healthy)
    if how == "file gone":
        path.unlink()
    else:
        rewrite(path, lambda t: pa.concat_tables([t.slice(0, 5), t.slice(6)]))
    result = warehouse.rebuild(healthy)
    assert errors(result) == []
    state = Metastore(healthy).state(TRADES)
    assert state.complete == (
        Interval(0, 20, 0, 19, time_of(0), time_of(19)),
        Interval(40, 60, 40, 59, time_of(40)),
    )
    assert len(duck(healthy, "trades")) == len(lake(healthy, "trades"))
    assert_clean(healthy)


def test_a_pull_after_a_file_was_deleted_invalidates_what_is_gone(healthy: Path) -> None:
    trade_file(healthy, 2).unlink()
    store(healthy, TRADES)  # what opening the stream does
    assert Metastore(healthy).state(TRADES).complete == (
        Interval(0, 40, 0, 39, time_of(0), time_of(39)),
    )


def test_rebuild_without_metastore_and_duckdb(healthy: Path) -> None:
    for path in [*healthy.glob("metastore.sqlite*"), healthy / "warehouse.duckdb"]:
        path.unlink()
    shutil.rmtree(healthy / "versions")
    assert warehouse.rebuild(healthy).ok
    assert len(duck(healthy, "trades")) == COUNT
    assert_clean(healthy)
