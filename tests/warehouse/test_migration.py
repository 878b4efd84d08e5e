"""A home of version 2 (``ledger.sqlite``) is used as it is: rows stay, weak proofs are dropped."""

import os
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import warehouse
from schemas import DATASETS, RejectedRow, StreamId
from tests.warehouse.tools import (
    CANDLES,
    FILLS,
    HOURLY,
    NOON,
    TRADES,
    TRANSFERS,
    assert_published,
    assert_recorded,
    duck,
    ids,
    row,
    store,
)
from warehouse import StorageError
from warehouse.intervals import Interval, Unshown
from warehouse.metastore import Metastore
from warehouse.metastore_file import FILE_NAME, OLDER_NAME
from warehouse.metastore_tables import TABLES
from warehouse.paths import folder_mark, quarantine_of, stream_folder
from warehouse.state import StreamState

pytestmark = pytest.mark.sqlite

WEX = StreamId("wex", "trades", "BTC-USD")
BUILT = StreamId("wex", "candles", "BTC-USD", timeframe="5m")
MARKETS = StreamId("x", "markets")
LABELS = {
    TRADES: "BTC-USD",
    CANDLES: "BTC-USD:5m",
    HOURLY: "BTC-USD:1h",
    WEX: "BTC-USD",
    BUILT: "BTC-USD:5m",
    FILLS: "main",
    TRANSFERS: "main",
    quarantine_of(CANDLES): "candles.BTC-USD:5m",
    quarantine_of(FILLS): "account_trades.main",
}
VERSION_2 = """
CREATE TABLE streams (exchange TEXT, dataset TEXT, stream TEXT, unit TEXT NOT NULL,
    law TEXT NOT NULL, wanted_from INTEGER, newest_at INTEGER, checked_at INTEGER,
    PRIMARY KEY (exchange, dataset, stream));
CREATE TABLE intervals (exchange TEXT, dataset TEXT, stream TEXT, state TEXT NOT NULL,
    lower INTEGER NOT NULL, upper INTEGER NOT NULL, first INTEGER, last INTEGER,
    first_at INTEGER, PRIMARY KEY (exchange, dataset, stream, state, lower));
CREATE TABLE files (path TEXT PRIMARY KEY, exchange TEXT NOT NULL, dataset TEXT NOT NULL,
    stream TEXT NOT NULL, period TEXT NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, min_key INTEGER, max_key INTEGER, min_time INTEGER,
    max_time INTEGER, change INTEGER NOT NULL);
CREATE TABLE unsettled (exchange TEXT, dataset TEXT, stream TEXT, cursor INTEGER,
    PRIMARY KEY (exchange, dataset, stream, cursor));
CREATE TABLE folders (path TEXT PRIMARY KEY, mtime_ns INTEGER NOT NULL);
CREATE TABLE emptied (exchange TEXT, dataset TEXT, stream TEXT, period TEXT,
    change INTEGER NOT NULL, PRIMARY KEY (exchange, dataset, stream, period));
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
PRAGMA user_version = 2;
"""


@pytest.fixture
def old(home: Path) -> Path:
    """Rows of several streams, and the file of version 2 that named them."""
    bad = [RejectedRow("odd", "{}")]
    for stream in (TRADES, WEX, FILLS, TRANSFERS):
        store(home, stream, [row(stream, k) for k in range(1, 4)], state=ids((1, 4)))
    for stream in (CANDLES, HOURLY, BUILT):
        store(home, stream, [row(stream, 0)], state=StreamState(unit="time"))
    for stream in (CANDLES, FILLS):
        store(home, stream, rejected=bad)
    metastore = Metastore(home)
    path = home / OLDER_NAME
    db = sqlite3.connect(path)
    db.executescript(VERSION_2)
    for stream, label in LABELS.items():
        name = (stream.exchange, stream.dataset, label)
        remembered = '{"change": 7}' if stream == BUILT else '{"keeps": "newest"}'
        db.execute(
            "INSERT INTO streams VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*name, "time" if stream.timeframe else "id", remembered, 5, NOON, NOON + 9),
        )
        db.execute(
            "INSERT INTO intervals VALUES (?, ?, ?, 'complete', 10, 20, 10, 19, ?)", (*name, NOON)
        )
        db.execute("INSERT INTO intervals VALUES (?, ?, ?, 'lost', 0, 10, NULL, NULL, NULL)", name)
        for file in metastore.files(stream):
            db.execute(
                f"INSERT INTO files VALUES ({', '.join('?' * 13)})",
                (file.path, *name, file.period, file.rows, file.bytes, file.mtime_ns,
                 file.min_key, file.max_key, file.min_time, file.max_time, file.change),
            )  # fmt: skip
        mtime = metastore.folder_mtime(folder_mark(stream))
        db.execute("INSERT INTO folders VALUES (?, ?)", (f"{stream_folder(stream)} {label}", mtime))
    db.execute("INSERT INTO streams VALUES ('x','markets','all','none','{}',NULL,NULL,NULL)")
    db.execute("""INSERT INTO streams VALUES ('x','tickers','OLD-USD','none','{"ended":true}',
        NULL, NULL, NULL)""")
    db.execute("INSERT INTO unsettled VALUES ('x', 'account_transactions', 'main', 2)")
    db.execute("INSERT INTO emptied VALUES ('x', 'trades', 'BTC-USD', '2020-01-01', 3)")
    db.executemany(
        "INSERT INTO counters VALUES (?, ?)", [("change", 40), ("state", 41), ("identity", 42)]
    )
    db.commit()
    db.close()
    metastore.close()
    for leftover in home.glob(f"{FILE_NAME}*"):
        leftover.unlink()
    return home


def test_all_is_carried_over_but_coverage_on_weak_evidence(old: Path) -> None:
    metastore = Metastore(old)
    assert {*metastore.streams()} == {*LABELS, MARKETS, StreamId("x", "tickers", "OLD-USD")}
    for stream in LABELS:
        state = metastore.state(stream)
        assert (state.wanted_from, state.newest_at, state.checked_at) == (5, NOON, NOON + 9)
        assert (state.unit, state.checkpoint) == ("time" if stream.timeframe else "id", "")
        kept = stream in (WEX, BUILT)
        assert state.complete == ((Interval(10, 20, 10, 19, NOON),) if kept else ())
        lost = Unshown(0, 10, NOON + 9, NOON + 9, lost=True)
        assert state.unshown == ((lost,) if kept else ())
        assert metastore.folder_mtime(folder_mark(stream)) is not None
    assert metastore.state(TRANSFERS).unsettled == {2}
    assert metastore.state(StreamId("x", "tickers", "OLD-USD")).delisted
    assert metastore.identity() == 42 and metastore.state_mark() == 42
    changes = [f.change for stream in LABELS for f in metastore.files(stream)]
    assert metastore.newest_change() == max(changes)
    assert metastore.change_of(TRADES) == 3, "of a period whose file is gone"
    assert not (old / OLDER_NAME).exists()
    assert (old / f"{OLDER_NAME}.migrated").exists()
    assert_recorded(old)
    assert_published(old)
    assert {r["dataset"] for r in duck(old, "coverage")} == {"trades", "candles"}
    assert warehouse.verify(old).of("error", "records") == []


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_crash_at_any_step_is_made_good_by_the_next_opening(
    old: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    calls = iter(range(100))
    rename, fsync = Path.rename, os.fsync

    def dying(real: object) -> object:
        def wrapped(*args: object) -> object:
            if next(calls) == step:
                raise KeyboardInterrupt
            return real(*args)  # type: ignore[operator]

        return wrapped

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", dying(rename))
        patch.setattr(os, "fsync", dying(fsync))
        with pytest.raises(KeyboardInterrupt):
            Metastore(old)
    assert warehouse.has_data(old)
    assert Metastore(old).state(WEX).complete == (Interval(10, 20, 10, 19, NOON),)
    assert not (old / OLDER_NAME).exists()
    assert [p.name for p in old.glob("*.tmp*")] == []
    assert_recorded(old)


def test_several_threads_open_an_old_home_at_once(old: Path) -> None:
    found: list[StreamState] = []
    threads = [
        threading.Thread(target=lambda: found.append(Metastore(old).state(WEX))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [s.complete for s in found] == [(Interval(10, 20, 10, 19, NOON),)] * 4


def test_another_version_is_left_alone_and_named(old: Path) -> None:
    with sqlite3.connect(old / OLDER_NAME) as db:
        db.execute("PRAGMA user_version = 1")
    db.close()
    with pytest.raises(StorageError, match=r"version 1.*Fix: move it away"):
        Metastore(old)
    assert (old / OLDER_NAME).exists() and not (old / FILE_NAME).exists()


def test_a_damaged_old_file_is_set_aside_by_verify(old: Path) -> None:
    (old / OLDER_NAME).write_bytes(b"\x5a" * 9000)
    with pytest.raises(StorageError, match="Fix: run `tidemark verify`"):
        Metastore(old)
    assert warehouse.verify(old).ok
    assert [*old.glob(f"{OLDER_NAME}.damaged-*")]
    assert Metastore(old).state(WEX).complete == ()
    assert {d for d in DATASETS if duck(old, d)} >= {"trades", "candles", "account_trades"}


def test_version_3_gets_checksums_and_its_files_their_hash_when_first_verified(
    healthy: Path,
) -> None:
    before = Metastore(healthy)
    states = {s: before.state(s) for s in before.streams()}
    files = {s: before.files(s) for s in before.all_streams()}
    before.close()
    with sqlite3.connect(healthy / FILE_NAME) as db:
        for table in TABLES:
            db.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
        db.execute("ALTER TABLE files DROP COLUMN digest")
        db.execute("DROP TABLE archived")
        db.execute("DELETE FROM counters WHERE name = 'version'")
        db.execute("PRAGMA user_version = 3")
    db.close()
    metastore = Metastore(healthy)
    assert {s: metastore.state(s) for s in metastore.streams()} == states
    unhashed = {s: [replace(f, digest="") for f in fs] for s, fs in files.items()}
    assert {s: metastore.files(s) for s in files} == unhashed
    result = warehouse.verify(healthy)
    assert result.findings == []
    assert {s: Metastore(healthy).files(s) for s in files} == files
