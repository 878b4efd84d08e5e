"""What the rows of files prove, where ids have no holes.

A file proves what its ids prove: runs of consecutive ids. Whether its ids are those of the exchange
is shown where it has a row that is held from elsewhere, with the same values. So a run that only
touches what is complete does not join it: the row at that end is left out, and the next pull, which
asks for it, compares it with the file's.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from connectors.base import Paging
from pipelines.ingest.windows.evidence import Numbers, Received, proved
from warehouse.intervals import Interval, Intervals, union

_MOST_RUNS: Final = 1000
"""A file with more holes than that lacks rows on purpose: each would be asked for on its own."""


def _none() -> Numbers:
    return np.empty(0, np.int64)


@dataclass
class Proof:
    """What one file proves of a stream.

    ``held``: what is complete; ``shown``: the part of it that the exchange has shown.
    """

    paging: Paging
    held: Intervals = ()
    shown: Intervals = ()
    own: Intervals = ()
    left_ids: Numbers = field(default_factory=_none)
    left_times: Numbers = field(default_factory=_none)
    """Rows that were left out: the rows that follow may join them after all."""
    scattered: bool = False
    """The rows are a choice of all there are: their ids have holes everywhere."""

    def add(self, ids: Numbers, times: Numbers) -> Intervals:
        """What further rows prove; ``times`` in microseconds. Nothing, once ``scattered``."""
        gaps = int(np.count_nonzero(np.diff(np.sort(ids)) > 1))
        self.scattered = self.scattered or len(self.own) + gaps > _MOST_RUNS
        if self.scattered:
            return ()
        ids = np.concatenate([self.left_ids, ids])
        times = np.concatenate([self.left_times, times])
        found = _runs(ids, times, self.paging)
        left = np.isin(ids, np.array(self._unjoined(found), np.int64))
        if left.any():
            found = _runs(ids[~left], times[~left], self.paging)
        self.left_ids, self.left_times = ids[left], times[left]
        self.own = union([*self.own, *found])
        return found

    def _unjoined(self, found: Intervals) -> list[int]:
        """The rows of ``found`` at the ends of runs that touch ``held``, and show no row of it."""
        whole = union([*self.own, *found])
        bounds = {i.lower for i in self.held}, {i.upper for i in self.held}
        low = [r.lower for r in whole if r.lower in bounds[1]]
        high = [r.upper - 1 for r in whole if r.upper in bounds[0]]
        return low + high


def _runs(ids: Numbers, times: Numbers, paging: Paging) -> Intervals:
    return proved(Received(ids, times), (), paging) if len(ids) else ()


def holes(complete: Intervals, lower: int, upper: int) -> Intervals:
    """The ids between ``lower`` and ``upper`` (both inclusive) that are not complete.

    >>> [(i.lower, i.upper) for i in holes((Interval(3, 5), Interval(8, 9)), 3, 9)]
    [(5, 8), (9, 10)]
    """
    found, at = [], lower
    for i in complete:
        if i.upper <= lower or i.lower > upper:
            continue
        if i.lower > at:
            found.append(Interval(at, i.lower))
        at = max(at, i.upper)
    if at <= upper:
        found.append(Interval(at, upper + 1))
    return tuple(found)
