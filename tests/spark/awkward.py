"""Rows that no exchange would send all at once: nulls, ties, foreign ids, fees in any currency."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from schemas import COVERAGE, DATASETS, TABLES, TIMEFRAMES
from schemas.times import to_microseconds

NOON: Final = datetime(2024, 8, 8, 12, tzinfo=UTC)
_SYMBOLS: Final = ("BTC-USD", "ETH-BTC", "BNB-USD", "USD-BNB", "BTC-BNB")
_CURRENCIES: Final = ("BTC", "USD", "ETH", "BNB")
_CHOICES: Final[dict[str, Sequence[object]]] = {
    "exchange": ("kraken", "wex", "other"),
    "symbol": _SYMBOLS,
    "account": ("main", "007"),
    "currency": _CURRENCIES,
    "base": _CURRENCIES,
    "quote": _CURRENCIES,
    "fee_currency": (*_CURRENCIES, "bnb", None),
    "timeframe": ("1m", "5m", "1h", "3d", "1w"),
    "source": ("a file", "another"),
    "taker_or_maker": ("taker", "maker", None),
    "status": ("ok", "pending", "failed", "open", "closed", "canceled"),
    "order_id": ("1", "2", "5e3", "X-7", None),
    "reference_id": ("1", None),
    "description": (
        "In payment for a warrant :order:1:",
        "Cancel order :order:2:",
        "Bought 1 LTC from your order :order:1: by price 3.367 EUR total 3.367 EUR (-0.2%)",
        "Buy 0.5 BTC (-0.2%) from your order :order:2: by price 1000.5 USD",
        "Sold 1.25 btc from :order:2: by price 99.9 usd total 124.875 usd (-0.2%)",
        "something :order:9: that nobody can read",
        "margin L4UESK-KG3EQ-UFO4T5",
        "settled half TJKLXX-KG3EQ-UFO4T5",
        "",
    ),
}
_OF_TABLE: Final[dict[tuple[str, str], Sequence[object]]] = {
    ("order_books", "side"): ("bid", "ask"),
    ("account_orders", "type"): ("limit", "market"),
    ("account_transactions", "type"): ("deposit", "withdrawal", "credit", "debit"),
}


def rows(table: str, count: int, seed: int) -> pa.Table:
    """``count`` rows of ``table`` at most, of which no two have the same key."""
    chance = random.Random(f"{table} {seed}")
    declared = TABLES[table]
    key = DATASETS[table].key if table in DATASETS else tuple(declared.schema.names)
    found: dict[tuple[object, ...], dict[str, object]] = {}
    for number in range(count):
        row = {f.name: _value(chance, table, f, number) for f in declared.schema}
        found.setdefault(tuple(row[name] for name in key), row)
    return pa.Table.from_pylist(list(found.values()), schema=declared.schema)


def coverage(seed: int) -> pa.Table:
    """Complete spans of ids and times, gaps and losses, of trades and candles."""
    chance = random.Random(f"coverage {seed}")
    found = []
    for exchange in ("kraken", "wex", "other"):
        for symbol in _SYMBOLS:
            for dataset in ("trades", *(f"candles:{name}" for name in TIMEFRAMES)):
                name, _, timeframe = dataset.partition(":")
                unit = chance.choice(("id", "time")) if name == "trades" else "time"
                lower = 0 if unit == "id" else to_microseconds(NOON)
                step = 40 if unit == "id" else 3_600_000_000
                for state in ("complete", "gap", "complete", "lost"):
                    upper = lower + chance.randint(1, step)
                    found.append(
                        {
                            "exchange": exchange,
                            "dataset": name,
                            "stream": f"{symbol}:{timeframe}" if timeframe else symbol,
                            "lower": lower,
                            "upper": upper,
                            "unit": unit,
                            "state": state,
                            "ingested_at": NOON,
                        }
                    )
                    lower = upper
    return pa.Table.from_pylist(found, schema=COVERAGE.schema)


def _value(chance: random.Random, table: str, field: pa.Field, number: int) -> object:
    choices = _OF_TABLE.get((table, field.name)) or _CHOICES.get(field.name)
    if choices is not None:
        if not field.nullable:
            choices = [c for c in choices if c is not None]
        return chance.choice(choices)
    if field.nullable and chance.random() < 0.2:
        return None
    return _BY_TYPE[str(field.type)](chance, table, field.name, number)


def _text(chance: random.Random, _: str, name: str, number: int) -> str:
    if name == "side":
        return chance.choice(("buy", "sell"))
    if name.endswith("_id"):  # every third is no number; each is another one
        return f"T{number}" if number % 3 == 0 else str(number)
    return f"{name} {number}"


def _moment(chance: random.Random, table: str, name: str, number: int) -> datetime:
    """On a grid, so that several rows have the same; own trades and transfers one after another."""
    if table == "candles" and name == "timestamp":  # of several exchanges at once, on no grid
        return NOON + timedelta(minutes=chance.choice((0, 60, 61)))
    if name == "observed_at":
        return NOON + timedelta(minutes=20 * chance.randint(0, 12))
    return NOON + timedelta(seconds=15 * chance.randint(0, 1000), microseconds=number)


def _price(chance: random.Random, *_: object) -> Decimal:
    digits = chance.choice((0, 2, 8, 12))
    return Decimal(chance.randint(1, 10 ** (digits + 3))).scaleb(-digits)


_BY_TYPE: Final[dict[str, Callable[[random.Random, str, str, int], Any]]] = {
    "string": _text,
    "timestamp[us, tz=UTC]": _moment,
    "decimal128(38, 12)": _price,
    "decimal128(38, 18)": lambda c, *_: _price(c) / Decimal(c.choice((1, 10**6))),
    "bool": lambda c, *_: c.random() < 0.7,
    "int32": lambda c, *_: c.randint(0, 9),
    "int64": lambda *given: given[-1],
}
