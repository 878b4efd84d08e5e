"""``warehouse.verify``: every kind of damage is found, named with its place, and healed or not."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import warehouse
from tests.warehouse.tools import (
    CANDLES,
    DAY,
    FILLS,
    NOON,
    TICKERS,
    TRADES,
    TRANSFERS,
    duck,
    lake,
    parquet,
    row,
    store,
)
from warehouse import Verification
from warehouse.coverage import Interval
from warehouse.ledger import Ledger, StreamId, StreamState
from warehouse.quarantine import Refused

STEP = 300_000_000
BASE = NOON - NOON % DAY
COUNT = 60
"""Trades: 20 on each of three days, four an hour."""


def time_of(key: int) -> int:
    return BASE + (key // 20) * DAY + (key % 20) * 90_000_000


def trade(key: int) -> dict[str, object]:
    price = Decimal(100 + key % 7)
    return row(TRADES, key, time_of(key), price=price, cost=price / 2)


def candle(opening: int) -> dict[str, object]:
    """As its trades make it."""
    mine = [t for t in range(COUNT) if opening <= time_of(t) < opening + STEP]
    prices = [Decimal(100 + t % 7) for t in mine]
    return row(
        CANDLES,
        0,
        opening,
        open=prices[0],
        close=prices[-1],
        high=max(prices),
        low=min(prices),
        volume=Decimal(len(mine)) / 2,
    )


@pytest.fixture
def healthy(home: Path) -> Path:
    """A home with trades on three days, their candles, and one stream of every other kind."""
    openings = sorted({time_of(k) // STEP * STEP for k in range(COUNT - 1)})[:-1]
    state = StreamState(
        (Interval(0, COUNT, 0, COUNT - 1, time_of(0)),),
        newest_at=time_of(COUNT - 1),
        checked_at=time_of(COUNT - 1),
    )
    store(
        home,
        TRADES,
        [trade(k) for k in range(COUNT)],
        state=state,
        refused=[Refused("malformed", '{"id": "x"}')],
    )
    run = Interval(openings[0], openings[-1] + STEP, openings[0], openings[-1], openings[0])
    state = StreamState((run,), unit="time", newest_at=openings[-1])
    store(home, CANDLES, [candle(o) for o in openings], state=state)
    store(home, TICKERS, [row(TICKERS, k) for k in range(3)], state=StreamState(unit="none"))
    fills = StreamState((Interval(1, 4, 1, 3, NOON + 1),), newest_at=NOON + 3)
    store(
        home,
        FILLS,
        [row(FILLS, k, cost=Decimal(100 + k)) for k in (1, 2, 3)],
        state=fills,
    )
    moved = [row(TRANSFERS, k, transaction_id=str(k)) for k in (1, 2)]
    pending = StreamState((Interval(1, 3, 1, 2, NOON + 1),), unsettled=frozenset({1, 2}))
    store(home, TRANSFERS, moved, state=replace(pending, newest_at=NOON + 2))
    warehouse.publish(home, Ledger(home))
    return home


def trade_file(home: Path, day: int = 0) -> Path:
    return parquet_of(home, "trades")[day]


def parquet_of(home: Path, name: str) -> list[Path]:
    return [p for p in parquet(home) if p.relative_to(home / "lake").parts[0] == name]


def read(path: Path) -> pa.Table:
    with path.open("rb") as source:
        return pq.read_table(source)


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Replace a lake file as a foreign program would."""
    table = change(read(path))
    pq.write_table(table, path)


def errors(result: Verification) -> list[str]:
    return [f"{f.check}: {f.where}: {f.what}" for f in result.of("error")]


def healed(result: Verification) -> list[str]:
    return [f"{f.check}: {f.where}: {f.what}" for f in result.of("healed")]


def only_error(result: Verification, check: str) -> str:
    (found,) = [f for f in result.of("error") if f.check == check]
    assert found.mend
    return f"{found.where}: {found.what}"


def assert_clean(home: Path) -> Verification:
    result = warehouse.verify(home)
    assert (errors(result), healed(result)) == ([], [])
    assert result.ok
    return result


def test_a_healthy_home_is_clean_and_the_figures_tell_what_was_compared(healthy: Path) -> None:
    result = assert_clean(healthy)
    assert result.of("note") == []
    rows = sum(len(duck(healthy, name)) for name in ("trades", "candles", "tickers"))
    rows += sum(len(duck(healthy, name)) for name in ("account_trades", "account_transactions"))
    rows += len(duck(healthy, "quarantine"))
    assert result.figures["files"]["rows"] == result.figures["duckdb"]["rows"] == rows
    assert result.figures["files"]["files"] == len(parquet(healthy))
    assert result.figures["candles"]["candles"] > 0
    assert result.figures["candles"]["differences"] == 0
    assert result.figures["claims"] == {"intervals": 4, "lost": 0, "unsettled": 2}
    assert result.figures["coverage"]["intervals"] >= 4


def test_verifying_changes_nothing(healthy: Path) -> None:
    def look() -> dict[str, tuple[int, int]]:
        kept = ("lake", "versions", "warehouse.duckdb")
        return {
            str(p): (p.stat().st_ino, p.stat().st_mtime_ns)
            for p in healthy.rglob("*")
            if p.is_file() and p.relative_to(healthy).parts[0] in kept
        }

    before = look()
    assert_clean(healthy)
    assert look() == before


def test_an_empty_home_has_nothing_to_verify(home: Path) -> None:
    result = warehouse.verify(home)
    assert result.ok and result.findings == []
    assert list(home.iterdir()) == []


# -- damage in the lake ---------------------------------------------------------------------


def test_a_truncated_file(healthy: Path) -> None:
    path = trade_file(healthy)
    path.write_bytes(path.read_bytes()[:-100])
    result = warehouse.verify(healthy)
    assert path.relative_to(healthy).as_posix() in only_error(result, "files")
    assert "cannot be read" in only_error(result, "files")


def test_a_file_with_garbage_inside(healthy: Path) -> None:
    path = trade_file(healthy)
    content = bytearray(path.read_bytes())
    content[100:900] = os.urandom(800)
    path.write_bytes(content)
    result = warehouse.verify(healthy)
    assert not result.ok
    assert path.name in " ".join(errors(result))


def test_a_row_deleted_from_a_file(healthy: Path) -> None:
    path = trade_file(healthy, 1)
    rewrite(path, lambda t: pa.concat_tables([t.slice(0, 5), t.slice(6)]))
    result = warehouse.verify(healthy)
    found = only_error(result, "records")
    assert path.name in found and "held 20 rows and holds 19" in found
    assert "20 rows, the lake holds 19" in only_error(result, "duckdb")


def test_a_deleted_file(healthy: Path) -> None:
    path = trade_file(healthy, 1)
    path.unlink()
    result = warehouse.verify(healthy)
    assert path.name in only_error(result, "records")
    assert "is gone" in only_error(result, "records")


def test_a_value_changed_in_a_file(healthy: Path) -> None:
    path = trade_file(healthy)
    rewrite(path, lambda t: t.set_column(2, t.schema.field("side"), pa.repeat("sell", len(t))))
    result = warehouse.verify(healthy)
    assert path.name in only_error(result, "records")
    assert "other values" in only_error(result, "duckdb")


def test_a_row_twice_in_one_file(healthy: Path) -> None:
    path = trade_file(healthy)
    rewrite(path, lambda t: pa.concat_tables([t.slice(0, 1), t]))
    found = only_error(warehouse.verify(healthy), "keys")
    assert path.name in found and "1 row(s) whose key it holds before" in found


def test_a_row_also_in_another_file(healthy: Path) -> None:
    path = trade_file(healthy)
    other = path.with_name(f"{path.stem}.001.parquet")
    pq.write_table(read(path).slice(3, 1), other)
    result = warehouse.verify(healthy)
    found = only_error(result, "keys")
    assert path.name in found and other.name in found and "1 key(s) in both (first: 3)" in found
    assert not any(other.name in line for line in healed(result))


def test_a_file_under_another_period(healthy: Path) -> None:
    path = trade_file(healthy)
    wrong = path.with_name("2031-01-01.parquet")
    shutil.copy(path, wrong)
    result = warehouse.verify(healthy)
    assert "outside of 2031-01-01" in only_error(result, "rows")
    assert wrong.name in only_error(result, "keys")


def test_rows_out_of_order(healthy: Path) -> None:
    path = trade_file(healthy)
    rewrite(path, lambda t: t.take(pa.array(range(len(t) - 1, -1, -1))))
    assert "is not in order" in only_error(warehouse.verify(healthy), "rows")


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("price", pa.float64(), "price is double instead of decimal128(38, 12)"),
        ("timestamp", pa.timestamp("ms", "UTC"), "timestamp is timestamp[ms, tz=UTC] instead"),
        ("timestamp", pa.timestamp("us"), "timestamp is timestamp[us] instead"),
        ("trade_id", pa.int64(), "trade_id is int64 instead of string"),
    ],
    ids=str,
)
def test_another_type(healthy: Path, name: str, change: pa.DataType, said: str) -> None:
    path = trade_file(healthy)

    def cast(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(name)
        return table.set_column(at, name, table.column(name).cast(change))

    rewrite(path, cast)
    found = only_error(warehouse.verify(healthy), "files")
    assert path.name in found and said in found


def test_other_columns(healthy: Path) -> None:
    rewrite(trade_file(healthy), lambda t: t.drop_columns("side"))
    assert "has the columns" in only_error(warehouse.verify(healthy), "files")


def put(name: str, value: object) -> Callable[[pa.Table], pa.Table]:
    """Set ``name`` of the third row."""

    def change(table: pa.Table) -> pa.Table:
        values = table.column(name).to_pylist()
        values[2] = value
        field = table.schema.field(name).with_nullable(True)
        column = pa.array(values, field.type)
        return table.set_column(table.schema.get_field_index(name), field, column)

    return change


@pytest.mark.parametrize(
    ("kind", "name", "value", "said"),
    [
        ("trades", "side", "BUY", "side is none of buy, sell (first: trade_id 2)"),
        ("trades", "price", None, "price is null"),
        ("trades", "cost", Decimal(1), "cost is not price * amount"),
        ("trades", "cost", None, "cost is not price * amount"),
        ("candles", "low", Decimal(1000), "low is above open, close or high"),
        ("candles", "high", Decimal(1), "high is below open or close"),
        ("candles", "volume", Decimal(-1), "volume is negative"),
        ("candles", "timeframe", "15m", "timeframe is not the one in the file's name"),
        ("account_trades", "symbol", "btc-usd", "symbol is not in upper case"),
        ("account_trades", "taker_or_maker", "both", "taker_or_maker is none of taker, maker"),
    ],
)
def test_a_value_that_the_contract_does_not_allow(
    healthy: Path, kind: str, name: str, value: object, said: str
) -> None:
    path = parquet_of(healthy, kind)[0]
    rewrite(path, put(name, value))
    found = [f for f in warehouse.verify(healthy).of("error") if f.check == "values"]
    assert [f.where for f in found] == [path.relative_to(healthy).as_posix()] * len(found)
    assert any(said in f.what for f in found)


def test_costs_beyond_the_digits_of_duckdb_are_checked_exactly(home: Path) -> None:
    big, small = Decimal("12345678901234567.5"), Decimal("1000.25")
    rows = [
        trade(0) | {"price": big, "amount": small, "cost": big * small},  # 10^19: still fits
        trade(1) | {"price": big, "amount": big, "cost": None},  # does not fit any more
        trade(2) | {"price": Decimal("0.000000000001"), "amount": small / 10**8, "cost": None},
    ]
    store(home, TRADES, rows)
    assert warehouse.verify(home).of("error") == []
    rewrite(trade_file(home), put("cost", Decimal(1)))
    assert "cost is not price * amount" in only_error(warehouse.verify(home), "values")


def test_an_opening_time_between_candles(healthy: Path) -> None:
    store(healthy, CANDLES, [candle(time_of(0) // STEP * STEP) | {"timestamp": moment_of(1)}])
    assert "not an opening time" in only_error(warehouse.verify(healthy), "values")


def moment_of(offset: int) -> object:
    return pa.scalar(BASE + offset, pa.timestamp("us", "UTC")).as_py()


def test_a_foreign_file_in_the_lake(healthy: Path) -> None:
    stray = healthy / "lake" / "trades" / "mine.parquet"
    shutil.copy(trade_file(healthy), stray)
    (healthy / "lake" / "README").write_text("hello")
    result = warehouse.verify(healthy)
    assert "lake/trades/mine.parquet" in only_error(result, "files")
    assert [(f.where, f.check) for f in result.of("note")] == [("lake/README", "files")]
    stray.unlink()
    assert warehouse.verify(healthy).ok


def test_leftovers_of_broken_off_writes_are_removed(healthy: Path) -> None:
    lake, partial = healthy / "lake", healthy / "partial"
    trades = trade_file(healthy).parent.relative_to(lake)
    quarantine = parquet_of(healthy, "quarantine")[0]
    left = [
        partial / trades / ".2024-08-08.123.tmp",
        partial / quarantine.parent.relative_to(lake) / f".{quarantine.stem}.77.tmp",
        healthy / "versions" / "warehouse-00000009.building",
        healthy / ".warehouse.duckdb.5.tmp",
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    result = warehouse.verify(healthy)
    assert result.ok
    assert len(healed(result)) == len(left)
    assert not any(path.exists() for path in left)
    assert_clean(healthy)


# -- between lake and ledger ----------------------------------------------------------------


def test_rows_that_a_crash_left_unrecorded_are_adopted_and_published(healthy: Path) -> None:
    ledger = Ledger(healthy)
    state, records = ledger.state(TRADES), ledger.files(TRADES)
    store(healthy, TRADES, [trade(COUNT), trade(COUNT + 20)])
    with ledger._transaction() as db:  # as if the process had died before the ledger's commit
        db.execute("DELETE FROM files WHERE dataset = 'trades'")
    ledger.record(TRADES, state, records)
    result = warehouse.verify(healthy)
    assert errors(result) == []
    assert any("records" in line and "2 file(s)" in line for line in healed(result))
    assert len(duck(healthy, "trades")) == COUNT + 2
    assert_clean(healthy)


def edit(home: Path, statement: str) -> None:
    with sqlite3.connect(home / "ledger.sqlite") as db:
        assert db.execute(statement).rowcount > 0
    db.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SET upper = 90", "does not end with its last row 59"),
        ("SET upper = 500, last = 499", "the row 499, which is not held"),
        ("SET lower = 7", "the row 0, which lies outside"),
        ("SET lower = 2, first = 3", "does not begin with its first row 3"),
        ("SET first_at = first_at + 1", "another time"),
        ("SET upper = lower", "ends before it begins"),
    ],
)
def test_an_edited_interval(healthy: Path, statement: str, said: str) -> None:
    edit(healthy, f"UPDATE intervals {statement} WHERE dataset = 'trades'")
    result = warehouse.verify(healthy)
    assert said in only_error(result, "claims")
    rebuilt = warehouse.rebuild(healthy)
    assert rebuilt.ok
    assert any("claim" in line for line in healed(rebuilt))
    assert Ledger(healthy).state(TRADES).complete == ()
    assert_clean(healthy)


def test_coverage_that_says_less_than_was_published(healthy: Path) -> None:
    edit(healthy, "DELETE FROM intervals WHERE dataset = 'account_trades'")
    found = [line for line in errors(warehouse.verify(healthy)) if line.startswith("coverage")]
    assert any("only DuckDB says that 1..3 (id) is complete" in line for line in found)
    assert warehouse.rebuild(healthy).ok


def test_an_edited_file_record(healthy: Path) -> None:
    edit(healthy, "UPDATE files SET rows = 21 WHERE path LIKE '%2024-08-08%' AND rows = 20")
    assert "the ledger's record says 21" in only_error(warehouse.verify(healthy), "records")


def test_an_open_candle_inside_a_claim(healthy: Path) -> None:
    path = parquet_of(healthy, "candles")[0]
    rewrite(path, put("is_final", False))
    assert "1 candle(s) that are not final" in only_error(warehouse.verify(healthy), "claims")


def test_what_follows_from_the_rows_is_set_right(healthy: Path) -> None:
    edit(healthy, "DELETE FROM unsettled WHERE cursor = 2")
    edit(healthy, "UPDATE streams SET newest_at = newest_at + 5 WHERE dataset = 'account_trades'")
    result = warehouse.verify(healthy)
    assert errors(result) == []
    assert len(healed(result)) == 2
    assert Ledger(healthy).state(TRANSFERS).unsettled == {1, 2}
    assert_clean(healthy)


def test_an_edge_that_lies_in_quarantine_is_no_fault(healthy: Path) -> None:
    state = Ledger(healthy).state(TRADES)
    (run,) = state.complete
    longer = replace(run, upper=COUNT + 6, last=COUNT + 5)
    refused = [Refused("price is text", f'{{"id": {COUNT + 5}, "price": "?"}}')]
    store(healthy, TRADES, state=replace(state, complete=(longer,)), refused=refused)
    assert warehouse.verify(healthy).of("error") == []


@pytest.mark.parametrize("kind", ["missing", "garbage", "empty", "half", "no table"])
def test_a_lost_ledger_is_begun_anew_and_claims_nothing(healthy: Path, kind: str) -> None:
    rows = {name: len(duck(healthy, name)) for name in ("trades", "candles", "quarantine")}
    path = healthy / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    content = path.read_bytes()
    for name in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"):
        (healthy / name).unlink(missing_ok=True)
    if kind == "garbage":
        path.write_bytes(os.urandom(9000))
    elif kind == "empty":
        path.touch()
    elif kind == "half":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "no table":
        path.write_bytes(content)
        with sqlite3.connect(path) as db:
            db.execute("DROP TABLE emptied")
        db.close()
    result = warehouse.verify(healthy)
    assert errors(result) == []
    told = [line for line in healed(result) if "ledger.sqlite" in line]
    assert any("nothing is claimed as complete" in line for line in told)
    assert any("streams" in line and "registered" in line for line in told)
    kept = list(healthy.glob("ledger.sqlite.damaged-*"))
    assert bool(kept) == (kind not in ("missing", "empty"))
    assert duck(healthy, "coverage") == []
    assert {name: len(duck(healthy, name)) for name in rows} == rows
    ledger = Ledger(healthy)
    assert ledger.state(TRADES) == StreamState(newest_at=time_of(COUNT - 1))
    assert ledger.state(TRANSFERS).unsettled == {1, 2}
    assert {s.stream: s.rows for s in warehouse.status(healthy)}[TRADES] == COUNT
    assert_clean(healthy)


# -- DuckDB ---------------------------------------------------------------------------------


def change_duckdb(home: Path, statement: str) -> None:
    with duckdb.connect(str((home / "warehouse.duckdb").resolve())) as db:
        db.execute(statement)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE trades SET price = price + 0.000000000001 WHERE trade_id = '25'",
            "x/trades BTC-USD 2024-08-09: 20 rows like in the lake, but with other values",
        ),
        (
            "DELETE FROM trades WHERE trade_id = '25'",
            "x/trades BTC-USD 2024-08-09: 19 rows, the lake holds 20",
        ),
        (
            "INSERT INTO trades SELECT * REPLACE ('Y-Z' AS symbol) FROM trades",
            "x/trades Y-Z 2024-08-08: 20 rows, the lake holds 0",
        ),
        ("UPDATE candles SET is_final = false", "but with other values"),
        ("UPDATE quarantine SET reason = ''", "but with other values"),
        ("DROP TABLE tickers", "the table is missing"),
        ("ALTER TABLE trades ALTER price TYPE DOUBLE", "has other columns"),
        ("ALTER TABLE trades ADD COLUMN extra INTEGER", "has other columns"),
    ],
)
def test_a_changed_duckdb(healthy: Path, statement: str, said: str) -> None:
    change_duckdb(healthy, statement)
    result = warehouse.verify(healthy)
    found = [f for f in result.of("error") if f.check == "duckdb"]
    assert found and any(said in f"{f.where}: {f.what}" for f in found)
    assert {f.mend for f in found} == {"`tidemark rebuild`"}
    assert not [f for f in result.of("error") if f.check != "duckdb"]
    assert warehouse.rebuild(healthy).ok
    assert_clean(healthy)


def test_changed_coverage_in_duckdb(healthy: Path) -> None:
    change_duckdb(healthy, "UPDATE coverage SET upper = upper + 1 WHERE dataset = 'trades'")
    result = warehouse.verify(healthy)
    assert {f.check for f in result.of("error")} == {"coverage"}


@pytest.mark.parametrize("kind", ["missing", "dangling", "garbage", "half"])
def test_a_lost_duckdb_is_rebuilt(healthy: Path, kind: str) -> None:
    link = healthy / "warehouse.duckdb"
    target = link.resolve()
    if kind == "missing":
        link.unlink()
    elif kind == "dangling":
        shutil.rmtree(healthy / "versions")
    elif kind == "garbage":
        target.write_bytes(os.urandom(50_000))
    else:
        target.write_bytes(target.read_bytes()[: target.stat().st_size // 2])
    result = warehouse.verify(healthy)
    assert errors(result) == []
    assert any("warehouse.duckdb" in line for line in healed(result))
    assert len(duck(healthy, "trades")) == COUNT
    assert_clean(healthy)


def test_an_unpublished_commit_is_published(healthy: Path) -> None:
    store(healthy, TICKERS, [row(TICKERS, 9)])
    result = warehouse.verify(healthy)
    assert errors(result) == []
    assert any("brought up" in line for line in healed(result))
    assert len(duck(healthy, "tickers")) == 4


# -- candles --------------------------------------------------------------------------------


def test_a_candle_that_its_trades_do_not_make_is_noted(healthy: Path) -> None:
    opening = sorted({time_of(k) // STEP * STEP for k in range(COUNT)})[3]
    store(healthy, CANDLES, [candle(opening) | {"volume": Decimal(77)}])
    result = warehouse.verify(healthy)
    assert errors(result) == []
    (note,) = result.of("note")
    assert note.check == "candles"
    assert "1 candle(s) with other figures" in note.what
    assert result.figures["candles"]["differences"] == 1


# -- rebuild --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["file gone", "row gone"])
def test_rebuild_claims_no_more_what_is_gone(healthy: Path, how: str) -> None:
    path = trade_file(healthy, 1)
    if how == "file gone":
        path.unlink()
    else:
        rewrite(path, lambda t: pa.concat_tables([t.slice(0, 5), t.slice(6)]))
    result = warehouse.rebuild(healthy)
    assert errors(result) == []
    state = Ledger(healthy).state(TRADES)
    assert state.complete == (
        Interval(0, 20, 0, 19, time_of(0)),
        Interval(40, 60, 40, 59, time_of(40)),
    )
    assert len(duck(healthy, "trades")) == len(lake(healthy, "trades"))
    assert_clean(healthy)


def test_a_pull_after_a_file_was_deleted_claims_no_more_what_is_gone(healthy: Path) -> None:
    trade_file(healthy, 2).unlink()
    store(healthy, TRADES)  # what opening the stream does
    assert Ledger(healthy).state(TRADES).complete == (Interval(0, 40, 0, 39, time_of(0)),)


def test_rebuild_without_ledger_and_duckdb(healthy: Path) -> None:
    for path in [*healthy.glob("ledger.sqlite*"), healthy / "warehouse.duckdb"]:
        path.unlink()
    shutil.rmtree(healthy / "versions")
    assert warehouse.rebuild(healthy).ok
    assert len(duck(healthy, "trades")) == COUNT
    assert_clean(healthy)


def test_files_without_a_stream_of_the_ledger_are_registered(healthy: Path) -> None:
    other = StreamId("x", "trades", "ETH-USD")
    source = trade_file(healthy).parent
    shutil.copytree(source, source.with_name("symbol=ETH-USD"))
    result = warehouse.verify(healthy)
    assert errors(result) == []
    assert Ledger(healthy).state(other).complete == ()
    assert len(Ledger(healthy).files(other)) == 3
    assert len(duck(healthy, "trades")) == 2 * COUNT
