"""Streams whose ids are text, or not all integers: every row once, one order in each file."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import warehouse
from schemas import dataset
from tests.examples import examples
from tests.warehouse.tools import (
    DAY,
    FILLS,
    NOON,
    TRADES,
    TRANSFERS,
    assert_each_once,
    assert_published,
    assert_recorded,
    lake,
    parquet,
    row,
    store,
    table,
)
from warehouse import ids
from warehouse.intervals import Interval
from warehouse.metastore import FileRecord, Metastore
from warehouse.paths import period_of
from warehouse.state import StreamState
from warehouse.store import Store

SMALL = 4
_id = st.sampled_from(
    ["7", "007", "12", "-3", "0", "-0", "OFB-1", "TX", "tx", "9223372036854775807",
     "9223372036854775808", "1000000000000000000", "é", "0x1A", "1 ", "8", "9", "10"]
)  # fmt: skip
_text = st.text("ABab01-", min_size=1, max_size=3)


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("warehouse.store.SEGMENT_ROWS", SMALL)
    yield


def _order(text: str) -> tuple[bool, int, str]:
    """The order as the module describes it, in plain Python."""
    number = ids.is_integer(text)
    return (not number, int(text) if number else 0, text)


@given(st.lists(_id | _text | st.integers(-(2**65), 2**65).map(str), max_size=8))
def test_order_and_numbers_are_those_of_plain_python(texts: list[str]) -> None:
    column = pa.chunked_array([pa.array(texts, pa.string())])
    numbers = ids.integers(column)
    if all(ids.is_integer(text) for text in texts):
        assert numbers is not None and numbers.to_pylist() == [int(t) for t in texts]
    else:
        assert numbers is None
    is_text, number, text = (c.to_pylist() for c in ids.order_columns(column))
    keys = list(zip(map(bool, is_text), number, text, strict=True))
    assert keys == [_order(t) for t in texts]
    assert ids.integer_ids(column).to_pylist() == [int(t) for t in texts if ids.is_integer(t)]


@pytest.mark.parametrize("text", ["", "-", "+5", "٣", "1_0", " 1", "1e3", "²"])
def test_what_is_no_integer(text: str) -> None:
    assert not ids.is_integer(text)


@settings(max_examples=examples(20))
@given(
    commits=st.lists(
        st.lists(
            st.tuples(_id | _text, st.sampled_from([0, 1, 2, 3, 5, 8, DAY, DAY + 1])), max_size=7
        ),
        max_size=7,
    ),
    reopen=st.booleans(),
)
def test_any_commits_give_each_id_once(
    tmp_path_factory: pytest.TempPathFactory,
    commits: list[list[tuple[str, int]]],
    reopen: bool,
) -> None:
    home = tmp_path_factory.mktemp("home")
    known: dict[str, int] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warehouse.store.SEGMENT_ROWS", SMALL)
        shop = Store(home)
        opened = shop.open_stream(TRADES)
        writer = opened.__enter__()
        for commit in commits:
            if reopen:
                opened.__exit__(None, None, None)
                opened = shop.open_stream(TRADES)
                writer = opened.__enter__()
            rows = [row(TRADES, 0, NOON + t, trade_id=i, price=1) for i, t in commit]
            done = writer.commit([table(TRADES, rows)], StreamState(unit="time"))
            fresh = {i: NOON + t for i, t in reversed(commit) if i not in known}
            known |= fresh
            assert done.added == len(fresh)
        for text in known:  # what comes again changes nothing
            again = [row(TRADES, 0, known[text], trade_id=text, price=1)]
            done = writer.commit([table(TRADES, again)], StreamState(unit="time"))
            assert (done.added, done.replaced) == (0, 0)
        newest = writer.tail(3).column("trade_id").to_pylist()
        opened.__exit__(None, None, None)
    held = {r["trade_id"]: r["timestamp"] for r in lake(home, "trades")}
    assert set(held) == set(known)
    _in_order(home)
    ordered = sorted(held, key=lambda i: (held[i], _order(i)))
    assert newest == ordered[-3:]
    assert_each_once(home)
    assert_recorded(home)


def _in_order(home: Path) -> None:
    for path in (home / "lake" / "trades").rglob("*.parquet"):
        with path.open("rb") as source:
            rows = pq.read_table(source).to_pylist()
        keys = [(r["timestamp"], _order(r["trade_id"])) for r in rows]
        assert keys == sorted(keys)


def test_a_period_of_text_ids_grows_segments(home: Path, small_segments: None) -> None:
    for number in range(0, 40, 2):
        store(home, TRADES, [row(TRADES, 0, NOON + number, trade_id=f"T{number % 7}-{number}")])
    records = sorted(Metastore(home).files(TRADES), key=lambda r: r.min_time or 0)
    assert len(records) >= 5
    assert max(r.rows for r in records) <= SMALL + 1
    assert all(r.min_key is None for r in records)
    late = [row(TRADES, 0, NOON + number, trade_id=f"L{number}") for number in range(1, 40, 2)]
    assert store(home, TRADES, late).added == 20
    assert store(home, TRADES, late).added == 0
    for before, after in itertools.pairwise(sorted(records, key=lambda r: r.min_time or 0)):
        assert (before.max_time or 0) < (after.min_time or 0)
    assert_each_once(home)
    assert_recorded(home)
    assert_published(home)
    assert not [f for f in warehouse.verify(home).findings if f.check != "coverage"]


def test_transactions_grow_segments_and_change_in_place(home: Path, small_segments: None) -> None:
    for number in range(20):
        store(home, TRANSFERS, [row(TRANSFERS, number)])
    assert len(parquet(home)) >= 4
    done = store(home, TRANSFERS, [row(TRANSFERS, n, status="ok") for n in range(20)])
    assert (done.added, done.replaced) == (0, 20)
    assert {r["status"] for r in lake(home, "account_transactions")} == {"ok"}
    assert_each_once(home)
    assert_published(home)


def test_a_stream_that_began_with_integers_meets_text(home: Path, small_segments: None) -> None:
    for low in (0, 4, 8):
        store(home, TRADES, [row(TRADES, k) for k in range(low, low + 4)])
    assert all(r.min_key is not None for r in Metastore(home).files(TRADES))
    mixed = [row(TRADES, 0, NOON + k, trade_id=f"X{k}") for k in (0, 5, 11)]
    again = [row(TRADES, k) for k in range(12)]
    assert store(home, TRADES, mixed, again).added == 3
    assert store(home, TRADES, [row(TRADES, 6, NOON + 7 * DAY)]).quarantined == 1
    moved = row(TRADES, 0, NOON + 7 * DAY, trade_id="X5")
    assert store(home, TRADES, [moved]).quarantined == 1
    assert store(home, TRADES, [row(TRADES, k) for k in range(3, 15)]).added == 3
    assert len(lake(home, "trades")) == 18
    _in_order(home)
    assert_each_once(home)
    assert_recorded(home)
    assert_published(home)
    assert warehouse.verify(home).of("error") == []


def test_fills_of_text_ids_are_read_once_a_pull(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for year in range(3):
        rows = [row(FILLS, 0, NOON + year * 366 * DAY, trade_id=f"F{year}")]
        store(home, FILLS, rows)
    reads: list[str] = []
    with Store(home).open_stream(FILLS) as writer:
        real = writer.read

        def counted(record: FileRecord, columns: list[str] | None = None) -> pa.Table:
            reads.append(record.path)
            return real(record, columns)

        monkeypatch.setattr(writer, "read", counted)
        for number in range(3):
            rows = [row(FILLS, 0, NOON + number, trade_id=f"G{number}")]
            writer.commit([table(FILLS, rows)], writer.state())
    assert len(reads) == len({*reads}) == 2


def test_sql_takes_ids_of_any_kind(home: Path) -> None:
    rows = [row(TRADES, 0, NOON + n, trade_id=i, price=n + 1) for n, i in enumerate("7ZYX")]
    rows.append(row(TRADES, 0, NOON, trade_id="1", price=9))
    state = StreamState((Interval(NOON, NOON + 3 * DAY),), unit="time", newest_at=NOON + 3)
    store(home, TRADES, rows, state=state)
    fills = [row(FILLS, 0, NOON + n, trade_id=i) for n, i in enumerate(["TX-1", "TX-2"])]
    store(home, FILLS, fills, state=replace_unit(state))
    warehouse.publish(home)
    (candle,) = warehouse.sql("FROM candles('BTC-USD', '1h')", home=home).to_pylist()
    assert (candle["open"], candle["close"], candle["trades"]) == (9, 4, 5)
    with warehouse.connect(home) as db:
        views = db.execute(
            "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
        for (name,) in views:
            db.execute(f"FROM {name}").fetchall()
        for call in (
            "trades_between('BTC-USD', '2024-08-08', '2024-08-09')",
            "account_value('USD', '1d')",
            "realised_profit()",
        ):
            db.execute(f"FROM {call}").fetchall()
    ordered = warehouse.sql(
        "SELECT trade_id FROM trades_between('BTC-USD', '2024-08-08', '2024-08-09')", home=home
    )
    assert ordered["trade_id"].to_pylist() == ["1", "7", "Z", "Y", "X"]
    assert warehouse.verify(home).of("error", "values") == []
    assert warehouse.table("trades", home=home).num_rows == 5


def replace_unit(state: StreamState) -> StreamState:
    return StreamState(unit="time", newest_at=state.newest_at)


def test_a_lost_metastore_knows_the_kind_of_ids_from_the_rows(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 0, trade_id="TX")])
    store(home, FILLS, [row(FILLS, 5)])
    states = [Store(home).reader(s).fresh_state() for s in (TRADES, FILLS)]
    assert [s.unit for s in states] == ["time", "id"]


def test_a_vanished_file_of_text_ids_takes_its_time_with_it(home: Path) -> None:
    declared = dataset("trades")
    for day in range(3):
        rows = [row(TRADES, 0, NOON + day * DAY + n, trade_id=f"{day}-{n}") for n in range(3)]
        store(home, TRADES, rows)
    end = NOON + 2 * DAY + 3
    run = Interval(NOON - 9, end, NOON, end - 1, NOON, end - 1)
    store(home, TRADES, state=StreamState((run,), unit="time", checkpoint="x"))
    name = period_of(declared, NOON + DAY)
    (path,) = (home / "lake").rglob(f"{name}.parquet")
    path.unlink()
    store(home, TRADES)
    state = Metastore(home).state(TRADES)
    later = NOON + 2 * DAY
    assert state.complete == (
        Interval(NOON - 9, NOON + 3, NOON, NOON + 2, NOON, NOON + 2),
        Interval(later, end, later, end - 1, later, end - 1),
    )
    assert state.checkpoint == ""
