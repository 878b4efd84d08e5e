"""A database in memory with every table, view and macro, filled by hand."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from schemas import TABLES
from warehouse.template import update_catalog

START = datetime(2026, 1, 10, tzinfo=UTC)
EXACT = Context(prec=100, rounding=ROUND_HALF_UP)
Row = dict[str, Any]


def database() -> duckdb.DuckDBPyConnection:
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    update_catalog(db)
    return db


catalog = cache(database)
"""One for all tests of this process, because all its views take a third of a second."""


@contextmanager
def session(db: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """Another connection to ``db``. At its end the tables are empty again, and no others."""
    with db.cursor() as found:
        found.execute("SET TimeZone = 'UTC'")
        before = _tables(db)
        try:
            yield found
        finally:
            for name in before:
                db.execute(f'TRUNCATE "{name}"')
        assert _tables(db) == before, "a test on a shared database makes temporary tables only"


def _tables(db: duckdb.DuckDBPyConnection) -> list[str]:
    listed = "FROM duckdb_tables() WHERE schema_name = 'main' AND NOT temporary AND NOT internal"
    return [name for (name,) in db.execute(f"SELECT table_name {listed}").fetchall()]


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def insert(db: duckdb.DuckDBPyConnection, table: str, **values: Any) -> None:
    """One row; what is not given is what such rows mostly have."""
    insert_all(db, table, [values])


def insert_all(db: duckdb.DuckDBPyConnection, table: str, given: Iterable[Row]) -> None:
    """Several of them."""
    schema = TABLES[table].schema
    usual = dict.fromkeys(schema.names) | {
        "exchange": "x",
        "symbol": "BTC-USD",
        "account": "main",
        "ingested_at": START,
    }
    whole = [{name: (usual | row)[name] for name in schema.names} for row in given]
    db.register("given", pa.Table.from_pylist(whole, schema=schema))
    db.execute(f"INSERT INTO {table} BY NAME FROM given")
    db.unregister("given")


def trade(
    db: duckdb.DuckDBPyConnection, number: int, time: datetime, price: str, amount: str, **more: Any
) -> None:
    values: Row = {"trade_id": str(number), "timestamp": time, "side": "buy"}
    values |= {"price": Decimal(price), "amount": Decimal(amount)}
    values["cost"] = EXACT.multiply(values["price"], values["amount"])
    insert(db, "trades", **(values | more))


def fill(
    db: duckdb.DuckDBPyConnection,
    number: int,
    time: datetime,
    side: str,
    price: str,
    amount: str,
    fee: str | None = None,
    fee_currency: str | None = None,
    **more: Any,
) -> None:
    values: Row = {"trade_id": str(number), "timestamp": time, "side": side}
    values |= {"price": Decimal(price), "amount": Decimal(amount)}
    values |= {"cost": EXACT.multiply(values["price"], values["amount"])}
    values |= {"fee_amount": fee and Decimal(fee), "fee_currency": fee_currency}
    insert(db, "account_trades", **(values | more))


def worked(db: duckdb.DuckDBPyConnection) -> None:
    """Two lots, a sale over both, one of the rest and more.

    1  buy   2 BTC at 100, fee 0.1 BTC    lot of 1.9 for 200
    2  buy   1 BTC at 130, fee 3 USD      lot of 1   for 133
    3  sell  2.4 at 150, fee 0.36 USD     brings 359.64
    4  sell  1 at 90                      brings 90: 0.5 of lot 2, 0.5 of nothing
    5  buy   1 at 80                      comes after that sale: not its lot
    6  sell  0.25 at 100                  brings 25
    """
    fill(db, 1, at(1), "buy", "100", "2", "0.1", "BTC")
    fill(db, 2, at(2), "buy", "130", "1", "3", "USD")
    fill(db, 3, at(3), "sell", "150", "2.4", "0.36", "USD")
    fill(db, 4, at(4), "sell", "90", "1")
    fill(db, 5, at(5), "buy", "80", "1")
    fill(db, 6, at(6), "sell", "100", "0.25")


def rows(db: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    return list(db.sql(query).to_arrow_table().to_pylist())


def places(value: Decimal, digits: int) -> Decimal:
    """Rounded half away from zero, as DuckDB's casts are."""
    return value.quantize(Decimal(1).scaleb(-digits), context=EXACT)
