"""A deterministic tape of trades, shaped like a busy market, encoded once as the exchange's JSON.

Density, the share of trades that share a millisecond and the holes between ids follow recorded
markets: about 200,000 trades a day, two thirds of them in bursts within one millisecond.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

SYMBOL: Final = "BTC_USD"
LAST_MS: Final = 1_723_204_800_000
"""Time of the newest trade: 2024-08-09T12:00Z, so that 200,000 rows span two days' files."""
LAST_ID: Final = 117_802_900
MEAN_GAP_MS: Final = 864
"""Between bursts of two trades on average: 200,000 trades a day."""
_CHUNK: Final = 50_000


@dataclass(frozen=True)
class Tape:
    """Rows as bytes. ``blob`` holds them in the order of an answer, each followed by a comma.

    ``offsets``: where row ``i`` of that order begins in ``blob``; one more than there are rows.
    ``ids``: ascending, whatever the order of the rows is.
    """

    blob: memoryview
    offsets: "array[int]"
    ids: "array[int]"

    @classmethod
    def of(cls, rows: Iterable[bytes], ids: Sequence[int]) -> "Tape":
        """The tape of encoded ``rows``."""
        encoded = bytearray()
        offsets = array("q", [0])
        for row in rows:
            encoded += row
            offsets.append(len(encoded))
        return cls(memoryview(bytes(encoded)), offsets, array("q", ids))

    @property
    def rows(self) -> int:
        return len(self.ids)

    @property
    def id_sum(self) -> int:
        return sum(self.ids)

    def page(self, since_id: int | None, until_id: int | None, limit: int) -> tuple[int, int]:
        """Rows ``[i, j)`` of a blob that begins with the newest.

        They are the newest ``limit`` with ``since_id <= id <= until_id``.
        """
        above = self.rows if until_id is None else bisect_right(self.ids, until_id)
        below = 0 if since_id is None else bisect_left(self.ids, since_id)
        first = self.rows - above
        return first, max(first, min(first + limit, self.rows - below))

    def json(self, first: int, end: int) -> bytes:
        """Rows ``[first, end)`` as a JSON array."""
        return b"".join((b"[", self.text(first, end), b"]"))

    def text(self, first: int, end: int) -> memoryview:
        """Rows ``[first, end)``, with commas between them."""
        return self.blob[self.offsets[first] : self.offsets[end] - 1 if first < end else 0]


def make_tape(rows: int, seed: int = 2016) -> Tape:
    """The tape of ``rows`` trades; the same for the same arguments."""
    columns = draw(rows, np.random.default_rng(seed))
    return Tape.of(_encode(columns), columns.ids[::-1].tolist())


@dataclass(frozen=True)
class Columns:
    """Newest first; ``price`` in cents, ``amount`` in units of 1e-8."""

    times: np.ndarray
    ids: np.ndarray
    price: np.ndarray
    amount: np.ndarray
    buy: np.ndarray


def draw(rows: int, rng: np.random.Generator) -> Columns:
    """``rows`` trades up to ``LAST_ID`` and ``LAST_MS``, drawn with ``rng``."""
    alone = rng.random(rows) < 2 / 3
    sizes = np.where(alone, 1, 1 + rng.geometric(1 / 3, rows))
    burst = np.repeat(np.arange(rows), sizes)[:rows]
    gaps = 1 + rng.exponential(MEAN_GAP_MS - 1, rows).astype(np.int64)
    times = LAST_MS - np.cumsum(gaps)[burst] + gaps[0]
    buy = (rng.random(rows) < 0.5)[burst]
    holes = np.where(rng.random(rows) < 0.8, 1, 1 + rng.geometric(0.3, rows))
    ids = LAST_ID - np.cumsum(holes) + holes[0]
    steps = np.rint(rng.normal(0, 60, rows)).astype(np.int64)[burst]
    walk = np.cumsum(np.where(np.diff(burst, prepend=-1) > 0, steps, np.where(buy, -1, 1)))
    price = 100_000 + np.abs(6_083_763 - 100_000 + walk)
    units = np.maximum(rng.lognormal(14, 2, rows).astype(np.int64), 1)
    grain = rng.choice([1_000, 100, 10, 1], rows, p=[0.7, 0.15, 0.1, 0.05])
    amount = np.maximum(units // grain, 1) * grain
    return Columns(times, ids, price, amount, buy)


def _encode(columns: Columns) -> Iterator[bytes]:
    for start in range(0, len(columns.ids), _CHUNK):
        part = slice(start, start + _CHUNK)
        for time, id_, price, amount, buy in zip(
            columns.times[part].tolist(),
            columns.ids[part].tolist(),
            columns.price[part].tolist(),
            columns.amount[part].tolist(),
            columns.buy[part].tolist(),
            strict=True,
        ):
            yield (
                f'{{"date":{time},"id":{id_},"symbol":"{SYMBOL}",'
                f'"price":"{price // 100}.{price % 100:02d}000000",'
                f'"amount":"{amount // 100_000_000}.{amount % 100_000_000:08d}",'
                f'"type":"{"buy" if buy else "sell"}"}},'
            ).encode()
