"""``warehouse.verify`` on a harmed lake: every damage is found and named with its place."""

import os
import shutil
from collections.abc import Callable
from decimal import Decimal
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import warehouse
from tests.matrix import thinned
from tests.warehouse.healthy import (
    BASE,
    COUNT,
    STEP,
    assert_clean,
    candle,
    edit,
    errors,
    flip,
    healed,
    only_error,
    parquet_of,
    put,
    read,
    rewrite,
    time_of,
    trade,
    trade_file,
    unpublish,
)
from tests.warehouse.tools import CANDLES, TRADES, bag, duck, lake, parquet, store
from warehouse import StorageError, Verification
from warehouse.intervals import Interval
from warehouse.metastore import Metastore


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def garbage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100:900] = os.urandom(800)
    path.write_bytes(content)


def delete_row(path: Path) -> None:
    rewrite(path, lambda t: pa.concat_tables([t.slice(0, 5), t.slice(6)]))


def change_value(path: Path) -> None:
    rewrite(path, lambda t: t.set_column(2, t.schema.field("side"), pa.repeat("sell", len(t))))


def flip_bit(path: Path) -> None:
    flip(path, 100)


def flip_type(path: Path) -> None:
    """Another type of a column in the footer, for whose statistics Arrow ends the process."""
    of_a_text = b"\x15\x0c\x19"  # its type is BYTE_ARRAY, and a list follows: its encodings
    flip(path, path.read_bytes().rindex(of_a_text) + 1, bit=4)


HARMS = [truncate, garbage, delete_row, change_value, flip_bit, flip_type]


@pytest.mark.parametrize(
    ("harm", "command"), thinned(product(HARMS, [warehouse.verify, warehouse.rebuild]), 7)
)
def test_a_damaged_file_is_restored_from_the_published_copy(
    healthy: Path, harm: Callable[[Path], None], command: Callable[[Path], Verification]
) -> None:
    path = trade_file(healthy, 1)
    before, rows = path.read_bytes(), duck(healthy, "trades")
    harm(path)
    harmed = path.read_bytes()
    result = command(healthy)
    assert errors(result) == []
    (line,) = [line for line in healed(result) if line.startswith("files")]
    assert path.name in line and "restored from the published copy" in line
    assert read(path).equals(read_bytes(before))
    assert [p.read_bytes() for p in (healthy / "damaged").rglob("*") if p.is_file()] == [harmed]
    assert bag(duck(healthy, "trades")) == bag(rows) == bag(lake(healthy, "trades"))
    assert Metastore(healthy).state(TRADES).complete == (
        Interval(0, COUNT, 0, COUNT - 1, time_of(0)),
    )
    assert_clean(healthy)


def read_bytes(content: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(content))


@pytest.mark.parametrize("harm", thinned([flip_type, truncate, garbage, flip_bit], 4))
def test_without_a_published_copy_a_damaged_file_is_named_and_never_copied(
    healthy: Path, harm: Callable[[Path], None]
) -> None:
    path = trade_file(healthy, 1)
    unpublish(healthy)
    harm(path)
    for _ in range(2):
        result = warehouse.verify(healthy)
        found = only_error(result, "files")
        assert path.relative_to(healthy).as_posix() in found and "is damaged" in found
        assert len(duck(healthy, "candles")) > 0, "the other tables are published"
        assert duck(healthy, "trades") == []
    assert warehouse.rebuild(healthy).ok
    assert [p.name.startswith(path.name) for p in (healthy / "damaged").rglob("*.parquet.*")]
    assert Metastore(healthy).state(TRADES).complete == (
        Interval(0, 20, 0, 19, time_of(0), time_of(19)),
        Interval(40, 60, 40, 59, time_of(40)),
    )
    assert len(duck(healthy, "trades")) == 40
    assert_clean(healthy)


def test_rows_that_were_published_outlive_a_file_that_was_damaged_later(healthy: Path) -> None:
    """The file changed since the last publish: what was published is all that is sure."""
    path = trade_file(healthy, 1)
    more = trade(25) | {"trade_id": "1000"}
    store(healthy, TRADES, [more])
    flip_bit(path)
    with pytest.raises(StorageError, match=r"cannot publish trades.*is damaged.*tidemark verify"):
        warehouse.publish(healthy)
    assert len(duck(healthy, "trades")) == COUNT
    assert not warehouse.verify(healthy).ok
    assert len(duck(healthy, "trades")) == COUNT
    result = warehouse.rebuild(healthy)
    assert errors(result) == []
    assert "20 of 21 rows restored from the published copy" in " ".join(healed(result))
    assert len(duck(healthy, "trades")) == len(lake(healthy, "trades")) == COUNT
    assert_clean(healthy)


def test_a_pull_does_not_write_on_top_of_damage(healthy: Path) -> None:
    path = trade_file(healthy, 1)
    harmed = path.read_bytes()
    flip_bit(path)
    with pytest.raises(StorageError, match=r"is damaged.*Fix: run `tidemark verify`"):
        store(healthy, TRADES, [trade(25) | {"trade_id": "1000"}])
    assert warehouse.verify(healthy).ok
    assert path.read_bytes() == harmed
    store(healthy, TRADES, [trade(25) | {"trade_id": "1000"}])


def forget_digests(home: Path) -> None:
    edit(home, "UPDATE files SET digest = ''")


def test_a_file_recorded_before_hashes_were_gets_its_hash_where_duckdb_agrees(
    healthy: Path,
) -> None:
    forget_digests(healthy)
    result = assert_clean(healthy)
    assert result.figures["files"]["hashes"] == len(parquet(healthy))
    assert all(f.digest for f in Metastore(healthy).files(TRADES))
    forget_digests(healthy)
    unpublish(healthy)
    result = warehouse.verify(healthy)
    assert result.ok and result.figures["files"]["unhashed"] == len(parquet(healthy))


def test_a_file_recorded_before_hashes_were_that_differs_from_duckdb_is_the_damaged_side(
    healthy: Path,
) -> None:
    forget_digests(healthy)
    path, rows = trade_file(healthy, 1), duck(healthy, "trades")
    before = path.read_bytes()
    change_value(path)
    result = warehouse.verify(healthy)
    assert "the file is the damaged side" in only_error(result, "files")
    assert bag(duck(healthy, "trades")) == bag(rows)
    assert warehouse.rebuild(healthy).ok
    assert bag(duck(healthy, "trades")) == bag(lake(healthy, "trades")) == bag(rows)
    assert read(path).equals(read_bytes(before))
    assert_clean(healthy)


def test_a_row_deleted_from_a_file(healthy: Path) -> None:
    path = trade_file(healthy, 1)
    unpublish(healthy)
    delete_row(path)
    found = only_error(warehouse.verify(healthy), "records")
    assert path.name in found and "held 20 rows and holds 19" in found


def test_deleted_files_are_restored_from_the_published_copy(healthy: Path) -> None:
    before = {path: path.read_bytes() for path in parquet(healthy)}
    state = Metastore(healthy).state(TRADES)
    for path in before:
        path.unlink()
    result = warehouse.verify(healthy)
    assert errors(result) == []
    restored = [f for f in result.of("healed") if "restored from the published copy" in str(f)]
    assert len(restored) == len(before)
    assert all("was gone" in str(f) and "damaged/" not in str(f) for f in restored)
    assert {path: path.read_bytes() for path in parquet(healthy)} == before
    assert Metastore(healthy).state(TRADES) == state
    assert not (healthy / "damaged").exists()
    assert_clean(healthy)


def test_a_deleted_file_that_no_published_copy_holds(healthy: Path) -> None:
    store(healthy, TRADES, [trade(COUNT)])  # published is what came before
    path = trade_file(healthy, 3)
    path.unlink()
    result = warehouse.verify(healthy)
    said = only_error(result, "records")
    assert path.name in said and "is gone, and no published copy holds its rows" in said
    assert "tidemark rebuild" in result.of("error")[0].fix
    assert not path.exists()
    assert warehouse.rebuild(healthy).ok
    assert_clean(healthy)


def test_rebuild_takes_a_deleted_file_as_it_is(healthy: Path) -> None:
    path = trade_file(healthy, 1)
    path.unlink()
    assert warehouse.rebuild(healthy).ok
    assert not path.exists()
    assert_clean(healthy)


def test_a_value_changed_in_a_file(healthy: Path) -> None:
    path = trade_file(healthy)
    unpublish(healthy)
    change_value(path)
    result = warehouse.verify(healthy)
    assert path.name in only_error(result, "records")
    assert duck(healthy, "trades") == []


def test_a_row_twice_in_one_file(healthy: Path) -> None:
    path = trade_file(healthy)
    unpublish(healthy)
    rewrite(path, lambda t: pa.concat_tables([t.slice(0, 1), t]))
    found = only_error(warehouse.verify(healthy), "keys")
    assert path.name in found and "1 row whose key it holds before" in found


def test_a_row_also_in_another_file(healthy: Path) -> None:
    path = trade_file(healthy)
    other = path.with_name(f"{path.stem}.001.parquet")
    pq.write_table(read(path).slice(3, 1), other)
    result = warehouse.verify(healthy)
    found = only_error(result, "keys")
    assert path.name in found and other.name in found and "1 key in both (first: 3)" in found
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
    unpublish(healthy)
    rewrite(path, lambda t: t.take(pa.array(range(len(t) - 1, -1, -1))))
    assert "is not in order" in only_error(warehouse.verify(healthy), "rows")


@pytest.mark.parametrize(
    ("name", "change", "said"),
    thinned(
        [
            ("price", pa.float64(), "price is double instead of decimal128(38, 12)"),
            ("timestamp", pa.timestamp("ms", "UTC"), "timestamp is timestamp[ms, tz=UTC] instead"),
            ("timestamp", pa.timestamp("us"), "timestamp is timestamp[us] instead"),
            ("trade_id", pa.int64(), "trade_id is int64 instead of string"),
        ],
        2,
    ),
    ids=str,
)
def test_another_type(healthy: Path, name: str, change: pa.DataType, said: str) -> None:
    path = trade_file(healthy)
    unpublish(healthy)

    def cast(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(name)
        return table.set_column(at, name, table.column(name).cast(change))

    rewrite(path, cast)
    found = only_error(warehouse.verify(healthy), "files")
    assert path.name in found and said in found


def test_other_columns(healthy: Path) -> None:
    unpublish(healthy)
    rewrite(trade_file(healthy), lambda t: t.drop_columns("side"))
    assert "has the columns" in only_error(warehouse.verify(healthy), "files")


@pytest.mark.parametrize(
    ("kind", "name", "value", "said"),
    thinned(
        [
            ("trades", "side", "BUY", "side is none of buy, sell (first: trade_id 2)"),
            ("trades", "price", None, "price is null"),
            ("trades", "cost", Decimal(1), "cost is not price * amount"),
            ("trades", "cost", None, "cost is not price * amount"),
            ("candles", "timeframe", "15m", "timeframe is not the one in the file's name"),
            ("account_trades", "symbol", "btc-usd", "symbol is not in upper case"),
            ("account_trades", "taker_or_maker", "both", "taker_or_maker is none of taker, maker"),
        ],
        2,
    ),
)
def test_a_value_that_the_contract_does_not_allow(
    healthy: Path, kind: str, name: str, value: object, said: str
) -> None:
    path = parquet_of(healthy, kind)[0]
    unpublish(healthy)
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
    unpublish(home)
    rewrite(trade_file(home), put("cost", Decimal(1)))
    assert "cost is not price * amount" in only_error(warehouse.verify(home), "values")


@pytest.mark.parametrize(
    "changes",
    thinned(
        [{"low": Decimal(1000)}, {"high": Decimal(1)}, {"volume": Decimal(-1)}, {"timestamp": 1}], 3
    ),
    ids=str,
)
def test_an_irregular_candle_is_counted_and_no_damage(
    healthy: Path, changes: dict[str, object]
) -> None:
    if "timestamp" in changes:
        changes = {"timestamp": moment_of(1)}
    store(healthy, CANDLES, [candle(time_of(0) // STEP * STEP) | changes])
    result = warehouse.verify(healthy)
    assert errors(result) == []
    assert result.figures["values"]["irregular"] == 1
    warehouse.publish(healthy)
    (counted,) = warehouse.sql(
        "SELECT sum(irregular)::INT AS n FROM marts.health", home=healthy
    ).to_pylist()
    assert counted["n"] == 1


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
