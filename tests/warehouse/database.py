"""A database in memory with every table, view and macro, filled by hand."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import duckdb
import pyarrow as pa

from warehouse import catalog
from warehouse.blank import create_tables

START = datetime(2026, 1, 10, tzinfo=UTC)
EXACT = Context(prec=100, rounding=ROUND_HALF_UP)
Row = dict[str, Any]


def database() -> duckdb.DuckDBPyConnection:
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    create_tables(db)
    catalog.refresh(db)
    return db


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def insert(db: duckdb.DuckDBPyConnection, table: str, **values: Any) -> None:
    """One row; what is not given is what such rows mostly have."""
    insert_all(db, table, [values])


def insert_all(db: duckdb.DuckDBPyConnection, table: str, given: Iterable[Row]) -> None:
    """Several of them."""
    schema = catalog.tables()[table]
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


def rows(db: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    return db.sql(query).to_arrow_table().to_pylist()  # type: ignore[no-any-return]


def places(value: Decimal, digits: int) -> Decimal:
    """Rounded half away from zero, as DuckDB's casts are."""
    return value.quantize(Decimal(1).scaleb(-digits), context=EXACT)
