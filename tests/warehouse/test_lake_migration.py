"""A lake of the schema before wide amounts: read as it is, pulled into, published and rebuilt."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import warehouse
from schemas import DATASETS, StreamId, dataset
from schemas.declare import PRICE, WIDE
from tests.warehouse.older_layout import ungroup
from tests.warehouse.tools import (
    FILLS,
    STREAMS,
    TRADES,
    TRANSFERS,
    assert_each_once,
    assert_published,
    assert_recorded,
    bag,
    duck,
    everything,
    ids,
    lake,
    parquet,
    row,
    store,
)
from warehouse import LINK, files, paths
from warehouse.metastore import Metastore
from warehouse.metastore_file import FILE_NAME
from warehouse.metastore_tables import put
from warehouse.state import StreamState
from warehouse.store import stream_lock

pytestmark = pytest.mark.sqlite

NEW_COLUMNS = {("account_transactions", "fee_amount")}
"""Columns that the older version did not have."""


def old_schema(stream: StreamId) -> pa.Schema:
    """What a file of ``stream`` looked like."""
    fields = [
        f.with_type(PRICE) if f.type == WIDE and f.name != "cost" else f
        for f in dataset(stream.dataset).file_schema
        if (stream.dataset, f.name) not in NEW_COLUMNS
    ]
    return pa.schema(fields)


def age(home: Path) -> None:
    """Write every file of ``home`` as the older version did, and record it."""
    metastore = Metastore(home)
    for stream in metastore.all_streams():
        declared, old = dataset(stream.dataset), old_schema(stream)
        for record in metastore.files(stream):
            held = files.read(declared, home / record.path).select(old.names).cast(old)
            digest = files.write(declared, home, record.path, held)
            stat = (home / record.path).stat()
            again = replace(record, digest=digest, bytes=stat.st_size, mtime_ns=stat.st_mtime_ns)
            mtime = files.sync_folder(home / paths.stream_folder(stream))
            metastore.record_files(stream, [again], [(paths.folder_mark(stream), mtime)])
    metastore.close()
    ungroup(home)
    with closing(sqlite3.connect(home / FILE_NAME)) as db, db:
        put(db, "counters", [("version", 4)])
        db.execute("DELETE FROM counters WHERE name = 'lake_schemas'")
        db.execute("PRAGMA user_version = 4")


@pytest.fixture
def old(home: Path) -> Path:
    for stream in STREAMS:
        state = ids((0, 5)) if stream in (TRADES, FILLS) else StreamState(unit="none")
        store(home, stream, [row(stream, k) for k in range(5)], state=state)
    store(home, FILLS, [row(FILLS, 9, fee_amount=Decimal("0.125"), fee_currency="USD")])
    age(home)
    assert not schemas_are_new(home)
    return home


def schemas_are_new(home: Path) -> bool:
    return all(
        pq.read_schema(path).remove_metadata().equals(DATASETS[path.parts[n + 1]].file_schema)
        for path in parquet(home)
        for n in [path.parts.index("lake")]
    )


def test_the_first_publish_migrates_the_lake(old: Path) -> None:
    before, state = everything(old), Metastore(old).state(FILLS)
    warehouse.publish(old)
    assert schemas_are_new(old) and everything(old) == before
    assert Metastore(old).state(FILLS) == state
    assert_recorded(old)
    assert_published(old)
    assert warehouse.verify(old).findings == []
    (fill,) = [f for f in duck(old, "account_trades") if f["trade_id"] == "9"]
    assert fill["fee_amount"] == Decimal("0.125") and fill["fee_amount"].as_tuple().exponent == -18


@pytest.mark.parametrize("lost", [False, True], ids=["with its metastore", "without"])
def test_rebuild_migrates_the_lake(old: Path, lost: bool) -> None:
    before = everything(old)
    if lost:
        for path in old.glob(f"{FILE_NAME}*"):
            path.unlink()
    report = warehouse.rebuild(old)
    assert not report.of("error")
    assert [f.what for f in report.findings if "older schema" in f.what] == [
        "3 files of an older schema: written again"
    ]
    assert schemas_are_new(old) and everything(old) == before
    assert_published(old)
    assert warehouse.verify(old).findings == []


def test_an_older_lake_is_read_before_it_is_migrated(old: Path) -> None:
    found = warehouse.table("account_transactions", home=old)
    assert found.schema.equals(dataset("account_transactions").schema) and found.num_rows == 5
    assert found["fee_amount"].null_count == 5
    amounts = warehouse.table("account_transactions", columns=["amount"], home=old)
    assert amounts.schema.field("amount").type == WIDE
    assert not schemas_are_new(old)


def test_an_older_lake_is_pulled_into(old: Path) -> None:
    fee = Decimal("2.62565451742475")
    store(old, FILLS, [row(FILLS, k, fee_amount=fee) for k in (4, 6)], state=ids((0, 5)))
    both = [row(FILLS, 6, fee_amount=fee, side="buy")]
    store(old, FILLS, both)
    held = {(r["trade_id"], r["side"]): r["fee_amount"] for r in lake(old, "account_trades")}
    assert held["4", "sell"] == held["6", "sell"] == held["6", "buy"] == fee and len(held) == 8
    assert held["1", "sell"] is None
    assert_each_once(old)
    assert_published(old)
    assert schemas_are_new(old)
    assert warehouse.verify(old).findings == []


def test_a_stream_that_is_written_just_now_is_left_for_the_next_time(old: Path) -> None:
    before = everything(old)
    with stream_lock(old, TRANSFERS):
        warehouse.publish(old)
        assert not schemas_are_new(old)
        assert bag(duck(old, "account_transactions")) == before["account_transactions"]
    warehouse.publish(old)
    assert schemas_are_new(old) and everything(old) == before
    assert warehouse.verify(old).findings == []


def test_a_crash_leaves_the_rest_for_the_next_time(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, written = everything(old), files.write
    calls: list[str] = []

    def dies(*args: object) -> str:
        calls.append("")
        digest = written(*args)  # type: ignore[arg-type]
        if len(calls) == 2:
            raise KeyboardInterrupt
        return digest

    monkeypatch.setattr(files, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        warehouse.publish(old)
    monkeypatch.undo()
    assert not schemas_are_new(old)
    warehouse.publish(old)
    assert schemas_are_new(old) and everything(old) == before
    assert warehouse.verify(old).of("error") == []


def test_a_damaged_file_stays_as_it_is_and_is_restored(home: Path) -> None:
    for stream in (TRADES, FILLS):
        store(home, stream, [row(stream, k) for k in range(5)], state=ids((0, 5)))
    warehouse.publish(home)
    before = everything(home)
    age(home)
    with duckdb.connect(str((home / LINK).resolve())) as db:  # it was loaded from these files
        db.execute("UPDATE _tidemark.loaded SET change = ?", [Metastore(home).newest_change()])
    (path,) = (home / "lake/account_trades").rglob("*.parquet")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    warehouse.publish(home)
    assert path.read_bytes() == content
    assert warehouse.verify(home).of("error") == []
    assert schemas_are_new(home) and everything(home) == before


def test_an_amount_that_is_too_large_goes_to_quarantine(old: Path) -> None:
    huge = Decimal(10**22)
    (path,) = (old / "lake/tickers").rglob("*.parquet")
    held = pq.read_table(path, partitioning=None)
    held = held.set_column(
        held.schema.get_field_index("base_volume"),
        held.schema.field("base_volume"),
        pa.array([huge, *[None] * (held.num_rows - 1)], PRICE),
    )
    huge_path = "lake/tickers/exchange=x/symbol=HUGE-USD/2024-08.parquet"
    files.write(dataset("tickers"), old, huge_path, held)
    warehouse.rebuild(old)
    found = warehouse.table("tickers", symbol="HUGE-USD", home=old)
    assert found.num_rows == held.num_rows - 1
    (odd,) = warehouse.table("quarantine", home=old).to_pylist()
    assert "does not fit" in odd["reason"] and str(huge) in odd["payload"]
