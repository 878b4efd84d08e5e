"""``warehouse.verify`` between lake and metastore: coverage, records, a metastore that is lost."""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

import warehouse
from schemas import RejectedRow, StreamId
from tests.matrix import thinned
from tests.warehouse.healthy import (
    COUNT,
    assert_clean,
    change_metastore,
    edit,
    errors,
    healed,
    only_error,
    parquet_of,
    put,
    rewrite,
    time_of,
    trade,
    trade_file,
    unpublish,
)
from tests.warehouse.tools import TRADES, TRANSFERS, duck, lake, store
from warehouse import StorageError
from warehouse.metastore import Metastore
from warehouse.state import StreamState


def test_rows_that_a_crash_left_unrecorded_are_adopted_and_published(healthy: Path) -> None:
    metastore = Metastore(healthy)
    state, records = metastore.state(TRADES), metastore.files(TRADES)
    store(healthy, TRADES, [trade(COUNT), trade(COUNT + 20)])
    with metastore.transaction() as db:  # as if the process had died before the metastore's commit
        db.execute("DELETE FROM files WHERE dataset = 'trades'")
    metastore.record(TRADES, state, records)
    result = warehouse.verify(healthy)
    assert errors(result) == []
    assert any("records" in line and "2 files" in line for line in healed(result))
    assert len(duck(healthy, "trades")) == COUNT + 2
    assert_clean(healthy)


@pytest.mark.parametrize(
    ("statement", "said"),
    thinned(
        [
            ("SET upper = 90", "does not end with a row that is held"),
            ("SET upper = 500, last = 499", "the row 499, which is not held"),
            ("SET lower = 7", "the row 0, which lies outside"),
            ("SET lower = 2, first = 3", "another time"),
            ("SET first_at = first_at + 1", "another time"),
            ("SET upper = lower", "ends before it begins"),
        ],
        3,
    ),
)
def test_an_edited_interval(healthy: Path, statement: str, said: str) -> None:
    edit(healthy, f"UPDATE intervals {statement} WHERE dataset = 'trades'")
    result = warehouse.verify(healthy)
    assert said in only_error(result, "coverage")
    rebuilt = warehouse.rebuild(healthy)
    assert rebuilt.ok
    assert any("coverage" in line for line in healed(rebuilt))
    assert Metastore(healthy).state(TRADES).complete == ()
    assert_clean(healthy)


def test_coverage_that_says_less_than_was_published(healthy: Path) -> None:
    edit(healthy, "DELETE FROM intervals WHERE dataset = 'account_trades'")
    found = [
        line for line in errors(warehouse.verify(healthy)) if line.startswith("published_coverage")
    ]
    assert any("only DuckDB says that 1..3 (id) is complete" in line for line in found)
    assert warehouse.rebuild(healthy).ok


def test_an_edited_file_record(healthy: Path) -> None:
    edit(healthy, "UPDATE files SET rows = 21 WHERE path LIKE '%2024-08-08%' AND rows = 20")
    assert "the record says 21" in only_error(warehouse.verify(healthy), "records")


def test_an_open_candle_inside_complete_coverage(healthy: Path) -> None:
    unpublish(healthy)
    path = parquet_of(healthy, "candles")[0]
    rewrite(path, put("is_final", False))
    assert "1 candle not final" in only_error(warehouse.verify(healthy), "coverage")


def test_what_follows_from_the_rows_is_corrected(healthy: Path) -> None:
    edit(healthy, "DELETE FROM unsettled WHERE id = 2")
    edit(healthy, "UPDATE streams SET newest_at = newest_at + 5 WHERE dataset = 'account_trades'")
    result = warehouse.verify(healthy)
    assert errors(result) == []
    assert len(healed(result)) == 2
    assert Metastore(healthy).state(TRANSFERS).unsettled == {1, 2}
    assert_clean(healthy)


def test_an_edge_that_lies_in_quarantine_is_no_fault(healthy: Path) -> None:
    state = Metastore(healthy).state(TRADES)
    (run,) = state.complete
    longer = replace(run, upper=COUNT + 6, last=COUNT + 5)
    rejected = [RejectedRow("price is text", f'{{"id": {COUNT + 5}, "price": "?"}}')]
    store(healthy, TRADES, state=replace(state, complete=(longer,)), rejected=rejected)
    assert warehouse.verify(healthy).of("error") == []


@pytest.mark.sqlite
@pytest.mark.parametrize("kind", thinned(["missing", "garbage", "empty", "half"], 2))
def test_a_lost_metastore_is_created_again_without_coverage(healthy: Path, kind: str) -> None:
    rows = {name: len(duck(healthy, name)) for name in ("trades", "candles", "quarantine")}
    path = healthy / "metastore.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    content = path.read_bytes()
    for name in ("metastore.sqlite", "metastore.sqlite-wal", "metastore.sqlite-shm"):
        (healthy / name).unlink(missing_ok=True)
    if kind == "garbage":
        path.write_bytes(os.urandom(9000))
    elif kind == "empty":
        path.touch()
    elif kind == "half":
        path.write_bytes(content[: len(content) // 2])
    result = warehouse.verify(healthy)
    assert errors(result) == []
    messages = [line for line in healed(result) if "metastore.sqlite" in line]
    assert any("nothing counts as complete" in line for line in messages)
    assert any("streams" in line and "registered" in line for line in messages)
    kept = list(healthy.glob("metastore.sqlite.damaged-*"))
    assert bool(kept) == (kind not in ("missing", "empty"))
    assert duck(healthy, "coverage") == []
    assert {name: len(duck(healthy, name)) for name in rows} == rows
    metastore = Metastore(healthy)
    assert metastore.state(TRADES) == StreamState(newest_at=time_of(COUNT - 1))
    assert metastore.state(TRANSFERS).unsettled == {1, 2}
    assert {s.stream: s.rows for s in warehouse.status(healthy)}[TRADES] == COUNT
    assert_clean(healthy)


@pytest.mark.sqlite
def test_of_a_damaged_metastore_every_whole_row_is_kept(healthy: Path) -> None:
    before = Metastore(healthy).state(TRADES)
    edit(healthy, "DELETE FROM counters WHERE name = 'change'")
    change_metastore(healthy, "DROP TABLE emptied")
    result = warehouse.verify(healthy)
    assert errors(result) == []
    assert any("of its rows that are whole" in line for line in healed(result))
    assert [*healthy.glob("metastore.sqlite.damaged-*")]
    assert Metastore(healthy).state(TRADES) == before
    assert_clean(healthy)
    store(healthy, TRADES, [trade(COUNT)])  # its change is newer than all that DuckDB has
    warehouse.publish(healthy)
    assert len(duck(healthy, "trades")) == COUNT + 1


@pytest.mark.parametrize(
    "statement",
    thinned(
        [
            "UPDATE intervals SET upper = 58 WHERE dataset = 'trades'",
            "UPDATE streams SET checkpoint = 'x' WHERE dataset = 'trades'",
            "UPDATE streams SET exchange = 'y', unit = 7 WHERE dataset = 'trades'",
            "UPDATE files SET rows = 21 WHERE dataset = 'trades'",
            "UPDATE files SET max_time = 'x', min_time = 1e300 WHERE dataset = 'trades'",
            "UPDATE files SET change = 1000 WHERE dataset = 'candles'",
            "UPDATE files SET dataset = 'traces', exchange = '' WHERE dataset = 'trades'",
            "UPDATE counters SET value = 1 WHERE name = 'change'",
            "UPDATE counters SET value = NULL WHERE name = 'none'",
            "UPDATE unsettled SET id = 77 WHERE id = 2",
            "UPDATE folders SET mtime_ns = 'x'",
        ],
        3,
    ),
)
def test_a_damaged_row_of_the_metastore_is_found_and_claims_nothing(
    healthy: Path, statement: str
) -> None:
    if "none" in statement:
        statement = "UPDATE counters SET value = 'x' WHERE name = 'identity'"
    change_metastore(healthy, statement)
    for use in (warehouse.status, warehouse.coverage, warehouse.publish):
        with suppress(StorageError):  # a message, and nothing but a message
            use(healthy)
    with suppress(StorageError):
        store(healthy, TRADES, [trade(COUNT)])
    result = warehouse.verify(healthy)
    assert errors(result) == []
    assert any("damaged rows dropped" in line for line in healed(result))
    assert_clean(healthy)
    store(healthy, TRADES, [trade(COUNT + 1)])
    warehouse.publish(healthy)
    assert len(duck(healthy, "trades")) == len(lake(healthy, "trades"))
    assert_clean(healthy)


@pytest.mark.sqlite
def test_a_flipped_version_number_is_told_from_a_newer_version(healthy: Path) -> None:
    change_metastore(healthy, "PRAGMA user_version = 7")
    assert_clean(healthy)
    change_metastore(healthy, "PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="update Tidemark"):
        warehouse.verify(healthy)


def test_files_without_a_stream_of_the_metastore_are_registered(healthy: Path) -> None:
    other = StreamId("x", "trades", "ETH-USD")
    source = trade_file(healthy).parent
    shutil.copytree(source, source.with_name("symbol=ETH-USD"))
    result = warehouse.verify(healthy)
    assert errors(result) == []
    assert Metastore(healthy).state(other).complete == ()
    assert len(Metastore(healthy).files(other)) == 3
    assert len(duck(healthy, "trades")) == 2 * COUNT


@pytest.mark.sqlite
def test_damage_that_sqlite_cannot_put_into_words_is_healed(healthy: Path) -> None:
    """Its message repeats a byte of the table's definition that is no text."""
    Metastore(healthy).close()
    path = healthy / "metastore.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"NOT NULL", b"NOT NUL\xcc", 1))
    with pytest.raises(StorageError, match="tidemark verify"):
        warehouse.status(healthy)
    assert warehouse.verify(healthy).ok
    assert_clean(healthy)
