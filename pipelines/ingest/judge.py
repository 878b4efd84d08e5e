"""What one answer demonstrates about the window that was asked for. Pure.

An answer is a run of neighbouring rows: whichever end of the window ``limit`` keeps, whatever cap
the server applies, nothing lies between two rows of one answer. So its span is proved. That
nothing lies beyond its ends is proved only by an answer that shows the held row at each edge of the
window and nothing new. Only a server that sorts by time may leave out rows near the end at which it
cut its answer off (``whole_between``).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


class Verdict(Enum):
    """What to make of an answer."""

    PROGRESS = "progress"  # rows inside the window, which were not proved before
    NOTHING_BETWEEN = "nothing between"  # the edges and no row between: the window is proved
    SILENT = "silent"  # not even the rows that are known to be there
    HALF = "half"  # one edge alone, although answers hold more: the other is not shown
    UNSURE = "unsure"  # one edge alone, where no answer ever held more than one row
    ASTRAY = "astray"  # only rows outside the window: a filter was not applied as sent


@dataclass(frozen=True)
class Judgement:
    """A verdict, and what else was to be seen."""

    verdict: Verdict
    shows_lower: bool
    shows_upper: bool
    outside: bool


def judge(
    keys: Sequence[int],
    lower_edge: int | None,
    upper_edge: int | None,
    page_rows: int,
    sent: tuple[int | None, int | None] = (None, None),
) -> Judgement:
    """Judge the sorted distinct row ``keys`` of an answer.

    ``lower_edge``/``upper_edge``: held rows at the ends of the window (``None`` = open end).
    ``page_rows``: the largest answer this stream ever gave (one row alone proves nothing where
    answers hold no more than one). ``sent``: the bounds of the request where they reach beyond the
    edges; rows in between are no sign of a filter that was not applied.
    """
    start = 0 if lower_edge is None else bisect_right(keys, lower_edge)
    stop = len(keys) if upper_edge is None else bisect_left(keys, upper_edge)
    shows_lower = lower_edge is not None and start > 0 and keys[start - 1] == lower_edge
    shows_upper = upper_edge is not None and stop < len(keys) and keys[stop] == upper_edge
    lowest = lower_edge if sent[0] is None else sent[0]
    highest = upper_edge if sent[1] is None else sent[1]
    outside = bool(keys) and (
        (lowest is not None and keys[0] < lowest) or (highest is not None and keys[-1] > highest)
    )
    if stop > start:
        verdict = Verdict.PROGRESS
    elif not keys:
        verdict = Verdict.SILENT
    elif start > 0 and stop < len(keys):
        # rows on either side and none between them: neighbours
        verdict = Verdict.NOTHING_BETWEEN
    elif outside:
        verdict = Verdict.ASTRAY
    elif page_rows < 2:
        verdict = Verdict.UNSURE
    elif lower_edge is None or upper_edge is None:
        verdict = Verdict.NOTHING_BETWEEN
    else:
        verdict = Verdict.HALF
    return Judgement(verdict, shows_lower, shows_upper, outside)


def whole_between(keys: Numbers, times: Numbers, keeps: str | None) -> tuple[int, int] | None:
    """The ids between which an answer that may be cut off shows every row; ``None``: of no two.

    ``keys`` and ``times`` as received; ``keeps``: the end that ``limit`` keeps, if known. A server
    that sorts by time cuts an answer off between rows of one moment, whatever their ids. Near such
    an end rows may be missing between those that are shown: as many as lie within the greatest step
    back in time from a row to one with a later id. Times that are not in order tell that it sorts
    by id. Where both are in order and too little would remain to go on from, it is taken to.
    """
    whole = int(keys.min()), int(keys.max())
    if not _in_order(times):
        return whole
    by_id = np.argsort(keys)
    at, ids = times[by_id], keys[by_id]
    back = int((np.maximum.accumulate(at) - at).max())
    low, high = 0, len(ids) - 1
    if keeps != "oldest":
        low = int((np.minimum.accumulate(at[::-1])[::-1] <= at.min() + back).sum())
    if keeps != "newest":
        high -= int((np.maximum.accumulate(at) >= at.max() - back).sum())
    if low >= high and _in_order(keys):
        return whole
    return (int(ids[low]), int(ids[high])) if low <= high else None


def _in_order(values: Numbers) -> bool:
    """Whether values rise all the way, or fall all the way; equal neighbours do either."""
    steps = values[1:] - values[:-1]
    return bool((steps >= 0).all() or (steps <= 0).all())
