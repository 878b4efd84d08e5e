"""DuckDB against the lake: after any history, what is loaded bit by bit is what is there."""

import shutil
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import warehouse
from schemas import DATASETS, StreamId
from tests.examples import examples
from tests.warehouse.publishing import MANY, all_streams, commit, publish, versions
from tests.warehouse.tools import (
    CANDLES,
    DAY,
    NOON,
    TICKERS,
    TRADES,
    TRANSFERS,
    assert_published,
    bag,
    duck,
    ids,
    lake,
    lost,
    row,
    store,
)
from warehouse import LINK
from warehouse.intervals import Interval
from warehouse.state import StreamState

_keys = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1)), max_size=5)
_actions = st.lists(
    st.none() | st.tuples(st.sampled_from(MANY), _keys, st.integers(0, 2)), min_size=2, max_size=8
)


@pytest.mark.slow
@settings(max_examples=examples(2))
@given(_actions)
def test_incremental_is_what_a_rebuild_gives(
    tmp_path_factory: pytest.TempPathFactory,
    actions: list[tuple[StreamId, list[tuple[int, int]], int] | None],
) -> None:
    home = tmp_path_factory.mktemp("home")
    for action in actions:
        if action is None:
            publish(home)
        else:
            commit(home, *action)
    assert_published(home)
    names = [*DATASETS, "coverage"]
    grown = {n: bag(duck(home, n)) for n in names}
    warehouse.publish(home, rebuild=True)
    assert {n: bag(duck(home, n)) for n in names} == grown


def test_nothing_new_publishes_nothing(home: Path) -> None:
    all_streams(home)
    first = publish(home)
    assert first.changed and first.rows_before["trades"] == 0 and first.rows["trades"] == 4
    before = versions(home), (home / LINK).resolve()
    for stream in MANY:
        commit(home, stream, [(1, 0), (11, 0)], 1)
    again = publish(home)
    assert not again.changed and again.rows == again.rows_before == first.rows
    assert (versions(home), (home / LINK).resolve()) == before


def test_new_coverage_alone_is_published(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 5)], state=ids((5, 6)))
    publish(home)
    store(home, TRADES, [], state=ids((0, 6)))
    assert publish(home).changed
    assert [(r["lower"], r["upper"]) for r in duck(home, "coverage")] == [(0, 5)]


def test_an_open_session_keeps_its_version_and_a_new_one_sees_the_newest(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    publish(home)
    with warehouse.connect(home) as old:
        for key in range(2, 8):
            store(home, TRADES, [row(TRADES, key)])
            publish(home)
            assert old.sql("SELECT count(*) FROM trades").fetchall() == [(1,)]
            assert (
                warehouse.sql("SELECT count(*) AS n FROM trades", home=home)["n"][0].as_py() == key
            )
        with duckdb.connect(str(home / LINK), read_only=True) as by_link:
            assert by_link.sql("SELECT count(*) FROM trades").fetchall() == [(7,)]
    assert len(versions(home)) == 3, "the last three versions are kept, and nothing else"


def test_the_home_can_be_moved(home: Path, tmp_path: Path) -> None:
    all_streams(home)
    publish(home)
    moved = tmp_path / "elsewhere"
    shutil.move(home, moved)
    assert len(duck(moved, "trades")) == 4
    store(moved, TRADES, [row(TRADES, 3)])
    assert_published(moved)


def test_types_and_nullability_are_as_contracted(home: Path) -> None:
    publish(home)
    types = {
        "VARCHAR": "string",
        "TIMESTAMP WITH TIME ZONE": "timestamp[us, tz=UTC]",
        "DECIMAL(38,12)": "decimal128(38, 12)",
        "DECIMAL(38,18)": "decimal128(38, 18)",
        "BOOLEAN": "bool",
        "INTEGER": "int32",
        "BIGINT": "int64",
    }
    for name, declared in DATASETS.items():
        described = warehouse.sql(f"DESCRIBE {name}", home=home).to_pylist()
        found = [(r["column_name"], types[r["column_type"]], r["null"] == "YES") for r in described]
        assert found == [(f.name, str(f.type), f.nullable) for f in declared.schema]
    names = [r["name"] for r in warehouse.sql("FROM (SHOW TABLES)", home=home).to_pylist()]
    assert {*DATASETS, "coverage"} <= set(names)


def test_coverage_tells_ids_inclusive_and_times_exclusive(home: Path) -> None:
    state = StreamState(
        (Interval(10, 20, 10, 19, NOON), Interval(30, 40, 30, 39, NOON)),
        lost((0, 5), (18, 25)),
        "id",
        wanted_from=NOON - DAY,
    )
    store(home, TRADES, [row(TRADES, 10)], state=state)
    time = StreamState((Interval(NOON, NOON + DAY),), unit="time", wanted_from=NOON - DAY)
    store(home, CANDLES, [row(CANDLES, 0)], state=time)
    store(home, TICKERS, [row(TICKERS, 0)], state=StreamState(unit="none"))
    publish(home)
    trades = [
        (low, high, "id", state)
        for low, high, state in (
            (0, 4, "lost"),
            (5, 9, "gap"),
            (10, 19, "complete"),
            (20, 24, "lost"),
            (25, 29, "gap"),
            (30, 39, "complete"),
        )
    ]
    candles = [
        (NOON - DAY, NOON, "time", "gap"),
        (NOON, NOON + DAY, "time", "complete"),
    ]
    assert sorted(tuple(r.values()) for r in duck(home, "coverage")) == [
        *(("x", "candles", "BTC-USD:5m", *one) for one in candles),
        *(("x", "trades", "BTC-USD", *one) for one in trades),
    ]


def test_a_state_that_replaces_is_replaced_in_the_table(home: Path) -> None:
    for state in (0, 1, 0):
        for stream in (CANDLES, TRANSFERS):
            commit(home, stream, [(1, state), (2, 0)], 0)
        assert_published(home)
    assert len(duck(home, "candles")) == len(lake(home, "candles")) == 2
