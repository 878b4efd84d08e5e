"""The metastore: what is recorded comes back, to any number of programs, also after damage."""

import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.warehouse.tools import CANDLES, TRADES, ids, row, store
from warehouse import StorageError
from warehouse.intervals import Interval, Unshown, union
from warehouse.locks import exclusive
from warehouse.metastore import FileRecord, Metastore
from warehouse.metastore_file import FILE_NAME
from warehouse.state import StreamState

pytestmark = pytest.mark.both

REPO = Path(__file__).resolve().parents[2]
_numbers = st.integers(-(2**62), 2**62)
_maybe = st.none() | _numbers


@st.composite
def _intervals(draw: st.DrawFn) -> tuple[Interval, ...]:
    found = []
    for low, length in draw(st.lists(st.tuples(_numbers, st.integers(1, 2**40)), max_size=4)):
        first = draw(st.none() | st.integers(low, low + length - 1))
        last = None if first is None else low + length - 1
        at = draw(st.tuples(_maybe, _maybe)) if last else ()
        found.append(Interval(low, low + length, first, last, *at))
    return union(found)


@st.composite
def _unshown(draw: st.DrawFn) -> tuple[Unshown, ...]:
    lowers = sorted(draw(st.frozensets(_numbers, max_size=3)))
    return tuple(
        Unshown(n, n + 1, *draw(st.tuples(_numbers, _numbers)), draw(st.integers(1, 9)), lost)
        for n, lost in zip(lowers, draw(st.lists(st.booleans(), min_size=3)), strict=False)
    )


_states = st.builds(
    StreamState,
    _intervals(),
    _unshown(),
    st.sampled_from(["id", "time", "none"]),
    st.sampled_from(["", '{"keeps": "newest"}', "é"]),
    _maybe,
    _maybe,
    _maybe,
    st.frozensets(_numbers, max_size=4),
    st.sampled_from(["", "the market was listed again"]),
    st.booleans(),
)


def test_the_states_of_all_streams_are_those_of_each(home: Path) -> None:
    metastore = Metastore(home)
    metastore.record(TRADES, StreamState((Interval(1, 5), Interval(7, 9)), (), "id"))
    metastore.record(CANDLES, StreamState((), (Unshown(3, 4, 1, 1),), "time", "x"))
    states = metastore.states()
    assert [*states] == sorted([CANDLES, TRADES], key=str)
    assert {stream: state for stream, (state, _) in states.items()} == {
        stream: metastore.state(stream) for stream in (CANDLES, TRADES)
    }
    assert all(at > 0 for _, at in states.values())


@settings(max_examples=examples(25))
@given(st.lists(_states, min_size=1, max_size=3))
def test_a_state_comes_back_as_it_was_recorded(
    tmp_path_factory: pytest.TempPathFactory, states: list[StreamState]
) -> None:
    home = tmp_path_factory.mktemp("home")
    for state in states:
        Metastore(home).record(TRADES, state)
        assert Metastore(home).state(TRADES) == state
        assert Metastore(home).state(CANDLES) == StreamState()


def test_files_are_recorded_replaced_and_found_by_their_keys(home: Path) -> None:
    metastore = Metastore(home)
    one = FileRecord("a", "2024-08-08", 3, 10, 1, 1, 9, 100, 200)
    two = FileRecord("b", "2024-08-09", 2, 20, 2, 20, 30, 300, 400)
    metastore.record(TRADES, StreamState(), [one, two])
    metastore.record(TRADES, StreamState(), [replace(one, rows=4)])
    assert [(f.path, f.rows, f.change) for f in metastore.files(TRADES)] == [
        ("a", 4, 2),
        ("b", 2, 1),
    ]
    assert [f.path for f in metastore.files(TRADES, "2024-08-09")] == ["b"]
    for low, high, paths in ((9, 20, ["a", "b"]), (10, 19, []), (30, 99, ["b"]), (0, 1, ["a"])):
        assert [f.path for f in metastore.files_overlapping(TRADES, low, high)] == paths
    assert metastore.files(CANDLES) == []


def test_streams_are_listed_by_exchange_and_dataset(home: Path) -> None:
    metastore = Metastore(home)
    other = replace(TRADES, exchange="a")
    for stream in (TRADES, CANDLES, other):
        assert not metastore.is_registered(stream)
        metastore.record(stream, StreamState())
        assert metastore.is_registered(stream)
    assert metastore.streams() == [other, CANDLES, TRADES]
    assert metastore.streams(TRADES.exchange) == [CANDLES, TRADES]
    assert metastore.streams(dataset="trades") == [other, TRADES]
    assert metastore.streams(TRADES.exchange, "candles") == [CANDLES]


def _news(metastore: Metastore) -> int:
    with metastore.reading() as db:
        row = db.execute("SELECT value FROM counters WHERE name = 'state'").fetchone()
    return row[0] if row else 0


def test_the_state_counter_moves_on_real_news_only(home: Path) -> None:
    metastore, state = Metastore(home), ids((1, 9))
    counts = [_news(metastore)]
    for news in (
        state,
        state,
        replace(state, checkpoint='{"keeps": "newest"}', newest_at=5, checked_at=6),
        replace(state, unsettled=frozenset({3})),
        replace(state, unshown=(Unshown(20, 30, 1, 2),)),
        replace(state, unshown=(Unshown(20, 30, 1, 2, 5, True),)),
        ids((1, 10)),
        replace(ids((1, 10)), wanted_from=3),
    ):
        metastore.record(TRADES, news)
        counts.append(_news(metastore))
    moved = [after > before for before, after in pairwise(counts)]
    assert moved == [True, False, False, False, False, True, True, True]


def test_several_programs_write_at_once_from_the_very_first_moment(home: Path) -> None:
    command = [sys.executable, "-m", "tests.warehouse.metastore_child", str(home)]
    children = [
        subprocess.Popen(
            [*command, name, "15"],
            cwd=REPO,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b", "c")
    ]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        _, error = child.communicate(timeout=300)
        assert child.returncode == 0, error
    with Metastore(home).reading() as db:
        assert db.execute("SELECT count(*), count(DISTINCT change) FROM files").fetchone() == (
            90,
            90,
        )
        spans = db.execute("SELECT lower, upper FROM intervals").fetchall()
    assert spans == [(0, 15)] * 6


@pytest.mark.sqlite
def test_a_metastore_of_a_newer_version_is_left_alone(home: Path) -> None:
    Metastore(home).close()
    with sqlite3.connect(home / FILE_NAME) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StorageError, match=r"version 99.*Fix: update Tidemark"):
        Metastore(home)
    db = sqlite3.connect(home / FILE_NAME)
    assert db.execute("PRAGMA user_version").fetchone() == (99,)
    db.close()


@pytest.mark.sqlite
@pytest.mark.parametrize("damage", ["garbage", "header kept"])
def test_a_damaged_metastore_is_reported_with_a_fix(home: Path, damage: str) -> None:
    store(home, TRADES, [row(TRADES, k) for k in range(50)], state=ids((0, 50)))
    path = home / FILE_NAME
    for name in ("-wal", "-shm"):
        path.with_name(f"{FILE_NAME}{name}").unlink(missing_ok=True)
    data = path.read_bytes()
    path.write_bytes(b"\x5a" * 5000 if damage == "garbage" else data[:100] + b"\x5a" * 20_000)
    with pytest.raises(StorageError, match="Fix: run `tidemark verify`"):
        Metastore(home).state(TRADES)


@pytest.mark.sqlite
def test_a_full_disk_is_reported_as_such_and_the_metastore_goes_on_afterwards(home: Path) -> None:
    metastore = Metastore(home)
    metastore.record(TRADES, ids((1, 9)))
    with metastore.reading() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
        many = frozenset(range(20_000))
        with pytest.raises(StorageError, match=r"the disk is full\. Fix: free some space"):
            metastore.record(TRADES, replace(ids((1, 10)), unsettled=many))
        assert metastore.state(TRADES) == ids((1, 9))
        db.execute("PRAGMA max_page_count = 1000000")
    metastore.record(TRADES, replace(ids((1, 10)), unsettled=many))
    assert Metastore(home).state(TRADES).unsettled == many


@pytest.mark.sqlite
def test_a_metastore_locked_for_long_is_not_called_damaged(home: Path) -> None:
    metastore = Metastore(home)
    with metastore.reading() as db:
        db.execute("PRAGMA busy_timeout = 10")
    holder = sqlite3.connect(home / FILE_NAME, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StorageError, match="keeps it locked"):
            metastore.record(TRADES, ids((1, 9)))
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    metastore.record(TRADES, ids((1, 9)))
    assert Metastore(home).state(TRADES) == ids((1, 9))


def test_a_home_that_is_a_file_is_reported_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StorageError, match="home"):
        Metastore(tmp_path / "home")


def test_streams_do_not_wait_for_each_other_but_each_for_itself(home: Path) -> None:
    got: list[str] = []

    def take(name: str) -> None:
        with exclusive(home, "streams", "x", name):
            got.append(name)

    with exclusive(home, "streams", "x", "trades.BTC-USD"):
        names = ["trades.ETH-USD", "candles.BTC-USD%3A1h", "trades.BTC-USD"]
        threads = [threading.Thread(target=take, args=(n,), daemon=True) for n in names]
        for thread in threads:
            thread.start()
        for thread in threads[:2]:
            thread.join(60)
        assert sorted(got) == sorted(names[:2])
    threads[2].join(60)
    assert sorted(got) == sorted(names)
