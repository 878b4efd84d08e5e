"""The attempt at one gap: after each answer, the next way to request it. Pure.

First both held rows at its edges and all between (``Step.GAP``). Where the answer may be cut
between rows of one moment, from one row to the next (``Step.NARROW``). Where an answer holds a
single row, three requests (``Step.LOW_HALF`` to ``Step.INSIDE``). Where it shows nothing below a
row, at growing distances below it (``Step.PROBE``), then the row itself again (``Step.CONTROL``) or
single rows above it (``Step.SINGLE``). A gap that no step closes is noted as not shown.
"""

from itertools import pairwise
from typing import Final

import numpy as np

from pipelines.ingest.windows.changes import added, counted, unshown, untried
from pipelines.ingest.windows.evidence import (
    LEAST_CAP,
    Evidence,
    Received,
    inside,
    shows_above,
    shows_below,
)
from pipelines.ingest.windows.plan import BARREN, EARLIER_US, SHIFTS_US, ask, finer
from pipelines.ingest.windows.state import Attempt, Progress, Request, Step, first_row, replace
from schemas.times import DAY_US
from warehouse.intervals import Gap, Interval, Intervals, subtract

PROBE_FACTOR: Final = 32
"""Each probe below the first row is so many times further away than the one before …"""
THIN_FACTOR: Final = 2
"""… where answers hold few rows: if the limit is applied first, most probes show none."""


ENOUGH: Final = (
    "this pull ended early, because too many answers proved nothing. What was received is stored. "
    "Fix: none is needed; the next pull continues"
)


def after_gap(p: Progress, request: Request, evidence: Evidence, before: Intervals) -> Progress:
    """The progress after an answer of an attempt at a gap. ``before``: the coverage until then."""
    t, rows = request.attempt, evidence.rows
    assert t is not None
    if p.complete != before:
        p = _learnt(p, request, rows)
        return counted(p if p.attempt is None else replace(p, attempt=None), evidence)
    p = replace(p, barren=p.barren + 1)
    if p.barren >= BARREN:
        return _give_up(p, t, ENOUGH, may_be_lost=False)
    match t.step:
        case Step.GAP:
            return _after_plain(p, t, request, rows)
        case Step.NARROW:
            return _after_narrow(p, t, request, rows)
        case Step.LOW_HALF | Step.HIGH_HALF | Step.INSIDE:
            return _after_half(p, t, request, rows)
        case Step.PROBE:
            return _after_probe(p, t, rows)
        case Step.CONTROL:
            return _after_control(p, t, rows)
        case Step.SINGLE:
            return _after_single(p, t, rows)


def _learnt(p: Progress, request: Request, rows: Received) -> Progress:
    """The paging profile after an answer that proved something."""
    profile = p.profile
    if request.window.unit is not None and not rows.outside:
        profile = replace(profile, unit=request.window.unit, unit_at=p.pull.started)
    if _head_left_out(p, rows) and profile.keeps != "newest":
        profile = replace(profile, keeps="newest", keeps_at=p.pull.started)
    return p if profile == p.profile else replace(p, profile=profile)


def _head_left_out(p: Progress, rows: Received) -> bool:
    """Whether an answer shows rows older than all of the newest answer: that kept the newest."""
    if p.head is None or p.head.low is None or not len(rows.positions):
        return False
    return int(rows.positions.min()) < p.head.low and int(rows.times.min()) < p.head.low_at


def _after_plain(p: Progress, t: Attempt, request: Request, rows: Received) -> Progress:
    """After an answer to ``Step.GAP`` that proved nothing new."""
    found = tuple(inside(t.gap, rows).tolist())
    below, above = shows_below(t, rows), shows_above(t, rows)
    tried = t.units or (request.window.unit,)
    if not below and not above and not found and (unit := untried(p, tried)) is not None:
        return replace(p, attempt=replace(t, units=(*tried, unit)))
    if p.pull.paging.dense:
        return _after_dense(p, t, request, rows)
    t = replace(t, rows=rows.size, seen=found, shown=t.shown or above)
    if not t.tight and not found and len(rows.shown) > 1 and below != above:
        return replace(p, attempt=replace(t, tight=True))
    if t.tight and below != above and (p.high_inclusive if below else p.low_inclusive) is None:
        return _exclusive(replace(p, attempt=t), low=not below)
    by_moments = not p.pull.counts_ids and not p.pull.counts_times  # positions are times of rows
    if by_moments and below and above and not found and not rows.unreadable:
        assert t.gap.upper is not None
        return replace(added(p, Interval(t.gap.lower, t.gap.upper)), attempt=None, barren=0)
    if rows.outside and not found:
        return _stop(_give_up(p, t, ignores(p)))
    if p.pull.paging.max_span_us is not None and not found:
        return _after_span(p, t, rows)
    if found and {*found} <= rows.rejected and not t.again:
        return replace(p, attempt=replace(t, again=True))
    if (further := _go_on(p, t, rows)) is not None:
        return further
    if not p.pull.can_upper and above and (found or below) and not p.oldest_kept:
        return replace(p, attempt=replace(t, step=Step.SINGLE))
    if not p.pull.can_upper and above and below and not found:
        above_it = replace(
            t, step=Step.NARROW, mirrored=True, exclude=True, seen=(t.gap.upper or 0,)
        )
        return replace(p, attempt=above_it)
    if not p.pull.counts_times:
        if above and (found or below):
            seen = found or (t.gap.lower - 1,)
            return replace(p, attempt=replace(t, step=Step.NARROW, seen=seen))
        if below and found:
            return replace(p, attempt=replace(t, step=Step.NARROW, mirrored=True))
        if t.rows == 1 and t.gap.below is not None and t.gap.above is not None:
            return replace(p, attempt=replace(t, step=Step.LOW_HALF))
        if found and not p.pull.counts_ids:
            return _give_up(p, t, _one_moment(p))
    if not p.pull.can_upper:
        if above and t.gap.below is None and not found and not rows.unreadable:
            return _begun(p, t)
        return _give_up(p, t, _not_shown(p))
    return _next_probe(p, replace(t, step=Step.PROBE))


def _exclusive(p: Progress, *, low: bool) -> Progress:
    """``p`` with one bound known to be exclusive."""
    return replace(p, low_inclusive=False) if low else replace(p, high_inclusive=False)


def _after_dense(p: Progress, t: Attempt, request: Request, rows: Received) -> Progress:
    """After ``Step.GAP``, ids without holes: an id not shown is missing, except below the first.

    That is id 1, or the first one of an answer from the beginning of time on, or, where the oldest
    rows are dropped, the one below which two answers show nothing.
    """
    if shows_above(t, rows) and t.gap.below is None and not rows.outside:
        from_zero = p.pull.by_time and request.window.lower == 0 and p.bounded
        if t.gap.upper == 1 or (from_zero and not rows.unreadable):
            return _begun(p, t)
        if p.pull.paging.drops_oldest and not rows.unreadable and not len(inside(t.gap, rows)):
            return _begun(p, t) if t.again else replace(p, attempt=replace(t, again=True))
    further = finer(p, rows, t.resume)
    if further is not None and not shows_above(t, rows):
        return replace(p, attempt=replace(t, resume=further))
    if (
        not p.pull.by_time
        and not t.tight
        and t.gap.above is not None
        and p.pull.can_upper
        and p.pull.can_lower
    ):
        return replace(p, attempt=replace(t, tight=True))
    ways = EARLIER_US if t.gap.below is None else SHIFTS_US
    if p.pull.by_time and t.shift + 1 < len(ways):
        return replace(p, attempt=replace(t, shift=t.shift + 1, resume=None))
    return _give_up(p, t, _not_shown(p))


def _after_span(p: Progress, t: Attempt, rows: Received) -> Progress:
    """A window of bounded length came without rows: complete where it did so a day ago as well.

    The windows of two pulls need not be the same: newer rows move them.
    """
    gap = t.gap
    assert gap.upper is not None
    if not _has_room(p, rows):  # rows at an edge filled the answer, or unreadable ones
        return _give_up(p, t, _one_moment(p) if rows.size else _not_shown(p))
    whole = Interval(gap.lower, gap.upper)
    older = [Interval(u.lower, u.upper) for u in p.unshown if p.pull.started - u.since >= DAY_US]
    younger = subtract((whole,), older)
    for again in subtract((whole,), younger) if p.most_rows else ():
        p = added(p, Interval(again.lower, again.upper))
    return _put_off(p, gap)


def _put_off(p: Progress, gap: Gap) -> Progress:
    """What is not complete of ``gap`` waits: nothing is wrong, and a later pull asks again."""
    assert gap.upper is not None
    for left in subtract((Interval(gap.lower, gap.upper),), p.complete):
        p = unshown(p, left.lower, left.upper, may_be_lost=False)
    return replace(p, attempt=None, skipped={**p.skipped, (gap.lower, gap.upper): ""}, barren=0)


def _after_narrow(p: Progress, t: Attempt, request: Request, rows: Received) -> Progress:
    """After ``Step.NARROW`` without room, or without a row that it must show: half the window."""
    low, high = (t.gap.lower, t.seen[-1]) if t.mirrored else (t.seen[0], (t.gap.upper or 0) - 1)
    shown = rows.shown
    must = t.seen[-1] if t.mirrored else t.seen[0]
    if must not in shown and (p.high_inclusive if t.mirrored else p.low_inclusive) is None:
        return _exclusive(replace(p, attempt=t), low=not t.mirrored)
    came = shown[(shown >= low) & (shown <= high)].tolist()
    seen = tuple(sorted({*t.seen, *came}))
    rows_now = max(t.rows, rows.size)
    if len(seen) > 1:
        half = seen[: len(seen) // 2] if t.mirrored else seen[(len(seen) + 1) // 2 :]
        return replace(p, attempt=replace(t, seen=half, rows=rows_now))
    if not t.exclude:  # no room: the next request leaves out the row on the other side
        return replace(p, attempt=replace(t, exclude=True))
    if ask(p, t) != request:
        return replace(p, attempt=t)  # a bound turned out to be inclusive: once more without it
    if not p.pull.counts_ids or (not p.pull.can_lower and t.gap.below is not None):
        return _give_up(p, t, _one_moment(p))
    if not p.pull.can_upper:
        return _give_up(p, t, _not_shown(p))
    return _next_probe(p, replace(t, step=Step.PROBE))


def _after_half(p: Progress, t: Attempt, request: Request, rows: Received) -> Progress:
    """After one of the three requests that prove two rows to be neighbours, one row per answer.

    From the row below to just under the one above: shows the row below alone. From just over the
    row below to the row above: shows the row above alone. Strictly between: shows nothing.
    """
    gap = t.gap
    assert gap.below is not None and gap.upper is not None
    low, high = gap.lower - 1, gap.upper
    shown = rows.shown.tolist()
    if between := tuple(s for s in shown if low < s < high):
        if not p.pull.counts_ids:
            room = min(2, p.most_rows)
            return replace(p, attempt=replace(t, step=Step.NARROW, seen=between, rows=room))
        # Rows without proof of their neighbours: each begins a gap of its own on either side.
        for row in _single_rows(rows):
            p = added(p, row)
        return replace(p, attempt=None)
    if ask(p, t) != request:
        return replace(p, attempt=t)  # a bound turned out to be inclusive: once more without it
    wanted = {Step.LOW_HALF: [low], Step.HIGH_HALF: [high], Step.INSIDE: []}[t.step]
    if not shown and wanted:
        if t.step is Step.LOW_HALF and p.low_inclusive is None:
            return replace(p, attempt=t, low_inclusive=False)
        if t.step is Step.HIGH_HALF and p.high_inclusive is None:
            return replace(p, attempt=t, high_inclusive=False)
    if shown != wanted or rows.unreadable or rows.outside:
        probing = replace(t, step=Step.PROBE)
        return _next_probe(p, probing) if p.pull.can_upper else _give_up(p, t, _not_shown(p))
    if t.step is Step.INSIDE:
        return replace(added(p, Interval(low, high)), attempt=None)
    following = Step.HIGH_HALF if t.step is Step.LOW_HALF else Step.INSIDE
    return replace(p, attempt=replace(t, step=following))


def _go_on(p: Progress, t: Attempt, rows: Received) -> Progress | None:
    """Past a moment that fills an answer, where requests name an id on one side alone.

    The far row is claimed alone, as the place to ask from: no other request shows what lies behind
    it. What lies before it waits for the next pull. ``None``: the answer is not so, or dense.
    """
    one_sided = not p.pull.by_time and not (p.pull.can_lower and p.pull.can_upper)
    if not one_sided or not p.pull.counts_ids or rows.size < max(p.most_rows, LEAST_CAP):
        return None
    up = p.pull.can_lower
    if shows_above(t, rows) if up else shows_below(t, rows):
        return None
    found = [row for row in inside(t.gap, rows).tolist() if row not in rows.rejected]
    if not found:
        return None
    far = max(found) if up else min(found)
    p = added(p, next(row for row in _single_rows(rows) if row.lower == far))
    lower, upper = (t.gap.lower, far) if up else (far + 1, t.gap.upper or far + 1)
    if lower < upper:
        p = _unanswered(p, lower, upper, _one_moment(p), may_be_lost=True)
    return replace(p, attempt=None, barren=0)


def _single_rows(rows: Received) -> Intervals:
    """Every row of an answer, as an interval of its own."""
    ids, times = rows.in_order
    return tuple(
        Interval(row, row + 1, row, row, at, at)
        for row, at in zip(ids.tolist(), times.tolist(), strict=True)
    )


def _after_probe(p: Progress, t: Attempt, rows: Received) -> Progress:
    """After ``Step.PROBE``: it counts where it shows nothing below the row above the gap."""
    if len(inside(t.gap, rows)):  # moments that no answer shows whole, or malformed rows
        return _give_up(p, t, _not_shown(p) if p.pull.counts_ids else _one_moment(p))
    if rows.outside:
        return _stop(_give_up(p, t, ignores(p)))
    if not _has_room(p, rows):  # rows of the moment above filled it, or one that is unreadable
        return _give_up(p, t, _one_moment(p) if rows.size else _not_shown(p))
    return _next_probe(p, t)


def _has_room(p: Progress, rows: Received) -> bool:
    """Whether an answer could have held another row: it is smaller than one before, or tiny."""
    return not rows.unreadable and (rows.size < LEAST_CAP or rows.size < p.most_rows)


def _next_probe(p: Progress, t: Attempt) -> Progress:
    """The next probe: a request at a greater distance below the row above."""
    gap = t.gap
    assert gap.upper is not None
    base = max(1, p.most_rows) * (p.pull.step if p.pull.counts_times else 1)
    if p.pull.by_time and not p.pull.counts_times:
        base = DAY_US
    factor = THIN_FACTOR if p.pull.of_market and p.most_rows < 16 else PROBE_FACTOR
    top = gap.upper
    if p.pull.by_time and p.pull.counts_ids:
        top = (gap.above.first_at if gap.above else None) or p.pull.started
    far = 0 if not t.probes else base * factor ** (len(t.probes) - 1)
    below = top - p.pull.margin - far
    lowest = gap.lower if not (p.pull.by_time and p.pull.counts_ids) else p.pull.wanted_from
    if below > lowest or (not t.probes and below >= lowest):
        return replace(p, attempt=replace(t, step=Step.PROBE, probes=(*t.probes, below)))
    if gap.below is None and p.pull.by_time and p.pull.counts_ids:
        # Times before the wanted ones were not requested, and a moment may have lower ids.
        return _give_up(p, t, _no_beginning(p))
    if gap.below is None and gap.above is not None and t.shown:
        if p.pull.of_market and p.pull.counts_ids:
            if (p.raw_top or 0) <= first_row(gap.above):
                return _put_off(p, gap)  # single rows need a second place to be asked from
            return replace(p, attempt=replace(t, step=Step.SINGLE, places=_places(p, t)))
        return replace(p, attempt=replace(t, step=Step.CONTROL))
    return _give_up(p, t, _not_shown(p))


def _after_control(p: Progress, t: Attempt, rows: Received) -> Progress:
    """After ``Step.CONTROL``: the history begins if it shows the first row and nothing below."""
    alone = shows_above(t, rows) and not len(inside(t.gap, rows))
    if not alone or rows.outside or rows.unreadable:
        return _give_up(p, t, _not_shown(p))
    return _begun(p, t)


def _places(p: Progress, t: Attempt) -> tuple[int, ...]:
    """Upper bounds above the first row: an answer below each of them has a row to show."""
    low, high = first_row(t.gap.above), max(p.raw_top or 0, first_row(t.gap.above))
    return low + 1, (low + high) // 2 + 1, high + 17


def _after_single(p: Progress, t: Attempt, rows: Received) -> Progress:
    """After ``Step.SINGLE``: the one newest row below a bound above the first row is shown.

    An exchange that applies the limit before it selects the market shows one only where the newest
    row of all markets there is, by chance, of this market. Where requests name lower bounds alone,
    one row from there on: if newer ones are left out, answers hold the oldest of their window, and
    the gap is requested again. If no newer moment is known, that waits for one.
    """
    if not p.pull.can_upper:
        if p.oldest_kept:
            return replace(p, attempt=None)
        newest = (p.raw_top_at or 0) <= int(rows.times.max()) if len(rows.times) else False
        return _put_off(p, t.gap) if newest else _give_up(p, t, _not_shown(p))
    if not len(rows.shown):
        return _give_up(p, t, _cuts_first(p))
    if len(t.places) > 1:
        return replace(p, attempt=replace(t, places=t.places[1:]))
    return _begun(p, t)


def _begun(p: Progress, t: Attempt) -> Progress:
    """``p`` with the beginning proved: no row lies below the first one."""
    assert t.gap.upper is not None
    p = added(p, Interval(t.gap.lower, t.gap.upper))
    return replace(p, attempt=None, barren=0, beginning=t.probes)


def _give_up(p: Progress, t: Attempt, why: str, *, may_be_lost: bool = True) -> Progress:
    """End the attempt: the gap is noted as not shown, and this pull no longer requests it."""
    assert t.gap.upper is not None
    p = _unanswered(p, t.gap.lower, t.gap.upper, why, may_be_lost=may_be_lost)
    return replace(p, attempt=None)


def _unanswered(p: Progress, lower: int, upper: int, why: str, *, may_be_lost: bool) -> Progress:
    p = unshown(p, lower, upper, may_be_lost=may_be_lost)
    lost = [Interval(u.lower, u.upper) for u in p.unshown if u.lost]
    is_lost = not subtract((Interval(lower, upper),), lost)
    return replace(p, skipped={**p.skipped, (lower, upper): "" if is_lost else why})


def without_holes(p: Progress, evidence: Evidence) -> Progress:
    """``p`` with the ids that an answer leaves out between its rows, where ids have no holes.

    They were requested with it, and are not shown: one by one would take a request or two each.
    Not where an answer is cut between rows of one time, nor where a row cannot be read.
    """
    rows, retried = evidence.rows, p.retried
    if not p.pull.paging.dense or p.pull.by_time or rows.unreadable or p.restart is not None:
        return p
    steps = np.diff(rows.positions)
    if (steps > 0).all() or (steps < 0).all():
        for below, above in pairwise(evidence.spans):
            for hole in subtract((Interval(below.upper, above.lower),), p.complete):
                p = _unanswered(p, hole.lower, hole.upper, _not_shown(p), may_be_lost=True)
    return replace(p, retried=retried)


def _stop(p: Progress) -> Progress:
    return replace(p, barren=BARREN)


def ignores(p: Progress) -> str:
    """The message where answers lie outside the window requested."""
    names = "since and until" if p.pull.by_time else "the id bounds"
    return (
        f"the exchange ignores {names}: it answers with rows outside the window requested, so that "
        "rows inside cannot be fetched. What was received is stored and claimed, nothing else. "
        "Fix: pull again later; if it stays so, the exchange cannot be read further back"
    )


def _not_shown(p: Progress) -> str:
    return (
        "the exchange does not show rows that lie between rows it showed. Nothing is claimed "
        "there. Fix: pull again; each pull asks for them, and what is not shown for a day is "
        "recorded as lost"
    )


def _cuts_first(p: Progress) -> str:
    return (
        "the exchange applies the limit before it selects this market, so that the beginning of "
        "the history cannot be proved. What was received is stored; nothing is claimed below it. "
        "Fix: none is possible from here; the rows stay"
    )


def _no_beginning(p: Progress) -> str:
    return (
        "the rows have ids with holes and are requested by time, so that the beginning of the "
        "history cannot be proved. What was received is stored; nothing is claimed below it. "
        "Fix: none is needed; the rows stay"
    )


def _one_moment(p: Progress) -> str:
    return (
        "more rows share one moment than an answer of the exchange holds, so that some cannot be "
        "requested. Nothing is claimed there. Fix: pull again later; a larger answer shows them"
    )
