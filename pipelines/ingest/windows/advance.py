"""The progress of a pull after each answer: the head, newer rows, look-back, unsettled rows. Pure.

``gaps`` does the same for answers to requests for gaps.
"""

from typing import Final

from connectors.base import Unit
from pipelines.ingest.windows.changes import added, claimed, counted, gone, noted, untried
from pipelines.ingest.windows.evidence import (
    LEAST_CAP,
    Evidence,
    Received,
    is_covered,
    is_young,
    leaves_out_older,
)
from pipelines.ingest.windows.gaps import ENOUGH, after_gap, ignores, without_holes
from pipelines.ingest.windows.plan import BARREN, ask_up, finer, top_value, turn
from pipelines.ingest.windows.state import (
    Head,
    Kind,
    Progress,
    Request,
    Restart,
    Upward,
    last_row,
    replace,
)
from schemas.times import SECOND_US
from warehouse.intervals import Interval, Intervals

MINUTE_US: Final = 60 * SECOND_US
REPEATS: Final = 2
"""So often what is newer than a held row is asked for again where not even that row is shown."""


def advance(p: Progress, request: Request, evidence: Evidence) -> Progress:
    """The progress after the answer to ``request``."""
    rows, before = evidence.rows, p.complete
    known_top, most_rows = p.raw_top, p.most_rows
    p = without_holes(claimed(noted(p, request, rows), evidence), evidence)
    match request.kind:
        case Kind.HEAD:
            return _after_head(p, rows, before)
        case Kind.UP | Kind.BEYOND:
            p = counted(p, evidence)
            if p.barren >= BARREN:
                return replace(p, failures=(*p.failures, ENOUGH))
            return _after_up(p, request, rows, before, known_top, most_rows)
        case Kind.BACK:
            return _after_back(p, request, rows)
        case Kind.NUMBERING:
            return _old_numbering(p, rows)
        case Kind.SETTLE:
            return _after_settle(p, request)
    return after_gap(p, request, evidence, before)


def _after_head(p: Progress, rows: Received, before: Intervals) -> Progress:
    shown = rows.shown
    if not len(shown):
        p = replace(p, head_due=False, head=Head())
        may_be_above = p.head_empty or p.pull.paging.max_span_us is not None
        asks_up = may_be_above and bool(before) and p.pull.can_lower
        return replace(p, top_settled=not asks_up, checked=not p.head_empty)
    low, top = int(shown[0]), int(shown[-1])
    held = p.pull.top_row
    lowest_at = int(rows.times.min()) if len(rows.times) else p.pull.started
    reread = int((shown <= held).sum()) if held is not None else 0
    p = replace(p, head_due=False, head=Head(low, lowest_at, top), low_read=low, reread=reread)
    if p.restart is not None and top <= p.restart.top:
        return _old_numbering(p, rows)
    if held is not None and top < held:
        return _head_is_not_the_top(p, rows)
    if not p.complete:
        if len(rows.positions) and rows.size < LEAST_CAP and is_young(p, rows):
            return replace(p, top_settled=True, checked=True)  # the first rows, an hour too early
        if rows.final is not None and not (rows.final.any() or rows.rejected or rows.unreadable):
            return replace(p, top_settled=True, checked=True)  # the first candle is open still
        return replace(p, top_settled=True, failures=(*p.failures, _nothing_proved(rows)))
    # Known older rows may also be gone from the exchange: once a day what is newer is asked for.
    newest, believed = leaves_out_older(before, rows), p.profile.keeps == "newest"
    settled = (newest and believed) or not p.pull.can_lower
    if newest and not believed:
        p = replace(p, profile=replace(p.profile, keeps="newest", keeps_at=p.pull.started))
    return _from_top(replace(p, top_settled=settled, checked=settled))


def _nothing_proved(rows: Received) -> str:
    if len(rows.positions):
        return (
            f"the newest answer holds {len(rows.positions)} rows of one or two moments, "
            "which proves nothing. Fix: none is needed if later pulls find more rows"
        )
    return (
        "every row of the newest answer is malformed, which proves nothing. "
        "Fix: see the table quarantine for what came"
    )


def _head_is_not_the_top(p: Progress, rows: Received) -> Progress:
    """The newest page ends below the newest row held: it is outdated, or ids restarted."""
    held = p.pull.top_row
    assert p.pull.top_before is not None and held is not None
    newest = int(rows.times.max()) if len(rows.times) else 0
    at = p.pull.top_before.last_at or p.pull.newest_before or p.pull.started
    if p.pull.counts_ids and newest > max(at, p.pull.newest_before or 0):
        return replace(
            p,
            complete=(),
            unshown=(),
            top_settled=True,
            newest_at=p.pull.newest_before,
            restart=Restart(held, last_row(p.pull.top_before), at, p.pull.started),
        )
    keeps = None if p.profile.keeps == "newest" else p.profile.keeps
    p = replace(p, profile=replace(p.profile, keeps=keeps))
    if not p.pull.can_lower:
        return _is_stale(p)
    start = p.anchor if p.anchor is not None else top_value(p)
    return replace(p, up=Upward(start), raw_top=held)


def _old_numbering(p: Progress, rows: Received) -> Progress:
    """After a restart of ids: if the older row is shown again, the old numbering is back."""
    assert p.restart is not None
    at = rows.times[rows.positions == p.restart.row]
    if len(at) and int(at[0]) == p.restart.row_at:
        return replace(p, restart=None, head_due=True, numbering_asked=True)
    return replace(p, numbering_asked=True)


def _is_stale(p: Progress) -> Progress:
    text = (
        "the exchange does not show the newest rows that it showed before. It is unknown whether "
        "there are newer ones. Fix: pull again later; nothing that is stored is lost"
    )
    return replace(p, top_settled=True, stale=True, failures=(*p.failures, text))


def _from_top(p: Progress) -> Progress:
    return replace(p, up=replace(p.up, start=top_value(p), units=(), resume=None))


def _after_up(
    p: Progress,
    request: Request,
    rows: Received,
    before: Intervals,
    known: int | None,
    most_rows: int,
) -> Progress:
    """``known``/``most_rows``: the highest position and the most rows of the answers before."""
    shown = rows.shown
    if not len(shown):
        further = finer(p, rows, request.window.resume) if rows.unreadable else None
        if further is not None:
            return replace(p, up=replace(p.up, resume=further))
        return _nothing_above(p, request, rows)
    top = int(shown[-1])
    if request.kind is Kind.BEYOND and top == known and ask_up(p) != request:
        return p  # the bound is inclusive: the next request leaves that row out
    alive = any(is_covered(before, int(s)) for s in (shown[0], *shown[:: max(1, len(shown) // 8)]))
    p = replace(p, up=replace(p.up, beyond=False, repeats=0))
    if known is not None and top <= known:
        maybe_cut = rows.size >= most_rows
        return _nothing_newer(p, request, rows, known, alive=alive, maybe_cut=maybe_cut)
    if alive:
        p = p if rows.outside else _confirmed(p, request.window.unit)
        if _head_is_low(p):
            p = replace(p, profile=replace(p.profile, keeps="oldest", keeps_at=p.pull.started))
    if _head_left_out_newer(p, rows):
        p = replace(p, profile=replace(p.profile, keeps=None))
    p = _from_top(p)
    if request.window.resume is not None:
        p = replace(p, up=replace(p.up, resume=finer(p, rows, request.window.resume)))
    new = int((shown > (known if known is not None else -1)).sum())
    if (p.newest_at or 0) >= p.pull.started and new < max(2, p.most_rows // 2):
        return replace(p, top_settled=True, checked=not p.head_empty)  # the next pull goes on
    return p


def _nothing_newer(
    p: Progress, request: Request, rows: Received, known: int, *, alive: bool, maybe_cut: bool
) -> Progress:
    """After an answer without a row newer than ``known``: was it the end, or was it cut below it?

    ``alive``: it shows rows that are held. ``maybe_cut``: it is as large as any before.
    """
    start = p.up.start or 0
    further = _next_start(p, rows, start)
    maybe_cut = maybe_cut and request.kind is Kind.UP and not p.up.beyond_empty
    if maybe_cut and (further <= start or request.window.resume is not None):
        resume = finer(p, rows, request.window.resume)
        if resume is not None:
            return replace(p, up=replace(p.up, resume=resume))
    p = replace(p, up=replace(p.up, resume=None))
    if alive and further > start and (maybe_cut or int(rows.shown[-1]) < known):
        return replace(p, up=replace(p.up, start=further, units=()))
    if maybe_cut:
        boundary = p.complete[-1].upper - p.pull.margin
        if p.pull.counts_ids and not p.pull.by_time and start < boundary:
            return replace(p, up=replace(p.up, start=boundary))
        return replace(p, up=replace(p.up, beyond=True))
    ignored = rows.outside and request.window.lower is not None
    if ignored and (other := _in_another_unit(p, request)) is not None:
        return other
    if alive and not ignored:
        p = _confirmed(p, request.window.unit)
    if p.pull.counts_ids and known == p.raw_top and not is_covered(p.complete, known):
        # Only the newest row is covered: below it lies a gap like any other.
        p = added(p, Interval(known, known + 1, known, known, p.raw_top_at, p.raw_top_at))
    return replace(p, top_settled=True, checked=alive and not p.head_empty, doubtful=ignored)


def _head_left_out_newer(p: Progress, rows: Received) -> bool:
    """Whether an answer shows rows above the newest answer that were there when it was given."""
    if p.head is None or p.head.top is None:
        return False
    above = rows.times[rows.positions > p.head.top]
    return len(above) > 0 and int(above.min()) < p.pull.started - MINUTE_US


def _next_start(p: Progress, rows: Received, start: int) -> int:
    """The cursor value to go on from: of the newest row older than the newest moment of an answer,
    which may be cut between rows of that moment; of the newest row where there is none above
    ``start``.
    """
    cursors = rows.times if p.pull.by_time else rows.positions
    older = cursors[rows.times < rows.times.max()] if len(cursors) else cursors
    further = int(older.max()) if len(older) else 0
    return further if further > start or not len(cursors) else int(cursors.max())


def from_held_row(p: Progress, anchor: int | None) -> Progress:
    """``p`` at its beginning, where answers keep the oldest rows of a window.

    Rows are read again upwards from the held row ``anchor``: the newest answer would show the
    beginning of the history.
    """
    at, top = p.complete[-1].last_at, p.pull.top_row
    return replace(p, anchor=anchor, head_due=False, up=Upward(anchor), raw_top=top, raw_top_at=at)


def may_need_anchor(p: Progress, request: Request, evidence: Evidence) -> bool:
    """Whether the held row above is to be chosen now: what is newer than the newest was not shown,
    and it is unknown which end of a window answers keep.
    """
    nothing_shown = request.kind in (Kind.UP, Kind.BEYOND) and not len(evidence.rows.shown)
    return nothing_shown and p.anchor is None and p.profile.keeps is None and bool(p.complete)


def lacks_anchor(p: Progress) -> bool:
    """Whether rows are to be read again upwards from a held row that is yet to be chosen."""
    return _head_is_low(p) and not p.top_settled and p.anchor is None


def _head_is_low(p: Progress) -> bool:
    """Whether the newest answer ends below the newest row that was held."""
    top, held = p.head.top if p.head else None, p.pull.top_row
    return top is not None and held is not None and top < held


def _nothing_above(p: Progress, request: Request, rows: Received) -> Progress:
    """After an answer to ``Kind.UP`` or ``Kind.BEYOND`` without a row inside the window."""
    if request.kind is Kind.BEYOND:
        return replace(p, up=replace(p.up, beyond=False, beyond_empty=True))
    if (other := _in_another_unit(p, request)) is not None:
        return other
    if p.head_empty:
        return replace(p, top_settled=True)
    if p.pull.paging.dense and p.head is not None and p.head.top == p.raw_top:
        # The newest rows were shown a moment ago: a copy of the list that is behind answers.
        return replace(p, top_settled=True)
    if rows.outside:
        return replace(p, top_settled=True, failures=(*p.failures, ignores(p)))
    if p.head is None:  # not requested, because answers keep the oldest rows
        profile = replace(p.profile, keeps=None)
        return replace(p, head_due=True, up=replace(p.up, start=None, units=()), profile=profile)
    if p.up.repeats < REPEATS:  # another server, with a newer copy of the list, may answer
        return replace(p, up=replace(p.up, repeats=p.up.repeats + 1))
    if p.anchor is not None and not p.up.from_anchor:
        return replace(p, up=replace(p.up, start=p.anchor, units=(), from_anchor=True))
    return _is_stale(p)


def _in_another_unit(p: Progress, request: Request) -> Progress | None:
    """The same request with a unit of time bounds not tried yet; ``None``: there is none."""
    tried = p.up.units or (request.window.unit,)
    unit = untried(p, tried)
    return None if unit is None else replace(p, up=replace(p.up, units=(*tried, unit)))


def _confirmed(p: Progress, unit: Unit | None) -> Progress:
    if unit is None:
        return p
    return replace(p, profile=replace(p.profile, unit=unit, unit_at=p.pull.started))


def _after_back(p: Progress, request: Request, rows: Received) -> Progress:
    shown = rows.shown
    if not len(shown) or p.low_read is None or int(shown[0]) >= p.low_read:
        tried = p.back_units or (request.window.unit,)
        if not len(shown) and (unit := untried(p, tried)) is not None:
            return replace(p, back_units=(*tried, unit))
        return replace(p, reread=max(p.reread, p.pull.lookback))
    below = int((shown < p.low_read).sum())
    return replace(p, low_read=int(shown[0]), reread=p.reread + below)


def _after_settle(p: Progress, request: Request) -> Progress:
    p = replace(p, settle_requests=p.settle_requests + 1)
    low, high = request.window.lower or 0, request.window.upper
    left = [w for w in turn(p) if low <= w and (high is None or w <= high)]
    before = p.settle_left
    if left and len(left) == before:  # the answer showed none of the rows
        p = gone(p, frozenset((left[0], left[-1])))
        left = left[1:-1]
    settle_range = (left[0], left[-1]) if left else None
    return replace(p, settle_range=settle_range, settle_left=len(left))
