"""Commits into the lake: every row is there once, whatever comes in whatever order."""

import itertools
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import RejectedRow, StreamId, dataset
from tests.examples import examples
from tests.warehouse.tools import (
    CANDLES,
    DAY,
    FILLS,
    HOURLY,
    NOON,
    STREAMS,
    TRADES,
    TRANSFERS,
    assert_each_once,
    assert_published,
    assert_recorded,
    bag,
    lake,
    parquet,
    row,
    store,
    table,
)
from warehouse.metastore import Metastore
from warehouse.state import StreamState
from warehouse.store import StreamWriter

pytestmark = pytest.mark.both

SMALL = 5


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("warehouse.store.SEGMENT_ROWS", SMALL)
    yield


@pytest.mark.parametrize("stream", STREAMS, ids=lambda s: s.dataset)
def test_a_commit_stores_every_row_once_and_as_declared(home: Path, stream: StreamId) -> None:
    rows = [row(stream, k, NOON + k * 300_000_000) for k in (3, 1, 2)]
    done = store(home, stream, rows[:2], rows[1:])
    assert (done.added, done.replaced, done.quarantined) == (3, 0, 0)
    named = {"exchange": stream.exchange, "symbol": stream.symbol, "account": stream.account}
    path = {name: named[name] for name in dataset(stream.dataset).partition}
    assert bag(lake(home, stream.dataset)) == bag([path | _exact(stream, r) for r in rows])
    (file,) = parquet(home)
    with file.open("rb") as source:
        assert pq.read_schema(source).equals(dataset(stream.dataset).file_schema)
    again = store(home, stream, rows)
    assert (again.added, again.replaced, again.quarantined) == (0, 0, 0)
    assert_recorded(home)
    assert_published(home)


def _exact(stream: StreamId, one: dict[str, object]) -> dict[str, object]:
    typed: dict[str, object] = table(stream, [one]).to_pylist()[0]
    return typed


def test_a_full_day_grows_segments_and_rows_find_theirs(home: Path, small_segments: None) -> None:
    for keys in ([50, 52, 54, 56, 58], [60, 62], [48, 46], [55], [61], [47], [44, 64], [54, 60]):
        store(home, TRADES, [row(TRADES, k) for k in keys])
        assert_each_once(home)
        assert_recorded(home)
    records = sorted(Metastore(home).files(TRADES), key=lambda r: r.min_key or 0)
    for before, after in itertools.pairwise(records):
        assert (before.max_key or 0) < (after.min_key or 0), "segments do not overlap"
    assert [r.rows for r in records] == [4, 6, 4]
    assert sorted(int(r["trade_id"]) for r in lake(home, "trades")) == [
        44, 46, 47, 48, 50, 52, 54, 55, 56, 58, 60, 61, 62, 64,
    ]  # fmt: skip
    assert_published(home)


def test_a_hole_between_full_segments_is_filled_from_above_with_few_files(
    home: Path, small_segments: None
) -> None:
    store(home, TRADES, [row(TRADES, k) for k in range(100, 105)])
    store(home, TRADES, [row(TRADES, k) for k in range(200, 205)])
    for key in range(199, 179, -1):
        store(home, TRADES, [row(TRADES, key)])
    assert len(lake(home, "trades")) == 30
    assert len(parquet(home)) <= 2 + 20 // SMALL
    assert_each_once(home)
    assert_published(home)


def test_many_rows_beside_a_file_begin_their_own_and_nothing_is_written_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.store.ENOUGH_ROWS", 10)
    for low in (200, 150, 250, 100):
        before = {path: path.stat().st_mtime_ns for path in parquet(home)}
        store(home, TRADES, [row(TRADES, key) for key in range(low, low + 20)])
        assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(parquet(home)) == 4
    store(home, TRADES, [row(TRADES, key) for key in (125, 99, 270)])  # few: to the nearest
    store(home, TRADES, [row(TRADES, key) for key in range(110, 135)])  # among those of a file
    assert len(parquet(home)) == 4 and len(lake(home, "trades")) == 80 + 2 + 15
    assert_each_once(home)
    assert_recorded(home)
    assert_published(home)


@settings(max_examples=examples(8))
@given(
    commits=st.lists(
        st.lists(st.tuples(st.integers(0, 60), st.integers(0, 1)), max_size=9), max_size=6
    ),
    enough=st.sampled_from([2, 4, 100]),
)
def test_any_commits_give_each_id_once_over_segments_and_days(
    tmp_path_factory: pytest.TempPathFactory, commits: list[list[tuple[int, int]]], enough: int
) -> None:
    home = tmp_path_factory.mktemp("home")
    metastore = Metastore(home)
    known: dict[str, datetime] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warehouse.store.SEGMENT_ROWS", SMALL)
        patch.setattr("warehouse.store.ENOUGH_ROWS", enough)
        writer = StreamWriter(home, metastore, TRADES)
        for commit in commits:
            rows = [row(TRADES, k, NOON + day * DAY) for k, day in commit]
            done = writer.commit([table(TRADES, rows)], StreamState())
            fresh = {r["trade_id"] for r in rows} - set(known)
            known |= {r["trade_id"]: r["timestamp"] for r in rows if r["trade_id"] in fresh}
            assert done.added == len(fresh)
    assert {r["trade_id"] for r in lake(home, "trades")} == set(known)
    assert_each_once(home)
    assert_recorded(home)


@pytest.mark.parametrize("stream", [TRADES, FILLS, TRANSFERS], ids=lambda s: s.dataset)
@pytest.mark.parametrize("together", [True, False])
def test_an_id_that_comes_again_with_another_period_goes_to_quarantine(
    home: Path, stream: StreamId, together: bool
) -> None:
    first, moved = row(stream, 7), row(stream, 7, NOON + 400 * DAY)
    if together:
        done = [store(home, stream, [first, row(stream, 8), moved])]
    else:
        done = [store(home, stream, [first, row(stream, 8)]), store(home, stream, [moved])]
    assert sum(d.added for d in done) == 2
    assert sum(d.quarantined for d in done) == 1
    assert_each_once(home)
    (rejected,) = lake(home, "quarantine")
    assert "already stored with a time in 2024" in rejected["reason"]
    assert store(home, stream, [moved]).quarantined == 0, "once is enough"
    assert_published(home)


def test_a_trade_that_contradicts_the_stored_one_is_refused_with_exact_figures(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 1, price=100)])
    done = store(home, TRADES, [row(TRADES, 1, price=101)])
    assert (done.added, done.replaced, done.quarantined) == (0, 0, 1)
    assert [r["price"] for r in lake(home, "trades")] == [100]
    (rejected,) = lake(home, "quarantine")
    assert rejected["dataset"] == "trades" and '"price": "101.000000000000"' in rejected["payload"]


def test_a_row_refused_again_and_again_is_one_row_of_quarantine(home: Path) -> None:
    bad = RejectedRow("price is not a number", '{"tid": 1, "price": "x"}')
    assert store(home, TRADES, rejected=[bad, bad]).quarantined == 1
    before = {p: p.stat().st_mtime_ns for p in parquet(home)}
    assert_published(home)
    for reason in ("price is not a number", "worded otherwise by a later version"):
        assert store(home, TRADES, rejected=[RejectedRow(reason, bad.payload)]).quarantined == 0
    assert {p: p.stat().st_mtime_ns for p in parquet(home)} == before
    (kept,) = lake(home, "quarantine")
    assert kept["payload"] == bad.payload and kept["reason"] == bad.reason


def test_the_same_text_refused_on_two_streams_is_two_rows(home: Path) -> None:
    bad = RejectedRow("no price", "{}")
    for stream in (TRADES, StreamId("x", "trades", "ETH-USD"), CANDLES, HOURLY):
        assert store(home, stream, rejected=[bad]).quarantined == 1
    assert len(lake(home, "quarantine")) == 4
    assert_each_once(home)
    assert_published(home)


def test_tail_and_between_see_rows_over_files_and_segments(
    home: Path, small_segments: None
) -> None:
    for low in (0, 10, 5, 15):
        rows = [row(TRADES, k, NOON + (k // 10) * DAY + k) for k in range(low, low + 5)]
        store(home, TRADES, rows)
    writer = StreamWriter(home, Metastore(home), TRADES)
    for count in (0, 1, 4, 7, 20, 99):
        got = [int(k) for k in writer.tail(count, ["trade_id"]).column(0).to_pylist()]
        assert got == list(range(20))[20 - min(count, 20) :]
    assert writer.tail(3).schema == dataset("trades").file_schema
    for low, high in ((0, 20), (3, 12), (9, 10), (7, 7), (19, 50)):
        first, end = (NOON + (k // 10) * DAY + k for k in (low, high))
        found = writer.between(first, end).column("trade_id").to_pylist()
        assert [int(k) for k in found] == list(range(low, min(high, 20)))
    empty = StreamWriter(home, Metastore(home), StreamId("x", "trades", "NONE"))
    assert empty.tail(5).schema == empty.between(0, 2**60).schema == dataset("trades").file_schema
    assert empty.tail(5, ["trade_id"]).column_names == ["trade_id"]


def test_odd_names_of_markets_and_accounts_come_back_as_they_were(home: Path) -> None:
    odd = ["A/B-USD", "50%-USD", "é b=c-USD", "..-USD", "007"]
    for symbol in odd:
        store(home, StreamId("x", "trades", symbol), [row(TRADES, 1)])
    assert sorted(r["symbol"] for r in lake(home, "trades")) == sorted(odd)
    assert all(p.is_relative_to(home / "lake" / "trades" / "exchange=x") for p in parquet(home))
    assert_published(home)


def test_other_readers_find_the_rows_and_never_a_temporary_file(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    (path,) = parquet(home)
    hidden = home / "partial" / path.parent.relative_to(home / "lake") / f".{path.stem}.99.tmp"
    hidden.parent.mkdir(parents=True, exist_ok=True)
    hidden.write_bytes(b"PAR1 half a file")
    assert parquet(home) == [path]
    folder = ds.dataset(home / "lake" / "trades", format="parquet", partitioning="hive")
    assert folder.to_table().column("symbol").to_pylist() == ["BTC-USD"]
    store(home, TRADES, [])
    assert not hidden.exists(), "the next writer of the stream removes it"


def test_a_row_without_a_needed_value_goes_to_quarantine(home: Path) -> None:
    done = store(home, TRADES, [row(TRADES, 2), row(TRADES, 3, price=None)])
    assert (done.added, done.quarantined) == (1, 1)
    assert [r["trade_id"] for r in lake(home, "trades")] == ["2"]
    assert [r["reason"] for r in lake(home, "quarantine")] == ["price is null"]
    assert list(home.rglob("*.tmp")) == []


@pytest.mark.parametrize("known", [True, False], ids=["file known", "file new"])
def test_a_crash_of_one_timeframe_is_not_hidden_by_a_commit_of_another(
    home: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    if known:
        store(home, CANDLES, [row(CANDLES, 0)])
    with monkeypatch.context() as patch:
        patch.setattr(Metastore, "record", lambda *_: 1 / 0)  # the file is there, the record not
        with pytest.raises(ZeroDivisionError):
            store(home, CANDLES, [row(CANDLES, 1)])
    store(home, HOURLY, [row(HOURLY, 0)])  # commits to the same folder
    store(home, CANDLES, [row(CANDLES, 1)])
    assert_recorded(home)
    assert_published(home)


def test_a_crash_within_one_tick_of_the_clock_is_seen_when_the_rows_come_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    (path,) = parquet(home)
    seen = path.parent.stat()
    with monkeypatch.context() as patch:
        patch.setattr(Metastore, "record", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store(home, TRADES, [row(TRADES, 2)])
    os.utime(path.parent, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # a clock of coarse ticks
    store(home, TRADES, [row(TRADES, 2)])
    assert_recorded(home)
    assert_published(home)
