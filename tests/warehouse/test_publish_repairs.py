"""Publishing where something is damaged or gone: rebuilt, or a clear error."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from schemas import RejectedRow, StreamId
from tests.matrix import thinned
from tests.warehouse.publishing import MANY, all_streams, commit, publish, versions
from tests.warehouse.tools import CANDLES, FILLS, TRADES, assert_published, bag, duck, row, store
from warehouse import LINK, StorageError
from warehouse.metastore import Metastore
from warehouse.metastore_file import FILE_NAME


def _overwrite(home: Path) -> None:
    (home / LINK).resolve().write_bytes(b"\x5a" * 40_000)


def _truncate(home: Path) -> None:
    target = (home / LINK).resolve()
    target.write_bytes(target.read_bytes()[:5000])


def _empty(home: Path) -> None:
    (home / LINK).resolve().write_bytes(b"")


def _unlink(home: Path) -> None:
    (home / LINK).unlink()


def _vanish(home: Path) -> None:
    (home / LINK).resolve().unlink()


def _foreign(home: Path) -> None:
    target = (home / LINK).resolve()
    target.unlink()
    with duckdb.connect(str(target)) as db:
        db.execute("CREATE TABLE trades (a INTEGER)")


def _all_gone(home: Path) -> None:
    shutil.rmtree(home / "versions")


def _spilled(home: Path) -> None:
    """A publish was killed while DuckDB had data spilled beside its file."""
    _unlink(home)
    for name in ("warehouse-00000002.building", "warehouse-00000002.building.wal"):
        (home / "versions" / name).write_bytes(b"half")
    folder = home / "versions" / "warehouse-00000002.building.tmp"
    folder.mkdir()
    (folder / "duckdb_temp_storage-0.tmp").write_bytes(b"spilled")


@pytest.mark.parametrize(
    "harm",
    thinned([_overwrite, _truncate, _empty, _unlink, _vanish, _foreign, _all_gone, _spilled], 3),
)
def test_a_damaged_version_is_rebuilt(home: Path, harm: Callable[[Path], None]) -> None:
    all_streams(home)
    publish(home)
    harm(home)
    assert_published(home)
    assert all(n.endswith(".duckdb") for n in versions(home))
    store(home, TRADES, [row(TRADES, 4)])
    assert_published(home)


@pytest.mark.parametrize("stream", thinned([TRADES, CANDLES, FILLS], 2), ids=lambda s: s.dataset)
def test_a_file_deleted_from_the_lake_leaves_the_tables_too(home: Path, stream: StreamId) -> None:
    all_streams(home)
    publish(home)
    (home / Metastore(home).files(stream)[0].path).unlink()
    store(home, stream, [])  # the next writer of the stream notices
    assert_published(home)
    commit(home, stream, [(1, 0)], 0)
    assert_published(home)


def test_a_quarantine_file_deleted_from_the_lake_leaves_the_others(home: Path) -> None:
    all_streams(home)
    publish(home)
    path = home / "lake" / "quarantine" / "exchange=x" / "trades.BTC-USD.parquet"
    path.unlink()
    store(home, TRADES, [], rejected=[RejectedRow("new", "{9}")])
    assert_published(home)
    assert "{9}" in {r["payload"] for r in duck(home, "quarantine")}


def test_a_publish_without_a_lake_file_fails_clearly_and_keeps_the_live_version(home: Path) -> None:
    all_streams(home)
    publish(home)
    live = (home / LINK).resolve()
    commit(home, TRADES, [(2, 0)], 0)
    (home / Metastore(home).files(TRADES)[0].path).unlink()
    with pytest.raises(StorageError, match="cannot publish"):
        publish(home)
    assert (home / LINK).resolve() == live and len(duck(home, "trades")) == 4
    assert not list((home / "versions").glob("*.building*"))


@pytest.mark.sqlite
def test_a_lost_metastore_loses_no_row_and_what_comes_after_is_loaded(home: Path) -> None:
    all_streams(home)
    for key in range(6):
        store(home, TRADES, [row(TRADES, 100 + key)])
    publish(home)
    before = bag(duck(home, "trades"))
    for path in home.glob(f"{FILE_NAME}*"):
        path.unlink()
    store(home, TRADES, [row(TRADES, 200)])
    publish(home)
    assert not before - bag(duck(home, "trades"))
    assert "200" in {r["trade_id"] for r in duck(home, "trades")}
    assert len(duck(home, "account_trades")) == 4, "streams not pulled yet keep their rows"
    assert [r for r in duck(home, "coverage") if r["state"] == "complete"] == []
    for stream in MANY:
        commit(home, stream, [(3, 0)], 0)
    assert_published(home)
