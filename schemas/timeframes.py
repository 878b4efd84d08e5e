"""Candle intervals, in microseconds."""

from typing import Final

_MINUTE_US: Final = 60_000_000

TIMEFRAMES: Final[dict[str, int]] = {
    "5m": 5 * _MINUTE_US,
    "15m": 15 * _MINUTE_US,
    "30m": 30 * _MINUTE_US,
    "1h": 60 * _MINUTE_US,
    "4h": 240 * _MINUTE_US,
    "1d": 1440 * _MINUTE_US,
}
"""Every timeframe of the ``candles`` dataset and its length in microseconds."""
SHORTEST: Final = min(TIMEFRAMES, key=lambda name: TIMEFRAMES[name])
"""The shortest timeframe. It divides every other, so longer candles are rolled up from it."""


def timeframe_us(timeframe: str) -> int:
    """Length of ``timeframe`` in microseconds. Raises ``KeyError`` for an unknown one."""
    return TIMEFRAMES[timeframe]
