"""Cutting one page out of rows sorted by id, as the paging profile has it."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.paging import End, PagingProfile

Positions = range | list[int]


@dataclass(frozen=True)
class Bounds:
    """The rows asked for. Times in milliseconds, both inclusive; ids as ``*_open`` say."""

    since: int | None = None
    until: int | None = None
    lower_id: int | None = None
    upper_id: int | None = None
    lower_open: bool = False
    upper_open: bool = False


@dataclass(frozen=True)
class Rows:
    """Rows to page through, ascending by id. ``monotonic``: their times never fall."""

    ids: Sequence[int]
    times: Sequence[int]
    monotonic: bool = True

    def within(
        self, shown: Positions, bounds: Bounds, paging: PagingProfile, now: int
    ) -> Positions:
        """The positions of ``shown`` (ascending by id) that are shown inside ``bounds``."""
        if paging.empty_head and bounds.until is None and bounds.upper_id is None:
            return []
        ids, times = self.ids, self.times
        if bounds.lower_id is not None:
            cut = bisect_right if bounds.lower_open else bisect_left
            shown = shown[cut(shown, bounds.lower_id, key=ids.__getitem__) :]
        if bounds.upper_id is not None:
            cut = bisect_left if bounds.upper_open else bisect_right
            shown = shown[: cut(shown, bounds.upper_id, key=ids.__getitem__)]
        since, until = bounds.since, bounds.until
        if self.monotonic:
            if since is not None:
                shown = shown[bisect_left(shown, since, key=times.__getitem__) :]
            if until is not None:
                shown = shown[: bisect_right(shown, until, key=times.__getitem__)]
        elif since is not None or until is not None:
            low, high = since if since is not None else 0, until if until is not None else 2**62
            shown = [i for i in shown if low <= times[i] <= high]
        if paging.hidden_until is None or now < paging.hidden_until:
            for stretch, values in ((paging.hidden_ids, ids), (paging.hidden_ms, times)):
                if stretch is not None:
                    shown = [i for i in shown if not stretch[0] <= values[i] <= stretch[1]]
        return shown

    def page(
        self, shown: Positions, limit: int, keeps: End, order: End, paging: PagingProfile
    ) -> Positions:
        """At most ``limit`` positions from one end, in the order of the answer."""
        if paging.sorts_by == "time":
            # Any order within a moment, but always the same one.
            shown = sorted(shown, key=lambda i: (self.times[i], self.ids[i] * 2654435761 % 2**32))
        if len(shown) > limit:
            shown = shown[len(shown) - limit :] if keeps == "newest" else shown[:limit]
        return shown[::-1] if order == "newest" else shown
