"""DuckDB against the lake: after any history, what is loaded bit by bit is what is there."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import warehouse
from schemas import DATASETS
from tests.warehouse.tools import (
    CANDLES,
    DAY,
    FILLS,
    HOURLY,
    NOON,
    STREAMS,
    TICKERS,
    TRADES,
    TRANSFERS,
    assert_published,
    bag,
    duck,
    ids,
    lake,
    row,
    store,
)
from warehouse import LINK, StorageError
from warehouse.coverage import Interval
from warehouse.ledger import Ledger, StreamId, StreamState
from warehouse.ledger_file import FILE_NAME
from warehouse.quarantine import Refused

OTHER = StreamId("y", "trades", "BTC-USD")
SAVINGS = StreamId("x", "account_trades", "savings")
MANY = (*STREAMS, HOURLY, OTHER, SAVINGS)
STEP = 3_600_000_000


def _versions(home: Path) -> list[str]:
    return sorted(p.name for p in (home / "versions").iterdir())


def _publish(home: Path) -> warehouse.Published:
    return warehouse.publish(home, Ledger(home))


def _commit(home: Path, stream: StreamId, keys: list[tuple[int, int]], bad: int) -> None:
    """Rows ``(key, state)``; keys beyond 9 lie 40 days later; ``bad`` names a refused row."""
    rows = [row(stream, k, NOON + k * STEP + (k > 9) * 40 * DAY) for k, _ in keys]
    for one, (_, state) in zip(rows, keys, strict=True):
        name = {"candles": "close", "tickers": "last", "account_transactions": "status"}
        one[name.get(stream.dataset, "price")] = (
            ["pending", "ok"][state] if stream is TRANSFERS else state + 1
        )
    refused = [Refused("bad", f"{{{bad}}}")] if bad else []
    store(home, stream, rows, state=ids((0, 1 + max((k for k, _ in keys), default=0))),
          refused=refused)  # fmt: skip


_keys = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1)), max_size=5)
_actions = st.lists(
    st.none() | st.tuples(st.sampled_from(MANY), _keys, st.integers(0, 2)), min_size=2, max_size=8
)


@settings(deadline=None, max_examples=2)
@given(_actions)
def test_incremental_is_what_a_rebuild_gives(
    tmp_path_factory: pytest.TempPathFactory,
    actions: list[tuple[StreamId, list[tuple[int, int]], int] | None],
) -> None:
    home = tmp_path_factory.mktemp("home")
    for action in actions:
        if action is None:
            _publish(home)
        else:
            _commit(home, *action)
    assert_published(home)
    names = [*DATASETS, "coverage"]
    grown = {n: bag(duck(home, n)) for n in names}
    warehouse.publish(home, Ledger(home), rebuild=True)
    assert {n: bag(duck(home, n)) for n in names} == grown


def _all_streams(home: Path) -> None:
    for stream in MANY:
        _commit(home, stream, [(1, 0), (11, 0)], 1)


def test_nothing_new_publishes_nothing(home: Path) -> None:
    _all_streams(home)
    first = _publish(home)
    assert first.changed and first.rows_before["trades"] == 0 and first.rows["trades"] == 4
    before = _versions(home), (home / LINK).resolve()
    for stream in MANY:
        _commit(home, stream, [(1, 0), (11, 0)], 1)
    again = _publish(home)
    assert not again.changed and again.rows == again.rows_before == first.rows
    assert (_versions(home), (home / LINK).resolve()) == before


def test_new_coverage_alone_is_published(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 5)], state=ids((5, 6)))
    _publish(home)
    store(home, TRADES, [], state=ids((0, 6)))
    assert _publish(home).changed
    assert [(r["lower"], r["upper"]) for r in duck(home, "coverage")] == [(0, 5)]


def test_an_open_session_keeps_its_version_and_a_new_one_sees_the_newest(home: Path) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    _publish(home)
    with warehouse.connect(home) as old:
        for key in range(2, 8):
            store(home, TRADES, [row(TRADES, key)])
            _publish(home)
            assert old.sql("SELECT count(*) FROM trades").fetchall() == [(1,)]
            assert warehouse.sql("SELECT count(*) AS n FROM trades", home)["n"][0].as_py() == key
        with duckdb.connect(str(home / LINK), read_only=True) as by_link:
            assert by_link.sql("SELECT count(*) FROM trades").fetchall() == [(7,)]
    assert len(_versions(home)) == 3, "the last three versions are kept, and nothing else"


def test_the_home_can_be_moved(home: Path, tmp_path: Path) -> None:
    _all_streams(home)
    _publish(home)
    moved = tmp_path / "elsewhere"
    shutil.move(home, moved)
    assert len(duck(moved, "trades")) == 4
    store(moved, TRADES, [row(TRADES, 3)])
    assert_published(moved)


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
    "harm", [_overwrite, _truncate, _empty, _unlink, _vanish, _foreign, _all_gone, _spilled]
)
def test_a_damaged_version_is_built_anew(home: Path, harm: Callable[[Path], None]) -> None:
    _all_streams(home)
    _publish(home)
    harm(home)
    assert_published(home)
    assert all(n.endswith(".duckdb") for n in _versions(home))
    store(home, TRADES, [row(TRADES, 4)])
    assert_published(home)


@pytest.mark.parametrize("stream", [TRADES, CANDLES, FILLS], ids=lambda s: s.dataset)
def test_a_file_deleted_from_the_lake_leaves_the_tables_too(home: Path, stream: StreamId) -> None:
    _all_streams(home)
    _publish(home)
    (home / Ledger(home).files(stream)[0].path).unlink()
    store(home, stream, [])  # the next writer of the stream notices
    assert_published(home)
    _commit(home, stream, [(1, 0)], 0)
    assert_published(home)


def test_a_quarantine_file_deleted_from_the_lake_leaves_the_others(home: Path) -> None:
    _all_streams(home)
    _publish(home)
    path = home / "lake" / "quarantine" / "exchange=x" / "trades.BTC-USD.parquet"
    path.unlink()
    store(home, TRADES, [], refused=[Refused("new", "{9}")])
    assert_published(home)
    assert "{9}" in {r["payload"] for r in duck(home, "quarantine")}


def test_a_publish_without_a_lake_file_fails_clearly_and_keeps_the_live_version(home: Path) -> None:
    _all_streams(home)
    _publish(home)
    live = (home / LINK).resolve()
    _commit(home, TRADES, [(2, 0)], 0)
    (home / Ledger(home).files(TRADES)[0].path).unlink()
    with pytest.raises(StorageError, match="cannot publish"):
        _publish(home)
    assert (home / LINK).resolve() == live and len(duck(home, "trades")) == 4
    assert not list((home / "versions").glob("*.building*"))


def test_a_lost_ledger_loses_no_row_and_what_comes_after_is_loaded(home: Path) -> None:
    _all_streams(home)
    for key in range(6):
        store(home, TRADES, [row(TRADES, 100 + key)])
    _publish(home)
    before = bag(duck(home, "trades"))
    for path in home.glob(f"{FILE_NAME}*"):
        path.unlink()
    store(home, TRADES, [row(TRADES, 200)])
    _publish(home)
    assert not before - bag(duck(home, "trades"))
    assert "200" in {r["trade_id"] for r in duck(home, "trades")}
    assert len(duck(home, "account_trades")) == 4, "streams not pulled yet keep their rows"
    assert [r for r in duck(home, "coverage") if r["state"] == "complete"] == []
    for stream in MANY:
        _commit(home, stream, [(3, 0)], 0)
    assert_published(home)


def test_types_and_nullability_are_as_contracted(home: Path) -> None:
    _publish(home)
    types = {
        "VARCHAR": "string",
        "TIMESTAMP WITH TIME ZONE": "timestamp[us, tz=UTC]",
        "DECIMAL(38,12)": "decimal128(38, 12)",
        "DECIMAL(38,18)": "decimal128(38, 18)",
        "BOOLEAN": "bool",
        "INTEGER": "int32",
    }
    for name, declared in DATASETS.items():
        described = warehouse.sql(f"DESCRIBE {name}", home).to_pylist()
        found = [(r["column_name"], types[r["column_type"]], r["null"] == "YES") for r in described]
        assert found == [(f.name, str(f.type), f.nullable) for f in declared.schema]
    names = [r["name"] for r in warehouse.sql("FROM (SHOW TABLES)", home).to_pylist()]
    assert {*DATASETS, "coverage"} <= set(names)


def test_coverage_tells_ids_inclusive_and_times_exclusive(home: Path) -> None:
    state = StreamState(
        (Interval(10, 20, 10, 19, NOON), Interval(30, 40, 30, 39, NOON)),
        (Interval(0, 5), Interval(18, 25)),
        "id",
        wanted_from=NOON - DAY,
    )
    store(home, TRADES, [row(TRADES, 10)], state=state)
    time = StreamState((Interval(NOON, NOON + DAY),), (), "time", wanted_from=NOON - DAY)
    store(home, CANDLES, [row(CANDLES, 0)], state=time)
    store(home, TICKERS, [row(TICKERS, 0)], state=StreamState(unit="none"))
    _publish(home)
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
            _commit(home, stream, [(1, state), (2, 0)], 0)
        assert_published(home)
    assert len(duck(home, "candles")) == len(lake(home, "candles")) == 2
