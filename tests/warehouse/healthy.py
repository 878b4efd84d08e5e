"""Rows of a home in which everything agrees, ways to harm it, and what ``verify`` then says."""

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import warehouse
from tests.warehouse.tools import CANDLES, DAY, NOON, TRADES, parquet, row
from warehouse import Verification, metastore_tables
from warehouse.metastore import Metastore

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
    assert found.fix
    return f"{found.where}: {found.what}"


def assert_clean(home: Path) -> Verification:
    result = warehouse.verify(home)
    assert (errors(result), healed(result)) == ([], [])
    assert result.ok
    return result


def put(name: str, value: object) -> Callable[[pa.Table], pa.Table]:
    """Set ``name`` of the third row."""

    def change(table: pa.Table) -> pa.Table:
        values = table.column(name).to_pylist()
        values[2] = value
        field = table.schema.field(name).with_nullable(True)
        column = pa.array(values, field.type)
        return table.set_column(table.schema.get_field_index(name), field, column)

    return change


def edit(home: Path, statement: str) -> None:
    """Change the metastore as a program would that is wrong: with checksums that are right."""
    change_metastore(home, statement)
    with closing(Metastore(home)) as metastore, metastore.transaction() as db:
        for table in metastore_tables.TABLES:
            rows = db.execute(f"SELECT * FROM {table}").fetchall()
            db.execute(f"DELETE FROM {table}")
            metastore_tables.put(db, table, [row[:-1] for row in rows])


def change_metastore(home: Path, statement: str) -> None:
    """Change the metastore as damage does: what it said is there no more."""
    with closing(Metastore(home)) as metastore, metastore.transaction() as db:
        if statement.startswith(("DROP", "PRAGMA")):
            db.execute(statement)
        else:
            assert db.execute(f"{statement} RETURNING 1").fetchall()


def unpublish(home: Path) -> None:
    """Without DuckDB: nothing is there from which a lake file could be restored."""
    (home / "warehouse.duckdb").unlink()
    shutil.rmtree(home / "versions")


def flip(path: Path, at: int, bit: int = 0) -> None:
    """Flip one bit of a file, as a disk does: neither its size nor its time changes."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
