"""An account's rows in memory, with the views of the account ledger over them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from schemas import TABLES
from warehouse.views import View, views

NOON = datetime(2024, 8, 8, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=30)
Row = dict[str, Any]


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def _needed(key: str) -> Iterable[View]:
    view = views().get(key)
    if view is not None:
        for source in view.sources:
            yield from _needed(source)
        yield view


@cache
def catalog() -> duckdb.DuckDBPyConnection:
    """The tables, any of whose columns may be null, and what ``reconciliation`` reads."""
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    for name, schema in ({t.name: t.schema for t in TABLES.values()}).items():
        db.register("empty", schema.empty_table())
        db.execute(f'CREATE TABLE "{name}" AS FROM empty')
        db.unregister("empty")
    for view in dict.fromkeys(_needed("reconciliation")):
        db.execute(view.statement())
    return db


class Accounts:
    """Tables of account data and the view ``reconciliation`` with all that it reads."""

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self.db = db

    def add(self, dataset: str, *rows: Row, exchange: str = "x") -> None:
        """Rows of a dataset; what is not given is null."""
        schema = TABLES[dataset].schema
        known = {"exchange": exchange, "account": "main", "ingested_at": NOON}
        whole = [dict.fromkeys(schema.names) | known | row for row in rows]
        chosen = [{name: row[name] for name in schema.names} for row in whole]
        self.db.register("given", pa.Table.from_pylist(chosen, schema=schema))
        self.db.execute(f'INSERT INTO "{dataset}" BY NAME FROM given')
        self.db.unregister("given")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.db.execute(query).fetchall()

    def balances(self, observed_at: datetime, exchange: str = "x", **amounts: str) -> None:
        """One observation that says nothing of what is reserved."""
        for currency, amount in amounts.items():
            row = {"currency": currency, "available": Decimal(amount), "observed_at": observed_at}
            self.add("balances", row, exchange=exchange)

    def result(self) -> list[tuple[Any, ...]]:
        """Currency, difference, cause, explained: in order of time."""
        return self.rows(
            "SELECT currency, difference, cause, explained FROM reconciliation"
            " ORDER BY observed_at, currency"
        )

    def unbalanced(self) -> list[tuple[Any, ...]]:
        """Events whose entries do not add up to 0 in some currency; there must be none."""
        return self.rows(
            "SELECT exchange, account, event, currency, sum(amount) FROM ledger"
            " GROUP BY ALL HAVING sum(amount) <> 0"
        )


def line(id_: int, when: datetime, kind: str, amount: str, currency: str, text: str = "") -> Row:
    """A row of account_transactions that is ok."""
    return {
        "transaction_id": str(id_),
        "timestamp": when,
        "type": kind,
        "currency": currency,
        "amount": Decimal(amount),
        "status": "ok",
        "description": text,
    }


def fill(id_: int, when: datetime, side: str, price: str, amount: str, **more: Any) -> Row:
    """A row of account_trades on LTC-EUR."""
    made = {
        "symbol": "LTC-EUR",
        "trade_id": str(id_),
        "timestamp": when,
        "side": side,
        "price": Decimal(price),
        "amount": Decimal(amount),
        "cost": Decimal(price) * Decimal(amount),
    }
    return made | more


def bitstamp(folder: Path) -> tuple[list[Row], list[Row]]:
    """The recorded history as trades and transactions.

    Amounts of USD are the exchange's own: it rounds each cost to cents, so ``cost`` is not price
    times amount. The fee of a deposit is not part of its amount: it is a debit of its own.
    """
    text = (folder / "bitstamp_user_transactions_2018-01.json").read_text()
    trades, transfers = [], []
    for row in json.loads(text, parse_float=Decimal, parse_int=Decimal):
        usd, btc = Decimal(row["usd"]), Decimal(row["btc"])
        when = datetime.fromisoformat(row["datetime"]).replace(tzinfo=UTC)
        if row["type"] == "2":
            made = fill(int(row["id"]), when, "buy" if btc > 0 else "sell", "1", "1")
            made |= {"symbol": "BTC-USD", "price": Decimal(row["btc_usd"]), "amount": abs(btc)}
            made |= {"cost": abs(usd), "order_id": str(row["order_id"])}
            made |= {"fee_amount": Decimal(row["fee"]), "fee_currency": "USD"}
            trades.append(made)
        else:
            kind = "deposit" if row["type"] == "0" else "withdrawal"
            currency, amount = ("USD", usd) if usd else ("BTC", btc)
            transfers.append(line(int(row["id"]), when, kind, str(abs(amount)), currency))
            if fee := Decimal(row["fee"]):
                text = f"fee of deposit {row['id']}"
                transfers.append(line(-int(row["id"]), when, "debit", str(fee), "USD", text))
    return trades, transfers
