"""Changes of the progress that ``advance`` and ``gaps`` share: coverage, rows not shown. Pure."""

from collections.abc import Sequence
from typing import Any

from connectors.base import Unit
from pipelines.ingest.windows.evidence import (
    UNIT_US,
    Evidence,
    Received,
    at_positions,
    is_covered,
    is_cut_above,
)
from pipelines.ingest.windows.state import Kind, Progress, Request, replace
from schemas.times import DAY_US
from warehouse.intervals import Interval, Intervals, Unshown, add, subtract


def noted(p: Progress, request: Request, rows: Received) -> Progress:
    """``p`` with the facts of an answer that count whatever it proves."""
    new: dict[str, Any] = {}  # a copy of so many fields costs: only what differs is replaced, once
    if rows.unreadable and not p.unreadable:
        new["unreadable"] = True
    if not len(rows.shown):
        return replace(p, **new) if new else p
    lower, upper = request.window.lower, request.window.upper
    cursors = rows.times if p.pull.by_time else rows.positions
    if not p.bounded and p.pull.by_time and lower is not None and not rows.outside:
        oldest = p.complete[0].first_at if p.complete else None
        if oldest is not None and oldest < lower - UNIT_US["s"]:
            new["bounded"] = True
    if not p.low_inclusive and lower is not None and lower in cursors:
        new["low_inclusive"] = True
    if not p.high_inclusive and upper is not None and upper in cursors:
        new["high_inclusive"] = True
    most_rows = max(p.most_rows, rows.size)
    if most_rows > p.most_rows:
        new["most_rows"] = most_rows
    if rows.rejected:
        new["seen_rejected"] = p.seen_rejected | rows.rejected
    if not p.oldest_kept and is_cut_above(rows, request, p):
        new["oldest_kept"] = True
    top = int(rows.shown[-1])
    if p.raw_top is None or top > p.raw_top:
        new |= {"raw_top": top, "raw_top_at": _time_of_top(rows, top) or p.raw_top_at}
    if len(rows.positions):
        newest = max(int(rows.times.max()), p.newest_at or 0)
        if newest != p.newest_at:
            new["newest_at"] = newest
        is_short = p.pull.quiet and request.kind is Kind.HEAD
        if p.profile.rows != most_rows and not is_short:
            new["profile"] = replace(p.profile, rows=most_rows)
    if p.unsettled or rows.open:  # of rows that are final nothing is remembered: they are many
        new["refreshed"] = p.refreshed | rows.open
        new["unsettled"] = (p.unsettled - at_positions(rows)) | rows.open
    return replace(p, **new) if new else p


def untried(p: Progress, tried: Sequence[Unit | None]) -> Unit | None:
    """A unit of time bounds that is not among ``tried``; ``None``: there is none."""
    return next((unit for unit in p.pull.paging.units if unit not in tried), None)


def _time_of_top(rows: Received, top: int) -> int | None:
    """The time of the highest row of an answer; of the newest one that is readable, else."""
    if not len(rows.positions):
        return None
    last = int(rows.positions.argmax())
    return int(rows.times[last] if int(rows.positions[last]) == top else rows.times.max())


def counted(p: Progress, evidence: Evidence) -> Progress:
    """``p`` with ``barren`` counted up if the answer proved no more than single rows."""
    if not any(i.upper - i.lower > p.pull.margin for i in evidence.spans):
        return replace(p, barren=p.barren + 1)
    return p if p.unreadable or not p.barren else replace(p, barren=0)


def claimed(p: Progress, evidence: Evidence) -> Progress:
    """``p`` with the proved spans, less the rows that the answer must show and does not."""
    spans, rows = evidence.spans, evidence.rows
    if not spans:
        return p
    for span in spans:
        p = added(p, span)
    if not p.unsettled or p.pull.paging.dense:
        return p
    low, high = min(s.lower for s in spans), max(s.upper for s in spans)
    left_out = (u for u in p.unsettled if low < u < high and not is_covered(spans, u))
    shown = {*rows.shown.tolist()}
    return gone(p, frozenset(u for u in left_out if u not in shown))


def added(p: Progress, interval: Interval) -> Progress:
    """``p`` with ``interval`` covered."""
    unshown = p.unshown
    if unshown:
        cut = (interval,)
        unshown = tuple(
            replace(u, lower=left.lower, upper=left.upper)
            for u in unshown
            for left in subtract((Interval(u.lower, u.upper),), cut)
        )
    return replace(p, complete=add(p.complete, interval), unshown=unshown)


def gone(p: Progress, rows: frozenset[int]) -> Progress:
    """``p`` without coverage of rows that may still change and are no longer shown.

    Orders that are dropped once they are canceled are not there any more: nothing is missing.
    """
    if p.pull.paging.drops_canceled:
        for row in sorted(rows - p.missing):
            p = added(p, Interval(row, row + 1))
        return replace(p, missing=p.missing | rows, unsettled=p.unsettled - rows)
    for row in sorted(rows - p.missing):
        p = replace(p, complete=cut(p.complete, row))
        p = unshown(p, row, row + 1, may_be_lost=True)
    return replace(p, missing=p.missing | rows)


def cut(complete: Intervals, row: int) -> Intervals:
    """``complete`` without the one position ``row``."""
    found: list[Interval] = []
    for i in complete:
        if row not in i:
            found.append(i)
            continue
        if i.lower < row:
            kept = i.last is not None and i.last < row
            ends = (i.last, i.last_at) if kept else (None, None)
            found.append(replace(i, upper=row, last=ends[0], last_at=ends[1]))
        if row + 1 < i.upper:
            kept = i.first is not None and i.first > row
            ends = (i.first, i.first_at) if kept else (None, None)
            found.append(replace(i, lower=row + 1, first=ends[0], first_at=ends[1]))
    return tuple(found)


def unshown(p: Progress, lower: int, upper: int, *, may_be_lost: bool) -> Progress:
    """``p`` with ``[lower, upper)`` noted as not shown; lost where it was so a day ago as well."""
    whole = Interval(lower, upper)
    outer = [
        replace(u, lower=left.lower, upper=left.upper)
        for u in p.unshown
        for left in subtract((Interval(u.lower, u.upper),), (whole,))
    ]
    again = [
        _once_more(p, replace(u, lower=max(lower, u.lower), upper=min(upper, u.upper)), may_be_lost)
        for u in p.unshown
        if u.lower < upper and lower < u.upper
    ]
    known = [Interval(u.lower, u.upper) for u in again]
    fresh = [
        Unshown(left.lower, left.upper, p.pull.started, p.pull.started, 1, False)
        for left in subtract((whole,), known)
    ]
    before = [u for u in p.unshown if u.lost]
    newly = any(u.lost and not any(b.lower <= u.lower < b.upper for b in before) for u in again)
    return replace(
        p,
        unshown=_joined(sorted([*outer, *again, *fresh], key=lambda u: u.lower)),
        lost_found=p.lost_found or newly,
        retried=p.retried + bool(again),
    )


def _once_more(p: Progress, u: Unshown, may_be_lost: bool) -> Unshown:
    lost = u.lost or (may_be_lost and p.pull.started - u.since >= DAY_US)
    return replace(u, asked_at=p.pull.started, times=u.times + 1, lost=lost)


def _joined(stretches: Sequence[Unshown]) -> tuple[Unshown, ...]:
    """Neighbours of which the same is known, as one stretch."""
    found: list[Unshown] = []
    for u in stretches:
        if (
            found
            and found[-1].upper == u.lower
            and replace(found[-1], upper=u.upper) == replace(u, lower=found[-1].lower)
        ):
            found[-1] = replace(found[-1], upper=u.upper)
        else:
            found.append(u)
    return tuple(found)
