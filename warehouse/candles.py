"""Build candles from trades, and find the intervals whose trades are completely covered."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.arrays import from_numpy
from schemas.timeframes import Grid
from warehouse.state import StreamState


def build(trades: pa.Table, grid: Grid) -> pa.Table:
    """OHLCV per interval of ``grid``; ``trades`` in order of time and id.

    Columns ``open_us`` (opening time), ``open``, ``high``, ``low``, ``close``, ``volume``; none
    for an interval without trades.
    """
    price = trades.column("price")
    times = pc.cast(trades.column("timestamp"), pa.int64())
    return _gather(times, grid, price, price, price, price, trades.column("amount"))


def roll_up(candles: pa.Table, grid: Grid) -> pa.Table:
    """Longer candles out of shorter ones (as ``build`` makes them, in order of time)."""
    figures = (candles.column(n) for n in ("open", "high", "low", "close", "volume"))
    return _gather(candles.column("open_us"), grid, *figures)


def _gather(
    times: pa.ChunkedArray,
    grid: Grid,
    first: pa.ChunkedArray,
    high: pa.ChunkedArray,
    low: pa.ChunkedArray,
    last: pa.ChunkedArray,
    volume: pa.ChunkedArray,
) -> pa.Table:
    at = times.to_numpy()
    opening = at - (at - grid.origin) % grid.step
    starts = np.flatnonzero(np.r_[True, opening[1:] != opening[:-1]][: len(opening)])
    ends = np.r_[starts[1:], len(opening)][: len(starts)] - 1
    grouped = (
        pa.table({"t": opening, "h": high, "l": low, "v": volume})
        .group_by("t", use_threads=False)
        .aggregate([("h", "max"), ("l", "min"), ("v", "sum")])
        .sort_by("t")
    )
    return pa.table(
        {
            "open_us": grouped.column("t"),
            "open": first.take(from_numpy(starts)),
            "high": grouped.column("h_max"),
            "low": grouped.column("l_min"),
            "close": last.take(from_numpy(ends)),
            "volume": grouped.column("v_sum"),
        }
    )


def whole(
    trades: StreamState, time_of: Callable[[int], int], grid: Grid, *, with_open: bool
) -> list[tuple[int, int]]:
    """Ranges ``[lower, upper)`` of opening times whose trades (so far) are all covered, in order.

    Coverage of trades begins somewhere inside a candle: the first whole candle is the next one. It
    ends inside a candle too, which counts only in the newest interval and if the open candle is
    wanted (``with_open``). ``time_of``: the time of the trade with an id
    (``StreamReader.time_of``).
    """
    spans: list[tuple[int, int]] = []
    for number, run in enumerate(trades.complete):
        if run.first_at is None or run.last is None:
            continue
        last_at = time_of(run.last) if run.last_at is None else run.last_at
        lower = grid.opening(run.first_at)
        if run.lower > 0:
            lower += grid.step
        newest = number == len(trades.complete) - 1
        upper = (
            grid.opening(max(last_at, trades.checked_at or 0)) + grid.step
            if newest and with_open
            else grid.opening(last_at)
        )
        if lower < upper:
            spans.append((lower, upper))
    return spans
