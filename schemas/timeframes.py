"""Candle intervals, in microseconds, and the grids on which they open."""

from dataclasses import dataclass
from typing import Final

_MINUTE_US: Final = 60_000_000

TIMEFRAMES: Final[dict[str, int]] = {
    "1m": _MINUTE_US,
    "3m": 3 * _MINUTE_US,
    "5m": 5 * _MINUTE_US,
    "15m": 15 * _MINUTE_US,
    "30m": 30 * _MINUTE_US,
    "1h": 60 * _MINUTE_US,
    "2h": 120 * _MINUTE_US,
    "4h": 240 * _MINUTE_US,
    "6h": 360 * _MINUTE_US,
    "8h": 480 * _MINUTE_US,
    "12h": 720 * _MINUTE_US,
    "1d": 1440 * _MINUTE_US,
    "3d": 3 * 1440 * _MINUTE_US,
    "1w": 7 * 1440 * _MINUTE_US,
}
"""Every timeframe of the ``candles`` dataset and its length in microseconds, the shortest first."""
SHORTEST: Final = min(TIMEFRAMES, key=lambda name: TIMEFRAMES[name])
"""The shortest timeframe. It divides every other, so longer candles are rolled up from it."""
USUAL: Final = ("5m", "15m", "30m", "1h", "4h", "1d")
"""Those that are built from trades where an exchange has no candles and a feed names none."""
_MONDAY_US: Final = 4 * 1440 * _MINUTE_US
"""1970-01-05 was a Monday."""


def timeframe_us(timeframe: str) -> int:
    """Length of ``timeframe`` in microseconds. Raises ``KeyError`` for an unknown one."""
    return TIMEFRAMES[timeframe]


@dataclass(frozen=True, slots=True)
class Grid:
    """Where candles open: every ``step`` microseconds, counted from ``origin``."""

    step: int
    origin: int = 0

    def opening(self, at: int) -> int:
        """The opening time of the candle that ``at`` lies in."""
        return at - (at - self.origin) % self.step


def grid(timeframe: str) -> Grid:
    """Where candles of ``timeframe`` open: whole multiples since 1970 UTC, weeks on a Monday.

    An exchange may count 3d from another day. Raises ``KeyError`` for an unknown timeframe.
    """
    return Grid(TIMEFRAMES[timeframe], _MONDAY_US if timeframe == "1w" else 0)
