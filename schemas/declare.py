"""What a declaration of a dataset says, and the words that declarations are written in.

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


UNSETTLED: Final = ("pending", "unconfirmed", "open")
"""Values of ``status`` that may still change under the same id."""


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
    id_column: str | None = None
    """The key column that is the exchange's id of a row: an integer as a rule, or any text."""
    snapshot: bool = False
    """Rows are observations: one that repeats the last is not stored again."""
    stream_columns: tuple[str, ...] = field(default=())
    """File columns that are constant in one stream (``timeframe``): part of the file's name."""
    history: str | None = None
    """The dataset that keeps the earlier states of these rows (``valid_from``, ``valid_to``)."""
    computed: tuple[str, ...] = ()
    """Columns that no exchange tells: whoever writes the rows works them out of the others."""

    @cached_property
    def file_schema(self) -> pa.Schema:
        """What a lake file holds: all but the hive partition columns."""
        return pa.schema([f for f in self.schema if f.name not in self.partition])

    @cached_property
    def connector_schema(self) -> pa.Schema:
        """What a connector yields: all that an exchange tells of its rows."""
        known = {"exchange", "account", "ingested_at", *self.computed}
        return pa.schema([f for f in self.schema if f.name not in known])

    @property
    def is_account(self) -> bool:
        """Whether the rows are of one account (and need its key)."""
        return "account" in self.partition

    @property
    def is_reference(self) -> bool:
        """Whether the rows are what an exchange says of itself: one stream for all of it."""
        return self.history is not None


def schema(required: str, *rest: pa.Field) -> pa.Schema:
    """A dataset's columns: its key (never null), ``rest``, and ``ingested_at``."""
    keys = [pa.field(name, _KEY_TYPES.get(name, TEXT), nullable=False) for name in required.split()]
    return pa.schema([*keys, *rest, INGESTED_AT])


def need(name: str, type_: pa.DataType = TEXT) -> pa.Field:
    """A column that is never null."""
    return pa.field(name, type_, nullable=False)


def may(name: str, type_: pa.DataType = PRICE) -> pa.Field:
    """A column that may be null."""
    return pa.field(name, type_, nullable=True)


_KEY_TYPES: Final = {
    "timestamp": TIME,
    "observed_at": TIME,
    "valid_from": TIME,
    "level": pa.int32(),
}
