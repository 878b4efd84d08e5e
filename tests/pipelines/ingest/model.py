"""A model of an exchange's paging, in memory: every law that the documents leave open.

Used by property tests only; the behaviour over real HTTP is tested against the sandbox.
"""

from dataclasses import dataclass, field
from decimal import Decimal

import pyarrow as pa

from connectors.base import Cursor, Offer, Page, Stream, Window
from schemas import TIMEFRAMES, dataset

UNIT_US = {"ms": 1000, "s": 1_000_000}


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


@dataclass
class ModelExchange:
    """Serves ``keys`` (ids, or candle openings in microseconds) of one stream."""

    law: ModelLaw
    keys: list[int]
    cursor: Cursor = Cursor.ID
    name: str = "model"
    clock_us: int = 2_000_000_000_000_000
    requests: list[Window] = field(default_factory=list)

    @property
    def offer(self) -> Offer:
        units = ("ms", "s") if self.cursor is Cursor.TIME else ()
        return Offer(self.cursor, 1000, units)

    @property
    def offers(self) -> dict[str, Offer]:
        return {"trades": self.offer, "candles": self.offer}

    def fetch(self, stream: Stream, window: Window) -> Page:
        self.requests.append(window)
        low, high = self._bound(window.lower, window), self._bound(window.upper, window)
        rows = sorted(self.keys)
        if low is not None and not self.law.ignores_lower:
            rows = [k for k in rows if k > low or (self.law.lower_inclusive and k == low)]
        if high is not None and not self.law.ignores_upper:
            rows = [k for k in rows if k < high or (self.law.upper_inclusive and k == high)]
        count = min(self.law.cap, window.limit)
        rows = rows[-count:] if self.law.keeps == "newest" else rows[:count]
        return self.page(stream, rows[:: self.law.order])

    def page(self, stream: Stream, keys: list[int]) -> Page:
        table = (self._trades if self.cursor is Cursor.ID else self._candles)(stream, keys)
        return Page(table, pa.array(keys, pa.int64()), server_time=self.clock_us)

    def _bound(self, value: int | None, window: Window) -> int | None:
        """The bound as the server reads it: the number sent, in its own unit."""
        if value is None or window.unit is None:
            return value
        sent = value // UNIT_US[window.unit]
        return sent * UNIT_US[self.law.unit]

    def time_of(self, key: int) -> int:
        return 1_700_000_000_000_000 + key * 1_000_000

    def _trades(self, stream: Stream, keys: list[int]) -> pa.Table:
        schema = dataset("trades").connector_schema
        return pa.Table.from_pylist(
            [
                {
                    "symbol": stream.symbol,
                    "trade_id": str(k),
                    "timestamp": self.time_of(k),
                    "side": "buy" if k % 2 else "sell",
                    "price": Decimal(k) / 8,
                    "amount": Decimal(1),
                    "cost": Decimal(k) / 8,
                }
                for k in keys
            ],
            schema=schema,
        )

    def _candles(self, stream: Stream, keys: list[int]) -> pa.Table:
        schema = dataset("candles").connector_schema
        step = TIMEFRAMES[stream.timeframe or "5m"]
        price = {n: Decimal(1) for n in ("open", "high", "low", "close", "volume")}
        return pa.Table.from_pylist(
            [
                {
                    "symbol": stream.symbol,
                    "timeframe": stream.timeframe,
                    "timestamp": k,
                    "is_final": k + step <= self.clock_us,
                    **price,
                }
                for k in keys
            ],
            schema=schema,
        )
