"""Candles aggregated from the tape. Finished one-minute candles are kept; longer ones are
aggregated each time."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sandbox.clock import MINUTE
from sandbox.marketdata import MarketTape

_SMALLEST: Final = MINUTE


@dataclass(frozen=True, slots=True)
class Candle:
    """``time``: opening time in milliseconds; the rest integers of 1e-8."""

    time: int
    open: int
    high: int
    low: int
    close: int
    volume: int


def fold(candles: Iterable[Candle], length: int) -> list[Candle]:
    """Join candles (in order of time) into intervals of ``length`` milliseconds."""
    result: list[Candle] = []
    for c in candles:
        start = c.time - c.time % length
        if result and result[-1].time == start:
            p = result[-1]
            result[-1] = Candle(
                start, p.open, max(p.high, c.high), min(p.low, c.low), c.close, p.volume + c.volume
            )
        else:
            result.append(Candle(start, c.open, c.high, c.low, c.close, c.volume))
    return result


class Candles:
    """The candles of one market."""

    def __init__(self, tape: MarketTape) -> None:
        self._tape = tape
        self._done: list[Candle] = []
        self._until = 0  # finished up to here (exclusive), in milliseconds
        self._rows = 0  # rows of the tape that are in ``_done``

    def at(self, now: int, length: int, late_every: int = 0, late_ms: int = 0) -> list[Candle]:
        """Every candle with a trade by ``now``, oldest first, the open one last."""
        tape = self._tape
        settled = now - (late_ms if late_every else 0)
        settled -= settled % _SMALLEST
        if not tape.monotonic or settled < self._until:
            every = tape.visible(now, None, late_every, late_ms)
            return fold(self._trades(sorted(every, key=tape.times.__getitem__)), length)
        if settled > self._until:
            rows = range(self._rows, bisect_left(tape.times, settled))
            self._done += fold(self._trades(rows), _SMALLEST)
            self._until, self._rows = settled, rows.stop
        shown = tape.visible(now, None, late_every, late_ms)
        rest = fold(self._trades([*shown[bisect_left(shown, self._rows) :]]), _SMALLEST)
        return fold([*self._done, *rest], length)

    def _trades(self, rows: Iterable[int]) -> Iterable[Candle]:
        times, prices, amounts = self._tape.times, self._tape.prices, self._tape.amounts
        for i in rows:
            price = prices[i]
            yield Candle(times[i], price, price, price, price, amounts[i])
