"""Every dataset, declared once: columns, key, partition, file period, how its rows change.

Connectors build tables of ``connector_schema``, the lake writes files of ``file_schema``, DuckDB
holds tables of ``schema``; all three are read off the same declaration.
"""

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Final

import pyarrow as pa

PRICE: Final = pa.decimal128(38, 12)
"""Prices, amounts, fees and rates: exact as sent, or the row is quarantined."""
COST: Final = pa.decimal128(38, 18)
"""price × amount: exact, or null."""
TIME: Final = pa.timestamp("us", tz="UTC")
TEXT: Final = pa.string()

INGESTED_AT: Final = pa.field("ingested_at", TIME, nullable=False)


class Period(Enum):
    """How much time one lake file of a stream spans."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"
    ALL = "all"


@dataclass(frozen=True)
class Dataset:
    """The declaration of one dataset.

    ``schema``: all columns, key first, ``ingested_at`` last. ``partition``: the columns that are
    hive directories, not file columns. ``period``/``time_column``: which file a row belongs to.
    ``order``: the order of rows inside a file. ``replaces``: whether a newer state of a row
    replaces the stored one (orders, open candles) or the first stored row stands (trades).
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    partition: tuple[str, ...]
    period: Period
    time_column: str
    order: tuple[str, ...]
    replaces: bool
    description: str
    integer_id: str | None = None
    """The key column whose text is an integer id: sorted as a number, and the stream's cursor."""
    snapshot: bool = False
    """Rows are observations: one that repeats the last is not stored again."""
    stream_columns: tuple[str, ...] = field(default=())
    """File columns that are constant in one stream (``timeframe``): part of the file's name."""

    @cached_property
    def file_schema(self) -> pa.Schema:
        """What a lake file holds: all but the hive partition columns."""
        return pa.schema([f for f in self.schema if f.name not in self.partition])

    @cached_property
    def connector_schema(self) -> pa.Schema:
        """What a connector yields: all but ``exchange``, ``account`` and ``ingested_at``."""
        known = {"exchange", "account", "ingested_at"}
        return pa.schema([f for f in self.schema if f.name not in known])

    @property
    def is_account(self) -> bool:
        """Whether the rows are of one account (and need its key)."""
        return "account" in self.partition


def _schema(required: str, *rest: pa.Field) -> pa.Schema:
    keys = [pa.field(name, _KEY_TYPES.get(name, TEXT), nullable=False) for name in required.split()]
    return pa.schema([*keys, *rest, INGESTED_AT])


def _need(name: str, type_: pa.DataType = TEXT) -> pa.Field:
    return pa.field(name, type_, nullable=False)


def _may(name: str, type_: pa.DataType = PRICE) -> pa.Field:
    return pa.field(name, type_, nullable=True)


_KEY_TYPES: Final = {"timestamp": TIME, "observed_at": TIME, "level": pa.int32()}

_TRADES = Dataset(
    name="trades",
    description="Public trades, one row each; side is the taker's, amount in base currency.",
    schema=_schema(
        "exchange symbol trade_id",
        _need("timestamp", TIME),
        _need("side"),
        _need("price", PRICE),
        _need("amount", PRICE),
        _may("cost", COST),
    ),
    key=("exchange", "symbol", "trade_id"),
    partition=("exchange", "symbol"),
    period=Period.DAY,
    time_column="timestamp",
    order=("timestamp", "trade_id"),
    replaces=False,
    integer_id="trade_id",
)

_CANDLES = Dataset(
    name="candles",
    description="OHLCV; timestamp is the opening time, volume in base currency.",
    schema=_schema(
        "exchange symbol timeframe timestamp",
        *(_need(name, PRICE) for name in ("open", "high", "low", "close", "volume")),
        _need("is_final", pa.bool_()),
    ),
    key=("exchange", "symbol", "timeframe", "timestamp"),
    partition=("exchange", "symbol"),
    period=Period.MONTH,
    time_column="timestamp",
    order=("timestamp",),
    replaces=True,
    stream_columns=("timeframe",),
)

_TICKERS = Dataset(
    name="tickers",
    description="Ticker snapshots as observed; bid and ask are the best of the book.",
    schema=_schema(
        "exchange symbol observed_at",
        _need("timestamp", TIME),
        *(
            _may(name)
            for name in (
                [
                    "last",
                    "bid",
                    "ask",
                    "high",
                    "low",
                    "base_volume",
                    "quote_volume",
                    "change_percent",
                    "average",
                ]
            )
        ),
    ),
    key=("exchange", "symbol", "observed_at"),
    partition=("exchange", "symbol"),
    period=Period.MONTH,
    time_column="observed_at",
    order=("observed_at",),
    replaces=True,
    snapshot=True,
)

_ACCOUNT_TRADES = Dataset(
    name="account_trades",
    description="The account's own fills; side is the account's.",
    schema=_schema(
        "exchange account symbol trade_id",
        _need("timestamp", TIME),
        _need("side"),
        _need("price", PRICE),
        _need("amount", PRICE),
        _may("cost", COST),
        _may("order_id", TEXT),
        _may("taker_or_maker", TEXT),
        _may("fee_amount"),
        _may("fee_rate"),
        _may("fee_currency", TEXT),
    ),
    key=("exchange", "account", "symbol", "trade_id"),
    partition=("exchange", "account"),
    period=Period.YEAR,
    time_column="timestamp",
    order=("timestamp", "trade_id"),
    replaces=True,
    integer_id="trade_id",
)

_ACCOUNT_TRANSACTIONS = Dataset(
    name="account_transactions",
    description="Deposits, withdrawals, credits and debits; the newest state of each.",
    schema=_schema(
        "exchange account transaction_id",
        _need("timestamp", TIME),
        _need("type"),
        _need("currency"),
        _need("amount", PRICE),
        _need("status"),
        _need("description"),
    ),
    key=("exchange", "account", "transaction_id"),
    partition=("exchange", "account"),
    period=Period.YEAR,
    time_column="timestamp",
    order=("timestamp", "transaction_id"),
    replaces=True,
    integer_id=None,
)

_QUARANTINE = Dataset(
    name="quarantine",
    description="Rows that are malformed or cannot be represented exactly, as received.",
    schema=_schema(
        "exchange dataset row_hash",
        _need("reason"),
        _need("payload"),
        _need("observed_at", TIME),
    ),
    key=("exchange", "dataset", "row_hash"),
    partition=("exchange",),
    period=Period.ALL,
    time_column="observed_at",
    order=("observed_at", "row_hash"),
    replaces=False,
)

DATASETS: Final[dict[str, Dataset]] = {
    d.name: d
    for d in (
        _TRADES,
        _CANDLES,
        _TICKERS,
        _ACCOUNT_TRADES,
        _ACCOUNT_TRANSACTIONS,
        _QUARANTINE,
    )
}
"""Every dataset by name."""


def dataset(name: str) -> Dataset:
    """The declaration of ``name``. Raises ``KeyError`` for an unknown one."""
    return DATASETS[name]
