"""A model of an exchange's paging, in memory: everything that the documents leave open.

Used by property tests only; the behaviour over real HTTP is tested against the sandbox.
"""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa

from connectors.base import Bounds, Cursor, Key, Page, Paging, Window
from schemas import TIMEFRAMES, StreamId, dataset
from schemas.declare import UNSETTLED

UNIT_US = {"ms": 1000, "s": 1_000_000}
EPOCH_US = 1_700_000_000_000_000
STATES = {
    "account_orders": ("open", "closed"),
    "public_orders": ("open", "closed"),
    "account_transactions": ("pending", "ok"),
}
"""The states of a row that changes: before it is settled, and after."""

IDS = Paging(Cursor.ID)
CANDLES = Paging(Cursor.TIME, Key.TIME, units=("ms", "s"), timeframes=("5m",))
PAGINGS = {
    "ids": IDS,
    "ids without holes": Paging(Cursor.ID, dense=True),
    "forward from an id": Paging(Cursor.ID, bounds=Bounds.LOWER, dense=True),
    "forward from an id, holes": Paging(Cursor.ID, bounds=Bounds.LOWER),
    "one bound, ids without holes": Paging(Cursor.ID, bounds=Bounds.EITHER, dense=True),
    "backward from an id": Paging(Cursor.ID, bounds=Bounds.UPPER),
    "candles": CANDLES,
    "forward from a time, ids prove": Paging(Cursor.TIME, bounds=Bounds.LOWER, dense=True),
    "times, text ids": Paging(Cursor.TIME, Key.TEXT),
    "backward from a time, text ids": Paging(Cursor.TIME, Key.TEXT, bounds=Bounds.UPPER),
    "candles, so many at most": replace(CANDLES, max_span_us=299 * TIMEFRAMES["5m"]),
    "days, text ids": Paging(Cursor.TIME, Key.TEXT, max_span_us=86_400_000_000),
}
"""Every kind of cursor that streams in windows have."""


@dataclass
class Behaviour:
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
    resolution_us: int = 1
    """Of times as bounds: a lower one is rounded down, an upper one up."""


@dataclass
class ModelExchange:
    """Serves ``keys`` (ids, or candle openings in microseconds) of one stream."""

    behaviour: Behaviour
    keys: list[int]
    paging: Paging = IDS
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
    foreign: frozenset[int] = frozenset()
    """Ids of other markets: the limit is applied before they are left out."""
    hidden: tuple[int, int] | None = None
    """Whatever would show a row between these keys is answered without rows."""
    empty: frozenset[int] = frozenset()
    """Which requests of a pull are answered without rows."""
    answered: list[int] = field(default_factory=list)
    """The keys of the last answer."""

    @property
    def offers(self) -> dict[str, Paging]:
        return dict.fromkeys(
            (*STATES, "trades", "candles", "account_trades"),
            self.paging,
        )

    def shown(self, stream: StreamId) -> list[int]:
        """The keys that there are to see, in order."""
        if self.paging.key is not Key.TIME or self.behaviour.shows_open:
            return sorted(self.keys)
        step = TIMEFRAMES[stream.timeframe or ""]
        return sorted(k for k in self.keys if k + step <= self.clock_us)

    def fetch(self, stream: StreamId, window: Window) -> Page:
        number = len(self.requests)
        self.requests.append(window)
        rows = [] if number in self.empty else self.answer(stream, window)
        if self.hidden and any(self.hidden[0] <= k <= self.hidden[1] for k in rows):
            rows = []
        self.answered = rows
        return self.page(stream, rows)

    def answer(self, stream: StreamId, window: Window) -> list[int]:
        """The keys of an answer, in the order in which they come."""
        self._must_be_possible(window)
        low, high = self.bounds(window)
        rows = [k for k in (*self.shown(stream), *self.foreign) if low <= self.cursor_of(k) <= high]
        if self.behaviour.sorts_by_time or self.by_time:
            rows.sort(key=lambda k: (self.time_of(k), k * 2654435761 % 1009))
        else:
            rows.sort()
        count = min(self.behaviour.cap, window.limit)
        rows = rows[-count:] if self.keeps(window) == "newest" else rows[:count]
        return [k for k in rows[:: self.behaviour.order] if k not in self.foreign]

    def keeps(self, window: Window) -> str:
        """The end of ``window`` that answers keep; with one bound, the one that is documented."""
        if self.paging.bounds is Bounds.LOWER:
            return "oldest" if window.lower is not None else "newest"
        return self.behaviour.keeps if self.paging.bounds is Bounds.BOTH else "newest"

    def page(self, stream: StreamId, keys: list[int]) -> Page:
        schema = dataset(stream.dataset).connector_schema
        table = pa.Table.from_pylist([self.row(stream, k) for k in keys], schema=schema)
        positions = [self.position_of(k) for k in keys]
        return Page(table, pa.array(positions, pa.int64()), server_time=self.clock_us)

    @property
    def by_time(self) -> bool:
        return self.paging.cursor is Cursor.TIME and self.paging.key is not Key.TIME

    def cursor_of(self, key: int) -> int:
        """What requests compare: the id, or the time of the row."""
        return self.time_of(key) if self.by_time else key

    def position_of(self, key: int) -> int:
        """What coverage counts."""
        return self.time_of(key) if self.paging.key is Key.TEXT else key

    def bounds(self, window: Window) -> tuple[int, int]:
        """The window as the server applies it, both ends inclusive."""
        low = self._read(window.lower, window, up=False)
        high = self._read(window.upper, window, up=True)
        if low is None or self.behaviour.ignores_lower:
            low = -(2**62)
        elif not self.behaviour.lower_inclusive:
            low += 1
        if high is None or self.behaviour.ignores_upper:
            high = 2**62
        elif not self.behaviour.upper_inclusive:
            high -= 1
        return low, high

    def _read(self, value: int | None, window: Window, *, up: bool) -> int | None:
        """A bound as the server reads it: the number sent, in its own unit."""
        if value is None:
            return value
        if window.unit is None:
            step = self.behaviour.resolution_us if self.by_time else 1
            return -(-value // step) * step if up else value // step * step
        size = UNIT_US[window.unit]
        sent = -(-value // size) if up else value // size
        return sent * UNIT_US[self.behaviour.unit]

    def _must_be_possible(self, window: Window) -> None:
        """No request names what the documentation does not offer."""
        bounds, lower, upper = self.paging.bounds, window.lower, window.upper
        assert bounds is not Bounds.LOWER or upper is None, window
        assert bounds is not Bounds.UPPER or lower is None, window
        assert bounds is not Bounds.EITHER or lower is None or upper is None, window
        span = self.paging.max_span_us
        if span is not None and lower is not None and upper is not None:
            assert upper - lower <= span, window

    def time_of(self, key: int) -> int:
        if self.paging.key is Key.TIME:
            return key
        return EPOCH_US + key // self.share * self.share * self.pace_us

    def row(self, stream: StreamId, key: int, state: int | None = None) -> dict[str, Any]:
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
        name = f"T-{key}" if self.paging.key is Key.TEXT else str(key)
        cells |= dict.fromkeys(("trade_id", "order_id", "transaction_id"), name)
        cells |= dict.fromkeys(("open", "high", "low", "close", "volume"), value)
        match stream.dataset:
            case "candles":
                cells["is_final"] = key + TIMEFRAMES[stream.timeframe or ""] <= self.clock_us
            case "account_trades":
                cells |= {"order_id": None, "fee_amount": Decimal(changes)}
            case "account_transactions":
                cells |= {"type": "deposit", "currency": "BTC", "description": str(changes)}
            case "public_orders" | "account_orders":
                cells |= {"type": "limit", "filled": Decimal(changes) / 100}
                cells["remaining"] = Decimal(not settled)
        if stream.dataset in STATES:
            cells["status"] = STATES[stream.dataset][settled]
        return {name: cells.get(name) for name in dataset(stream.dataset).connector_schema.names}


def is_settled(row: dict[str, Any]) -> bool:
    """Whether a row as served is in its final state."""
    return bool(row.get("is_final", True)) and row.get("status") not in UNSETTLED
