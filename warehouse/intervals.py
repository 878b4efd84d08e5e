"""Interval arithmetic on coverage.

Intervals are half-open ranges of integers ``[lower, upper)``: ids, or microseconds since 1970. An
interval remembers a row near each of its ends: a later page proves that it adjoins only by showing
one of them again. Pure functions; no I/O.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Intervals = tuple["Interval", ...]
"""Sorted, disjoint, not touching."""


@dataclass(frozen=True, slots=True)
class Interval:
    """``[lower, upper)`` is proved. ``first``/``last``: keys of the rows one moment inside its
    ends, or of the outermost rows where there are none.

    ``first_at``/``last_at`` are the times (microseconds) of these rows. All four are ``None`` where
    the interval holds no row.
    """

    lower: int
    upper: int
    first: int | None = None
    last: int | None = None
    first_at: int | None = None
    last_at: int | None = None

    def __post_init__(self) -> None:
        if self.lower >= self.upper:
            raise ValueError(f"empty interval [{self.lower}, {self.upper})")

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and self.lower <= key < self.upper


@dataclass(frozen=True, slots=True)
class Unshown:
    """``[lower, upper)`` was requested, and the exchange did not show it.

    ``since`` and ``asked_at``: the times (microseconds) of the first and the last request.
    ``times``: the number of pulls that requested it. ``lost``: not shown for long enough to be
    called lost.
    """

    lower: int
    upper: int
    since: int
    asked_at: int
    times: int = 1
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """``[lower, upper)`` is not proved; ``below``/``above`` are the intervals at its edges."""

    lower: int
    upper: int | None
    below: Interval | None
    above: Interval | None


def add(intervals: Intervals, new: Interval) -> Intervals:
    """``intervals`` with ``new``; intervals that touch become one.

    >>> add((Interval(0, 5), Interval(9, 12)), Interval(5, 9))
    (Interval(lower=0, upper=12, first=None, last=None, first_at=None, last_at=None),)
    """
    return union((*intervals, new))


def union(intervals: Iterable[Interval]) -> Intervals:
    """The union of ``intervals`` in any order, overlapping or not; those that touch become one.

    >>> marked = (Interval(0, 5, 1, 4), Interval(7, 9), Interval(3, 8, 4, 6))
    >>> union(marked) == union(reversed(marked)) == (Interval(0, 9, 1, 6),)
    True
    """
    found: list[Interval] = []
    together: list[Interval] = []
    upper = 0
    for interval in sorted(intervals, key=lambda i: i.lower):
        if together and interval.lower > upper:
            found.append(_as_one(together))
            together = []
        upper = max(upper, interval.upper) if together else interval.upper
        together.append(interval)
    return (*found, _as_one(together)) if together else ()


def subtract(intervals: Intervals, taken: Sequence[Interval]) -> Intervals:
    """``intervals`` less ``taken``; pieces lose their row keys, which may lie in ``taken``."""
    pieces = [(i.lower, i.upper) for i in intervals]
    for cut in taken:
        pieces = [
            (low, high)
            for lower, upper in pieces
            for low, high in ((lower, min(upper, cut.lower)), (max(lower, cut.upper), upper))
            if low < high
        ]
    return tuple(Interval(low, high) for low, high in sorted(pieces))


def gaps(intervals: Intervals, lower: int, upper: int | None = None) -> tuple[Gap, ...]:
    """The gaps of ``intervals`` in ``[lower, upper)``, newest first. ``None``: no upper end."""
    found: list[Gap] = []
    position = lower
    below: Interval | None = None
    for interval in intervals:
        if upper is not None and interval.lower >= upper:
            if position < upper:
                found.append(Gap(position, upper, below, interval))
            return tuple(reversed(found))
        if interval.lower > position:
            found.append(Gap(position, interval.lower, below, interval))
        position = max(position, interval.upper)
        below = interval
    if upper is None or position < upper:
        found.append(Gap(position, upper, below, None))
    return tuple(reversed(found))


def _as_one(together: Sequence[Interval]) -> Interval:
    """The union of some that overlap or touch. Its marks are those of the outermost that have any:
    a mark of an interval that ends further inside may share its moment with rows at the end.
    """
    if len(together) == 1:
        return together[0]
    low = min(
        (i for i in together if i.first is not None),
        key=lambda i: (i.lower, -(i.first or 0), i.first_at or 0),
        default=together[0],
    )
    high = max(
        (i for i in together if i.last is not None),
        key=lambda i: (i.upper, -(i.last or 0), i.last_at or 0),
        default=together[0],
    )
    return Interval(
        min(i.lower for i in together),
        max(i.upper for i in together),
        *(low.first, high.last, low.first_at, high.last_at),
    )
