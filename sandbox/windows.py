"""Cutting one page out of rows sorted by id, as the laws have it."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.laws import End


@dataclass(frozen=True)
class Bounds:
    """The rows asked for. Times in milliseconds, both inclusive; ids as ``*_open`` say."""

    since: int | None = None
    until: int | None = None
    lower_id: int | None = None
    upper_id: int | None = None
    lower_open: bool = False
    upper_open: bool = False


def within(
    shown: range | list[int],
    ids: Sequence[int],
    times: Sequence[int],
    bounds: Bounds,
    monotonic: bool = True,
) -> range | list[int]:
    """The positions of ``shown`` (ascending by id) that lie inside ``bounds``."""
    if bounds.lower_id is not None:
        cut = bisect_right if bounds.lower_open else bisect_left
        shown = shown[cut(shown, bounds.lower_id, key=ids.__getitem__) :]
    if bounds.upper_id is not None:
        cut = bisect_left if bounds.upper_open else bisect_right
        shown = shown[: cut(shown, bounds.upper_id, key=ids.__getitem__)]
    since, until = bounds.since, bounds.until
    if monotonic:
        if since is not None:
            shown = shown[bisect_left(shown, since, key=times.__getitem__) :]
        if until is not None:
            shown = shown[: bisect_right(shown, until, key=times.__getitem__)]
    elif since is not None or until is not None:
        low, high = since if since is not None else 0, until if until is not None else 2**62
        shown = [i for i in shown if low <= times[i] <= high]
    return shown


def page(shown: range | list[int], limit: int, keeps: End, order: End) -> range | list[int]:
    """At most ``limit`` positions from one end, in the order of the answer."""
    if len(shown) > limit:
        shown = shown[len(shown) - limit :] if keeps == "newest" else shown[:limit]
    return shown[::-1] if order == "newest" else shown
