"""The types that declare datasets, and the columns that several datasets share.

Connectors build tables of ``connector_schema``, the lake writes files of ``file_schema``, DuckDB
holds tables of ``schema``. All three come from one declaration, as do the data dictionary, the
comments in DuckDB and Dagster, and the checks of values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Final

import pyarrow as pa

PRICE: Final = pa.decimal128(38, 12)
"""Prices, amounts and rates: exact as sent, or the row is quarantined."""
WIDE: Final = pa.decimal128(38, 18)
"""Balances, fees, transfers and volumes: exact as sent, with up to 18 decimals, or quarantined."""
COST: Final = WIDE
"""price × amount: exact, or null."""
TIME: Final = pa.timestamp("us", tz="UTC")
TEXT: Final = pa.string()

UNSETTLED: Final = ("pending", "unconfirmed", "open")
"""Values of ``status`` that may still change under the same id."""


class Period(Enum):
    """How much time one lake file of a stream spans."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"
    ALL = "all"


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type, its meaning with unit, whether it may be null.

    ``values``: the allowed values of a text column; empty where any text is allowed.
    """

    name: str
    type: pa.DataType
    description: str
    is_nullable: bool = False
    values: tuple[str, ...] = ()

    @property
    def field(self) -> pa.Field:
        """The Arrow field, without the description: lake files do not carry it."""
        return pa.field(self.name, self.type, nullable=self.is_nullable)


def required(
    name: str, description: str, type_: pa.DataType = TEXT, values: Sequence[str] = ()
) -> Column:
    """A column that is never null."""
    return Column(name, type_, description, False, tuple(values))


def nullable(
    name: str, description: str, type_: pa.DataType = PRICE, values: Sequence[str] = ()
) -> Column:
    """A column that may be null."""
    return Column(name, type_, description, True, tuple(values))


@dataclass(frozen=True)
class Table:
    """A table of the DuckDB file: its columns in order, and the meaning of a row."""

    name: str
    description: str
    columns: tuple[Column, ...]

    @cached_property
    def schema(self) -> pa.Schema:
        """All columns."""
        return pa.schema([column.field for column in self.columns])

    def column(self, name: str) -> Column:
        """One column by its name. Raises ``KeyError`` where there is none."""
        return {column.name: column for column in self.columns}[name]


@dataclass(frozen=True)
class Dataset(Table):
    """The declaration of one dataset.

    ``columns``: key first, ``ingested_at`` last. ``partition``: the columns that are hive
    directories, not file columns. ``period``/``time_column``: which file a row belongs to.
    ``order``: the order of rows inside a file. ``replaces``: whether a newer state of a row
    replaces the stored one (orders, open candles) or the first stored row is kept (trades).
    """

    key: tuple[str, ...]
    partition: tuple[str, ...]
    period: Period
    time_column: str
    order: tuple[str, ...]
    replaces: bool
    id_column: str | None = None
    """The key column that is the exchange's id of a row: an integer as a rule, or any text."""
    snapshot: bool = False
    """Rows are observations: one that repeats the last one is not stored."""
    segment_rows: int | None = None
    """Rows of a file, where that is to be fewer than usual."""
    stream_columns: tuple[str, ...] = ()
    """File columns that are constant in one stream (``timeframe``): part of the file's name."""
    history: str | None = None
    """The dataset that keeps the earlier states of these rows (``valid_from``, ``valid_to``)."""
    keeps_time: bool = False
    """A key always has the same time, so that no file of another period can hold it."""
    computed: tuple[str, ...] = ()
    """Columns that no exchange sends: the store computes them from the others."""

    @cached_property
    def file_schema(self) -> pa.Schema:
        """The columns of a lake file: all but the hive partition columns."""
        return pa.schema([f for f in self.schema if f.name not in self.partition])

    @cached_property
    def connector_schema(self) -> pa.Schema:
        """The columns that a connector yields: those that an exchange sends."""
        known = {"exchange", "account", "ingested_at", *self.computed}
        return pa.schema([f for f in self.schema if f.name not in known])

    @property
    def naming_column(self) -> str:
        """The key column that names a row within its stream: its id, else the last of the key."""
        return self.id_column or self.key[-1]

    @property
    def is_account(self) -> bool:
        """Whether the rows are of one account (and need its key)."""
        return "account" in self.partition

    @property
    def is_of_markets(self) -> bool:
        """Whether a feed's markets choose what is collected."""
        return "symbol" in self.schema.names and not (self.is_account or self.is_reference)

    @property
    def holds_markets(self) -> bool:
        """Whether one stream holds the rows of all markets of an exchange."""
        return self.snapshot and self.is_of_markets and "symbol" not in self.partition

    @property
    def shares_parts(self) -> bool:
        """Whether streams share a part of the table, which does not tell their rows apart."""
        return self.name == "quarantine" or (self.is_account and "symbol" not in self.schema.names)

    @property
    def is_reference(self) -> bool:
        """Whether the rows are a list of the exchange (markets, currencies): one stream for all."""
        return self.history is not None


# -- columns that several datasets have -----------------------------------------------------------

EXCHANGE: Final = required(
    "exchange", "The exchange that the row is from, by its connector's name."
)
SYMBOL: Final = required("symbol", "Market, BASE-QUOTE in upper case.")
ACCOUNT: Final = required("account", "Label of the account, main if there is only one.")
CURRENCY: Final = required(
    "currency",
    "Currency, in upper case; as sent where the exchange lists two that differ by case only.",
)
TIMESTAMP: Final = required(
    "timestamp", "When it happened (UTC, microseconds), by the exchange's clock.", TIME
)
OBSERVED_AT: Final = required("observed_at", "When it was observed (UTC, microseconds).", TIME)
INGESTED_AT: Final = required("ingested_at", "When the row was stored (UTC, microseconds).", TIME)
TRADE_ID: Final = required(
    "trade_id", "The exchange's number of the trade, as text; compare as BIGINT."
)
ORDER_ID: Final = required(
    "order_id", "The exchange's number of the order, as text; compare as BIGINT."
)
TRADE_PRICE: Final = required("price", "Quote currency for one unit of base currency.", PRICE)
TRADE_AMOUNT: Final = required("amount", "In base currency, positive.", PRICE)
TRADE_COST: Final = nullable(
    "cost", "price × amount in quote currency, exact; null where it does not fit.", COST
)
FEE_RATE: Final = nullable("fee_rate", "Fee as a fraction: 0.002 is 0.2 %.")
ACTIVE: Final = required("active", "Whether it is listed and enabled.", pa.bool_())
SIDES: Final = ("buy", "sell")
