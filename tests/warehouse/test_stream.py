"""What a pull sees of the store: readers and writers of one stream."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

import warehouse
from schemas import RejectedRow, StreamId, dataset
from schemas.timeframes import grid
from tests.warehouse.tools import (
    CANDLES,
    DAY,
    FILLS,
    NOON,
    TRADES,
    assert_each_once,
    assert_recorded,
    ids,
    lake,
    lost,
    row,
    store,
    table,
)
from warehouse import StorageError, candles
from warehouse.intervals import Interval
from warehouse.metastore import Metastore
from warehouse.paths import quarantine_of
from warehouse.state import StreamState
from warehouse.store import Committed, Store

pytestmark = pytest.mark.both

MARKETS = StreamId("x", "markets")


def _ids(rows: pa.Table) -> list[int]:
    return [int(text) for text in rows.column("trade_id").to_pylist()]


@pytest.fixture
def three_days(home: Path) -> Store:
    """Trades 0 to 29, ten a day."""
    for day in (1, 0, 2):
        rows = [row(TRADES, k, NOON + day * DAY + k) for k in range(day * 10, day * 10 + 10)]
        store(home, TRADES, rows, state=ids((0, 30)))
    return Store(home)


def test_a_reader_of_a_new_stream_has_nothing(home: Path) -> None:
    reader = Store(home).reader(TRADES)
    assert (reader.state(), reader.span(), reader.change()) == (StreamState(), None, 0)
    assert (reader.periods(), [*reader.scan(["trade_id"])]) == ([], [])
    assert reader.period("2024-08-08").num_rows == reader.before(NOON).num_rows == 0
    assert reader.time_of(7) == 0
    assert reader.between(0, 2**60, ["trade_id"]).column_names == ["trade_id"]


def test_a_reader_scans_columns_of_what_changed(three_days: Store) -> None:
    reader = three_days.reader(TRADES)
    assert reader.span() == (NOON, NOON + 2 * DAY + 29)
    assert [_ids(t) for t in reader.scan(["trade_id"])] == [
        [*range(10)], [*range(10, 20)], [*range(20, 30)],
    ]  # fmt: skip
    assert reader.periods() == ["2024-08-08", "2024-08-09", "2024-08-10"]
    before = reader.change()
    with three_days.open_stream(TRADES) as writer:
        writer.commit([table(TRADES, [row(TRADES, 40, NOON + DAY + 1)])], writer.state())
    assert reader.change() > before
    assert reader.periods(before) == ["2024-08-09"]
    assert [_ids(t) for t in reader.scan(["trade_id"], before)] == [[40, *range(10, 20)]]
    assert [*reader.scan(["trade_id"], reader.change())] == []


def test_a_reader_finds_rows_by_time(three_days: Store) -> None:
    reader = three_days.reader(TRADES)
    assert _ids(reader.between(NOON + 8, NOON + DAY + 12)) == [8, 9, 10, 11]
    only = reader.between(NOON + 8, NOON + DAY + 12, ["trade_id", "price"])
    assert only.column_names == ["trade_id", "price"] and only.num_rows == 4
    assert _ids(reader.before(NOON + DAY + 12)) == [10, 11]
    assert _ids(reader.period("2024-08-09")) == [*range(10, 20)]
    assert reader.period_of(NOON + DAY) == "2024-08-09"
    assert [reader.time_of(k) for k in (0, 25, 99)] == [
        NOON, NOON + 2 * DAY + 25, NOON + 2 * DAY + 29,
    ]  # fmt: skip


def test_candles_are_whole_where_their_trades_are(three_days: Store) -> None:
    reader, frame = three_days.reader(TRADES), grid("5m")
    step = frame.step
    state = replace(reader.state(), complete=(Interval(5, 30, 5, 29, NOON + 5),))
    first = NOON // step * step + step
    end = (NOON + 2 * DAY + 29) // step * step
    assert candles.whole(state, reader.time_of, frame, with_open=False) == [(first, end)]
    assert candles.whole(state, reader.time_of, frame, with_open=True) == [(first, end + step)]
    known = replace(state, complete=(Interval(5, 30, 5, 29, NOON + 5, NOON + DAY),))
    assert candles.whole(known, lambda _: 0, frame, with_open=False) == [
        (first, (NOON + DAY) // step * step)
    ]


def test_rows_of_segments_that_overlap_in_time_come_in_order(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.store.SEGMENT_ROWS", 4)
    times = {k: NOON + (k * 7) % 20 for k in range(20)}
    for low in range(0, 20, 4):
        store(home, TRADES, [row(TRADES, k, times[k]) for k in range(low, low + 4)])
    reader = Store(home).reader(TRADES)
    assert len(Metastore(home).files(TRADES)) > 1
    newest_last = sorted(times, key=lambda k: times[k])
    for count in (1, 3, 7, 20):
        assert _ids(reader.tail(count)) == newest_last[-count:]
        assert _ids(reader.tail(count, ["trade_id"])) == newest_last[-count:]
    assert _ids(reader.between(NOON + 3, NOON + 11)) == newest_last[3:11]
    assert _ids(reader.period("2024-08-08")) == newest_last


def test_a_commit_says_what_contradicts_a_stored_row(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 1), row(TRADES, 2)])
    other = [row(TRADES, 1, price=7), row(TRADES, 2, NOON + 3 * DAY), row(TRADES, 3)]
    bad = [RejectedRow("no price", "{}")]
    done = store(home, TRADES, other, rejected=bad)
    assert (done.added, done.replaced, done.quarantined) == (1, 0, 3)
    assert [json.loads(one.payload)["trade_id"] for one in done.conflicts] == ["1", "2"]
    again = store(home, TRADES, other, rejected=bad)
    assert again == Committed(conflicts=done.conflicts), "each time"


def test_a_sibling_is_written_under_the_same_lock(home: Path) -> None:
    history = dataset("markets_history").file_schema
    reported = {"symbol": "BTC-USD", "native_symbol": "btc", "base": "BTC", "quote": "USD"}
    one = {**dict.fromkeys(history.names[:-1]), **reported, "active": True, "valid_from": NOON}
    rows = pa.Table.from_pylist([one], schema=history.remove(len(history) - 1))
    with Store(home).open_stream(MARKETS) as writer:
        writer.sibling("markets_history").commit([rows], StreamState(unit="none"))
        assert writer.sibling("quarantine").stream == quarantine_of(MARKETS)
        with pytest.raises(ValueError, match="another lock"):
            writer.sibling("currencies")
    assert len(lake(home, "markets_history")) == 1
    assert_recorded(home)


def test_a_stream_has_one_writer_at_a_time(home: Path) -> None:
    shop, order = Store(home), []

    def second() -> None:
        with shop.open_stream(TRADES):
            order.append("second")

    with shop.open_stream(TRADES):
        thread = threading.Thread(target=second)
        thread.start()
        with shop.open_stream(FILLS), shop.open_stream(CANDLES):
            thread.join(0.3)
            order.append("first")
    thread.join(60)
    assert order == ["first", "second"]


def test_a_store_lists_streams_and_their_states(home: Path) -> None:
    shop = Store(home)
    for stream in (TRADES, CANDLES, FILLS):
        store(home, stream, state=ids((1, 5)))
    assert shop.streams() == [FILLS, CANDLES, TRADES]
    assert shop.streams("x", "candles") == [CANDLES]
    assert shop.streams("y") == []
    assert shop.state(TRADES) == ids((1, 5))


def test_a_file_that_went_away_is_named(three_days: Store, home: Path) -> None:
    (path, *_) = sorted((home / "lake").rglob("*.parquet"))
    path.unlink()
    with pytest.raises(StorageError, match=r"is gone\. Fix: restore it"):
        three_days.reader(TRADES).tail(30)


def test_coverage_says_since_when(home: Path) -> None:
    state = replace(ids((5, 9)), unshown=lost((0, 5)))
    store(home, TRADES, [row(TRADES, 5)], state=state)
    (first,) = {r["ingested_at"] for r in warehouse.coverage(home).to_pylist()}
    store(home, TRADES, [row(TRADES, 6)], state=replace(state, checked_at=NOON, checkpoint="x"))
    assert {r["ingested_at"] for r in warehouse.coverage(home).to_pylist()} == {first}
    store(home, TRADES, state=replace(state, complete=ids((5, 10)).complete))
    (later,) = {r["ingested_at"] for r in warehouse.coverage(home).to_pylist()}
    assert later > first
    warehouse.publish(home)
    published = warehouse.sql("FROM coverage", home=home)
    assert published.schema.names[-1] == "ingested_at"
    assert set(published.column("ingested_at").to_pylist()) == {later}
    assert warehouse.verify(home).of("error", "published_coverage") == []
    assert_each_once(home)
