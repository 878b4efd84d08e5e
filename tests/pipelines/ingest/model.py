"""A model of an exchange's paging, in memory: every law that the documents leave open.

Used by property tests only; the behaviour over real HTTP is tested against the sandbox.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa

from connectors.base import Cursor, Offer, Page, Stream, Unit, Window
from schemas import TIMEFRAMES, dataset
from schemas.declare import UNSETTLED

UNIT_US = {"ms": 1000, "s": 1_000_000}
EPOCH_US = 1_700_000_000_000_000
STATES = {
    "account_orders": ("open", "closed"),
    "public_orders": ("open", "closed"),
    "account_transactions": ("pending", "ok"),
}
"""The states of a row that changes: before it is settled, and after."""


@dataclass
class ModelLaw:
    """How the model answers."""

    keeps: str = "newest"
    cap: int = 1000
    lower_inclusive: bool = True
    upper_inclusive: bool = True
    unit: str = "ms"
    order: int = 1
    ignores_lower: bool = False
    ignores_upper: bool = False
    shows_open: bool = True
    sorts_by_time: bool = False
    """Rows of one time then come, and are cut off, in no order of their ids."""


@dataclass
class ModelExchange:
    """Serves ``keys`` (ids, or candle openings in microseconds) of one stream."""

    law: ModelLaw
    keys: list[int]
    cursor: Cursor = Cursor.ID
    name: str = "model"
    clock_us: int = 2_000_000_000_000_000
    requests: list[Window] = field(default_factory=list)
    states: dict[int, int] = field(default_factory=dict)
    """How often a row changed; 0 for all others."""
    settles: dict[int, int] = field(default_factory=dict)
    """The state with which a row is settled; 0 for all others."""
    pace_us: int = 1_000_000
    """Between a row and the one with the next id …"""
    share: int = 1
    """… where this many ids share a time."""

    @property
    def offer(self) -> Offer:
        units: tuple[Unit, ...] = ("ms", "s") if self.cursor is Cursor.TIME else ()
        return Offer(self.cursor, 1000, units)

    @property
    def offers(self) -> dict[str, Offer]:
        return {"trades": self.offer, "candles": self.offer}

    def shown(self, stream: Stream) -> list[int]:
        """The keys that there are to see, in order."""
        if self.cursor is Cursor.ID or self.law.shows_open:
            return sorted(self.keys)
        step = TIMEFRAMES[stream.timeframe or ""]
        return sorted(k for k in self.keys if k + step <= self.clock_us)

    def fetch(self, stream: Stream, window: Window) -> Page:
        self.requests.append(window)
        low, high = self.bounds(window)
        rows = [k for k in self.shown(stream) if low <= k <= high]
        if self.law.sorts_by_time:
            rows.sort(key=lambda k: (self.time_of(k), k * 2654435761 % 1009))
        count = min(self.law.cap, window.limit)
        rows = rows[-count:] if self.law.keeps == "newest" else rows[:count]
        return self.page(stream, rows[:: self.law.order])

    def page(self, stream: Stream, keys: list[int]) -> Page:
        schema = dataset(stream.dataset).connector_schema
        table = pa.Table.from_pylist([self.row(stream, k) for k in keys], schema=schema)
        return Page(table, pa.array(keys, pa.int64()), server_time=self.clock_us)

    def bounds(self, window: Window) -> tuple[int, int]:
        """The window as the server applies it, both ends inclusive."""
        low, high = self._read(window.lower, window), self._read(window.upper, window)
        if low is None or self.law.ignores_lower:
            low = -(2**62)
        elif not self.law.lower_inclusive:
            low += 1
        if high is None or self.law.ignores_upper:
            high = 2**62
        elif not self.law.upper_inclusive:
            high -= 1
        return low, high

    def _read(self, value: int | None, window: Window) -> int | None:
        """A bound as the server reads it: the number sent, in its own unit."""
        if value is None or window.unit is None:
            return value
        sent = value // UNIT_US[window.unit]
        return sent * UNIT_US[self.law.unit]

    def time_of(self, key: int) -> int:
        if self.cursor is Cursor.TIME:
            return key
        return EPOCH_US + key // self.share * self.share * self.pace_us

    def row(self, stream: Stream, key: int, state: int | None = None) -> dict[str, Any]:
        """The row ``key``, now or as it was after so many changes."""
        changes = self.states.get(key, 0) if state is None else state
        settled = changes >= self.settles.get(key, 0)
        price = Decimal(key % 10_000 + 1) / 8
        value = price + changes
        cells: dict[str, Any] = {
            "symbol": stream.symbol or "BTC-USD",
            "timeframe": stream.timeframe,
            "timestamp": self.time_of(key),
            "side": "buy" if key % 2 else "sell",
            "price": price,
            "amount": Decimal(1),
        }
        cells |= dict.fromkeys(("trade_id", "order_id", "transaction_id"), str(key))
        cells |= dict.fromkeys(("open", "high", "low", "close", "volume"), value)
        match stream.dataset:
            case "trades":
                cells["cost"] = price
            case "candles":
                cells["is_final"] = key + TIMEFRAMES[stream.timeframe or ""] <= self.clock_us
            case "account_trades":
                cells |= {"cost": price, "order_id": None, "fee_amount": Decimal(changes)}
            case "account_transactions":
                cells |= {"type": "deposit", "currency": "BTC", "description": str(changes)}
            case _:
                cells |= {"type": "limit", "filled": Decimal(changes) / 100}
                cells["remaining"] = Decimal(not settled)
        if stream.dataset in STATES:
            cells["status"] = STATES[stream.dataset][settled]
        return {name: cells.get(name) for name in dataset(stream.dataset).connector_schema.names}


def is_settled(row: dict[str, Any]) -> bool:
    """Whether a row as served is in its final state."""
    return bool(row.get("is_final", True)) and row.get("status") not in UNSETTLED
