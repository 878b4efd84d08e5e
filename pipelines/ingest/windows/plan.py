"""Which request comes next, and what an answer changes. Pure.

``plan`` looks at what is proved, what is wanted and what this pull has done, and gives the next
request or ``Done``. ``advance`` is the only place where an answer becomes progress. The order of a
pull: the newest rows, what is newer than those held, the look-back, the gaps from the newest to the
oldest, the rows that may still change.
"""

from dataclasses import dataclass, replace
from typing import Final

from connectors.base import Bounds, Key, Unit, Window
from pipelines.ingest.windows import evidence
from pipelines.ingest.windows.evidence import Received, is_covered, proved
from pipelines.ingest.windows.state import (
    DAY_US,
    Attempt,
    Kind,
    Progress,
    Request,
    Restart,
    Step,
)
from warehouse.intervals import Gap, Interval, Intervals, Unshown, add, gaps, subtract
from warehouse.coverage_table import reaches

SETTLE_REQUESTS: Final = 20
"""The most requests of one pull for rows that may have changed, beyond the look-back."""
RETRIES: Final = 20
"""The most stretches not shown before that one pull asks for again."""
BARREN: Final = 60
"""A pull ends after so many answers in a row that prove nothing."""
PROBE_FACTOR: Final = 2
"""Each probe below the first row goes so many times further than the one before."""
_WIDER_US: Final = (0, 1_000_000, 3_600_000_000)
"""How much earlier to begin where a window of time did not show the row at its edge."""
_LONGEST_REST: Final = 30 * DAY_US


@dataclass(frozen=True)
class Done:
    """Nothing more to ask in this pull."""


def plan(p: Progress) -> Request | Done:
    """The next request of the pull."""
    if not p.head_asked:
        return Request(Kind.HEAD, Window(None, None, _head_limit(p)))
    if p.restart and not p.complete:
        return Done()
    if not p.top_settled:
        return _up(p)
    if p.attempt is not None:
        return _ask(p, p.attempt)
    if _looks_further_back(p):
        upper = None if p.low_read is None else p.low_read + p.margin
        return Request(Kind.BACK, Window(None, upper, p.paging.max_rows, p.unit))
    gap = next_gap(p)
    if gap is not None and p.barren < BARREN:
        return _ask(p, Attempt(gap))
    return _settle(p) or Done()


def advance(p: Progress, request: Request, rows: Received) -> Progress:
    """The progress after the answer ``rows`` to ``request``."""
    before = p.complete
    attempt = p.attempt
    if request.kind in (Kind.GAP, Kind.NARROW, Kind.PROBE, Kind.CONTROL) and attempt is None:
        gap = next_gap(p)
        attempt = Attempt(gap) if gap else None
    known_top, most_rows = p.raw_top, p.most_rows
    spans = _spans(p, request, rows, attempt)
    p = _claimed(_noted(p, request, rows), spans, rows)
    match request.kind:
        case Kind.HEAD:
            return _after_head(p, rows, before)
        case Kind.UP | Kind.BEYOND:
            return _after_up(p, request, rows, before, known_top, most_rows)
        case Kind.BACK:
            return _after_back(p, rows)
        case Kind.SETTLE:
            return _after_settle(p, request)
    return _after_gap(p, attempt, request, rows, spans, before) if attempt else p


def value(p: Progress, position: int, at: int | None) -> int:
    """A row's place as requests name it: its time where rows with ids are asked for by time."""
    return at if p.by_time and p.counts_ids and at is not None else position


# -- the newest rows ---------------------------------------------------------------------------


def _head_limit(p: Progress) -> int:
    if p.paging.key is not Key.TIME or p.top_before is None or p.profile.keeps != "newest":
        return p.paging.max_rows
    missing = max(0, p.started - p.top_before.upper) // p.step
    return min(p.paging.max_rows, missing + p.lookback + 2)


def _leaves_out_older(complete: Intervals, rows: Received) -> bool:
    """Whether rows known before are older than all of an answer to ``Kind.HEAD``, which so shows
    that it kept the newest ones."""
    if not complete or not len(rows.positions):
        return False
    low, at = complete[0].first, complete[0].first_at
    if low is None or at is None:
        return False
    return low < int(rows.positions.min()) and at < int(rows.times.min())


def _after_head(p: Progress, rows: Received, before: Intervals) -> Progress:
    p = replace(p, head_asked=True)
    shown = rows.shown
    if not len(shown):
        known = bool(before) or p.held
        return replace(p, head_empty=known, top_settled=True, checked=not known)
    low, top = int(shown[0]), int(shown[-1])
    held = top_row(p)
    lowest_at = int(rows.times.min()) if len(rows.times) else p.started
    reread = int((shown <= held).sum()) if held is not None else 0
    p = replace(p, head_low=(low, lowest_at), head_top=top, low_read=low, reread=reread)
    if held is not None and top < held:
        return _head_is_not_the_top(p, rows)
    newest = _leaves_out_older(before, rows)
    if newest:
        p = replace(p, profile=replace(p.profile, keeps="newest", keeps_at=p.started))
    if not p.complete:
        return replace(
            p,
            top_settled=True,
            problems=(
                *p.problems,
                f"the newest answer holds {len(rows.positions)} rows of one moment, so that "
                "nothing of it can be proved. Fix: none is needed where later pulls find more rows",
            ),
        )
    settled = newest or not p.can_lower
    return _from_top(replace(p, top_settled=settled, checked=settled))


def _head_is_not_the_top(p: Progress, rows: Received) -> Progress:
    """The newest answer ends below the newest row held: it is old, or ids began anew."""
    held = top_row(p)
    assert p.top_before is not None and held is not None
    newest = int(rows.times.max()) if len(rows.times) else 0
    at = p.top_before.last_at or p.newest_before or p.started
    if p.counts_ids and newest > max(at, p.newest_before or 0):
        return replace(
            p,
            complete=(),
            unshown=(),
            top_settled=True,
            newest_at=p.newest_before,
            restart=Restart(held, at, p.started),
        )
    keeps = None if p.profile.keeps == "newest" else p.profile.keeps
    p = replace(p, profile=replace(p.profile, keeps=keeps))
    if not p.can_lower:
        return replace(p, top_settled=True, problems=(*p.problems, _stale(p)))
    start = p.anchor if p.anchor is not None else _top_value(p)
    return replace(p, up_from=start, raw_top=held)


def top_row(p: Progress) -> int | None:
    """The newest row that was proved when the pull began."""
    if p.top_before is None:
        return None
    return p.top_before.upper - (p.step if p.paging.key is Key.TIME else 1)


def _stale(p: Progress) -> str:
    return (
        "the exchange does not show the newest rows that it showed before, so that nothing newer "
        "can be told. Fix: pull again later; nothing that is stored is lost"
    )


def _top_value(p: Progress) -> int:
    top = p.complete[-1]
    return value(p, top.upper - 1 if top.last is None else top.last, top.last_at)


def _from_top(p: Progress) -> Progress:
    return replace(p, up_from=_top_value(p), up_units=())


# -- what is newer than the rows held ----------------------------------------------------------


def _up(p: Progress) -> Request:
    unit = p.up_units[-1] if p.up_units else p.unit
    start = p.up_from if p.up_from is not None else _top_value(p)
    if p.up_beyond and p.raw_top is not None:
        above = _without_low(p, value(p, p.raw_top, p.raw_top_at))
        return Request(Kind.BEYOND, Window(above, None, p.paging.max_rows, unit))
    return Request(Kind.UP, Window(max(0, start - p.margin), None, p.paging.max_rows, unit))


def _after_up(
    p: Progress,
    request: Request,
    rows: Received,
    before: Intervals,
    known: int | None,
    most_rows: int,
) -> Progress:
    """``known``, ``most_rows``: the highest row and the largest answer before this one."""
    shown = rows.shown
    unit = request.window.unit
    if not len(shown):
        return _nothing_above(p, request, rows)
    if request.kind is Kind.BEYOND and int(shown[-1]) == known and _up(p) != request:
        return p  # the bound turned out to be inclusive: once more without that row
    top = int(shown[-1])
    alive = any(is_covered(before, int(s)) for s in (shown[0], *shown[:: max(1, len(shown) // 8)]))
    p = replace(p, up_beyond=False)
    if known is not None and top <= known:
        if request.kind is Kind.UP and len(shown) >= most_rows and not p.beyond_empty:
            boundary = p.complete[-1].upper - p.margin
            if p.counts_ids and not p.by_time and (p.up_from or 0) < boundary:
                return replace(p, up_from=boundary)
            return replace(p, up_beyond=True)  # an answer of one row may hide the next one
        if alive:
            p = _confirmed(p, unit)
        ignored = rows.outside and request.window.lower is not None
        return replace(p, top_settled=True, checked=alive, doubtful=ignored)
    new = int((shown > (known if known is not None else -1)).sum())
    if alive:
        p = _confirmed(p, unit)
        held = top_row(p)
        if held is not None and p.head_top is not None and p.head_top < held:
            p = replace(p, profile=replace(p.profile, keeps="oldest", keeps_at=p.started))
    p = _from_top(p)
    newest = p.newest_at or 0
    if newest >= p.started and new < max(2, p.most_rows // 2):
        return replace(p, top_settled=True, checked=True)  # abreast of a busy market
    return p


def _nothing_above(p: Progress, request: Request, rows: Received) -> Progress:
    """An answer to ``Kind.UP`` without any row that counts."""
    if request.kind is Kind.BEYOND:
        return replace(p, up_beyond=False, beyond_empty=True)
    tried = (*p.up_units, request.window.unit) if not p.up_units else p.up_units
    for unit in p.paging.units:
        if unit not in tried:
            return replace(p, up_units=(*tried, unit))
    if rows.outside:
        return replace(p, top_settled=True, problems=(*p.problems, ignores(p)))
    if p.anchor is not None and not p.up_deeper:
        return replace(p, up_from=p.anchor, up_units=(), up_deeper=True)
    return replace(p, top_settled=True, problems=(*p.problems, _stale(p)))


def _confirmed(p: Progress, unit: Unit | None) -> Progress:
    if unit is None:
        return p
    return replace(p, profile=replace(p.profile, unit=unit, unit_at=p.started))


# -- the look-back -----------------------------------------------------------------------------


def _looks_further_back(p: Progress) -> bool:
    if p.low_read is None or not p.can_upper or p.top_before is None or not p.complete:
        return False
    lowest = p.complete[0].first
    return p.reread < p.lookback and lowest is not None and p.low_read > lowest


def _after_back(p: Progress, rows: Received) -> Progress:
    shown = rows.shown
    if not len(shown) or p.low_read is None or int(shown[0]) >= p.low_read:
        return replace(p, reread=max(p.reread, p.lookback))
    below = int((shown < p.low_read).sum())
    return replace(p, low_read=int(shown[0]), reread=p.reread + below)


# -- the gaps ----------------------------------------------------------------------------------


def next_gap(p: Progress) -> Gap | None:
    """The newest stretch that is wanted, not proved, and to be asked for in this pull."""
    if not p.complete:
        return None
    lowest = p.complete[0]
    low = min(p.floor, lowest.lower)
    if p.counts_ids and (p.restart is None and reaches(lowest, p.wanted_from)):
        low = lowest.lower
    if p.restart:
        low = max(low, p.floor)
    for gap in gaps(p.complete, low, p.complete[-1].upper):
        for piece in _pieces(p, gap):
            if (piece.lower, piece.upper) in p.skipped or _rests(p, piece):
                continue
            return piece
    return None


def _pieces(p: Progress, gap: Gap) -> list[Gap]:
    """``gap`` in windows that one request may name, the newest first."""
    span = p.paging.max_span_us
    assert gap.upper is not None
    if span is None or not p.by_time or gap.upper - gap.lower <= span - 2 * p.margin:
        return [gap]
    found = []
    upper = gap.upper
    width = span - 2 * p.margin
    while upper > gap.lower:
        lower = max(gap.lower, upper - width)
        below = gap.below if lower == gap.lower else None
        found.append(Gap(lower, upper, below, gap.above if upper == gap.upper else None))
        upper = lower
    return found


def _rests(p: Progress, gap: Gap) -> bool:
    """Whether this stretch was not shown before and is not to be asked for again yet."""
    assert gap.upper is not None
    if gap.upper - gap.lower == 1 and gap.lower in p.unsettled:
        return True  # asked for with the rows that may still change
    for u in p.unshown:
        if u.lower <= gap.lower and gap.upper <= u.upper:
            return not _is_due(p, u) or p.retried >= RETRIES
    return False


def _is_due(p: Progress, u: Unshown) -> bool:
    """In the first day with every pull, afterwards at growing intervals, for ever."""
    if not u.lost:
        return p.paging.max_span_us is None or p.started - u.since >= DAY_US
    rest = min(_LONGEST_REST, max(DAY_US, (u.asked_at - u.since) // 2))
    return p.started - u.asked_at >= rest


def _ask(p: Progress, t: Attempt) -> Request:
    """The request for the step at which the work on a gap stands."""
    gap, m, limit = t.gap, p.margin, p.paging.max_rows
    edge_low = gap.lower - (p.step if p.paging.key is Key.TIME else 1)
    unit = t.units[-1] if t.units else p.unit
    low = high = None
    if gap.below is not None:
        low = value(p, _last(gap.below), gap.below.last_at)
    if gap.above is not None:
        high = value(p, _first(gap.above), gap.above.first_at)
    match t.step:
        case Step.GAP:
            lower = low - m - _WIDER_US[t.wider] if low is not None else _lowest(p, gap)
            upper = high + m if high is not None else gap.upper
            if t.tight:
                lower = _with_low(p, edge_low) if low is not None else lower
                upper = _with_high(p, gap.upper) if high is not None else upper
            return Request(Kind.GAP, _window(p, lower, upper, unit, high))
        case Step.NARROW if t.mirrored:
            lower = _without_low(p, edge_low) if t.exclude else edge_low
            return Request(Kind.NARROW, Window(lower, _with_high(p, t.seen[0]), limit, unit))
        case Step.NARROW:
            upper = _without_high(p, gap.upper) if t.exclude else gap.upper
            return Request(Kind.NARROW, Window(_with_low(p, t.seen[-1]), upper, limit, unit))
        case Step.LOW_HALF:
            return Request(
                Kind.NARROW,
                Window(_with_low(p, edge_low), _without_high(p, gap.upper), limit, unit),
            )
        case Step.HIGH_HALF:
            return Request(
                Kind.NARROW,
                Window(_without_low(p, edge_low), _with_high(p, gap.upper), limit, unit),
            )
        case Step.INSIDE:
            window = Window(_without_low(p, edge_low), _without_high(p, gap.upper), limit, unit)
            return Request(Kind.NARROW, window)
        case Step.PROBE:
            lower = low - m if low is not None else _lowest(p, gap)
            return Request(Kind.PROBE, _window(p, lower, t.probes[-1], unit, None))
        case Step.CONTROL:
            assert high is not None
            return Request(Kind.CONTROL, _window(p, _lowest(p, gap), high + m, unit, high))
        case Step.SINGLE:
            return Request(Kind.CONTROL, Window(None, t.places[0], 1, unit))


def _with_low(p: Progress, row: int | None) -> int:
    """A lower bound that shows the row there."""
    assert row is not None
    return max(0, row - (p.margin if p.low_inclusive is False else 0))


def _with_high(p: Progress, row: int | None) -> int:
    assert row is not None
    return row + (p.margin if p.high_inclusive is False else 0)


def _without_low(p: Progress, row: int | None) -> int:
    """A lower bound that shows what follows the row there, and not that row."""
    assert row is not None
    return row + (p.margin if p.low_inclusive else 0)


def _without_high(p: Progress, row: int | None) -> int:
    assert row is not None
    return row - (p.margin if p.high_inclusive else 0)


def _first(interval: Interval | None) -> int:
    assert interval is not None
    return interval.lower if interval.first is None else interval.first


def _last(interval: Interval) -> int:
    return interval.upper - 1 if interval.last is None else interval.last


def _lowest(p: Progress, gap: Gap) -> int | None:
    """The lower bound to send where no held row lies below: times have one, ids may have none."""
    if p.by_time:
        return max(0, p.wanted_from if p.counts_ids else gap.lower)
    return p.floor if p.restart or not p.can_upper else None


def _window(
    p: Progress, lower: int | None, upper: int | None, unit: Unit | None, high: int | None
) -> Window:
    """A window of the ends that a request can name."""
    if lower is not None:
        lower = max(0, lower)
    if p.paging.bounds is Bounds.LOWER:
        if p.paging.dense and not p.by_time and high is not None:
            lower = max(lower or 0, high - (p.profile.rows or p.paging.max_rows) + 1)
        return Window(lower or 0, None, p.paging.max_rows, unit)
    if p.paging.bounds is Bounds.UPPER or (p.paging.bounds is Bounds.EITHER and upper is not None):
        return Window(None, upper, p.paging.max_rows, unit)
    return Window(lower, upper, p.paging.max_rows, unit)


def _inside(gap: Gap, rows: Received) -> evidence.Numbers:
    """The readable positions of an answer that lie in a gap, sorted."""
    shown = rows.shown
    assert gap.upper is not None
    return shown[(shown >= gap.lower) & (shown < gap.upper)]


def _shows_below(t: Attempt, rows: Received) -> bool:
    return t.gap.below is not None and bool((rows.shown < t.gap.lower).any())


def _shows_above(t: Attempt, rows: Received) -> bool:
    upper = t.gap.upper
    return t.gap.above is not None and upper is not None and bool((rows.shown >= upper).any())


def _after_gap(
    p: Progress, t: Attempt, request: Request, rows: Received, spans: Intervals, before: Intervals
) -> Progress:
    """What becomes of the work on a gap."""
    if p.complete != before:
        p = _learnt(p, request, rows)
        real = any(i.upper - i.lower > 1 for i in spans)
        return replace(p, attempt=None, barren=0 if real else p.barren)
    p = replace(p, barren=p.barren + 1)
    if p.barren >= BARREN:
        return _give_up(p, t, "so many answers proved nothing that this pull asks no further")
    match t.step:
        case Step.GAP:
            return _after_plain(p, t, request, rows)
        case Step.NARROW:
            return _after_narrow(p, t, request, rows)
        case Step.LOW_HALF | Step.HIGH_HALF | Step.INSIDE:
            return _after_half(p, t, request, rows)
        case Step.PROBE:
            if len(rows.shown) and not p.counts_ids:
                return _give_up(p, t, _one_moment(p))
            return _next_probe(p, t)
        case Step.CONTROL:
            return _after_control(p, t, rows)
        case Step.SINGLE:
            return _after_single(p, t, rows)


def _learnt(p: Progress, request: Request, rows: Received) -> Progress:
    """What a fruitful answer shows of the exchange's paging."""
    profile = p.profile
    if request.window.unit is not None and not rows.outside:
        profile = replace(profile, unit=request.window.unit, unit_at=p.started)
    older = p.head_low is not None and len(rows.positions) > 0
    if older and p.head_low is not None:
        low, at = p.head_low
        if int(rows.positions.min()) < low and int(rows.times.min()) < at:
            profile = replace(profile, keeps="newest", keeps_at=p.started)
    return p if profile == p.profile else replace(p, profile=profile)


def _after_plain(p: Progress, t: Attempt, request: Request, rows: Received) -> Progress:
    """After an answer to ``Step.GAP`` that proved nothing new."""
    inside = tuple(_inside(t.gap, rows).tolist())
    below, above = _shows_below(t, rows), _shows_above(t, rows)
    tried = t.units or (request.window.unit,)
    if not below and not above and not inside:
        for unit in p.paging.units:
            if unit not in tried:
                return replace(p, attempt=replace(t, units=(*tried, unit)))
    if p.paging.dense:
        return _after_dense(p, t, rows, above)
    t = replace(t, rows=len(rows.shown), seen=inside, shown=t.shown or above)
    if not t.tight and not inside and len(rows.shown) > 1 and below != above:
        return replace(p, attempt=replace(t, tight=True))
    if t.tight and below != above and (p.high_inclusive if below else p.low_inclusive) is None:
        exclusive = {"high_inclusive" if below else "low_inclusive": False}
        return replace(p, attempt=t, **exclusive)
    if rows.outside and not inside:
        return _stop(_give_up(p, t, ignores(p)))
    if p.paging.max_span_us is not None and not inside:
        return _after_span(p, t)
    if inside and {*inside} <= rows.rejected and not t.again:
        return replace(p, attempt=replace(t, again=True))
    if p.paging.key is not Key.TIME:
        if above and (inside or below):
            seen = inside or (t.gap.lower - 1,)
            return replace(p, attempt=replace(t, step=Step.NARROW, seen=seen))
        if below and inside:
            return replace(p, attempt=replace(t, step=Step.NARROW, mirrored=True))
        if t.rows == 1 and t.gap.below is not None and t.gap.above is not None:
            return replace(p, attempt=replace(t, step=Step.LOW_HALF))
        if inside and not p.counts_ids:
            return _give_up(p, t, _one_moment(p))
    if not p.can_upper:
        if above and t.gap.below is None and not inside and not rows.unreadable:
            return _begun(p, t)
        return _give_up(p, t, _not_shown(p))
    return _next_probe(p, replace(t, step=Step.PROBE))


def _after_dense(p: Progress, t: Attempt, rows: Received, above: bool) -> Progress:
    """Ids without holes: rows that are not shown are missing, unless numbering begins here."""
    if above and t.gap.below is None and t.gap.upper == 1 and not rows.outside:
        return _begun(p, t)
    if p.by_time and t.wider + 1 < len(_WIDER_US) and t.gap.below is not None:
        return replace(p, attempt=replace(t, wider=t.wider + 1))
    return _give_up(p, t, _not_shown(p))


def _after_span(p: Progress, t: Attempt) -> Progress:
    """A window of bounded length without rows: complete once it was so on two days."""
    gap = t.gap
    assert gap.upper is not None
    earlier = [u for u in p.unshown if u.lower <= gap.lower and gap.upper <= u.upper]
    if earlier and p.started - earlier[0].since >= DAY_US and p.most_rows:
        return replace(_added(p, Interval(gap.lower, gap.upper)), attempt=None, barren=0)
    p = _unshown(p, gap.lower, gap.upper, may_be_lost=False)
    return replace(p, attempt=None, skipped=p.skipped | {(gap.lower, gap.upper)}, barren=0)


def _after_narrow(p: Progress, t: Attempt, request: Request, rows: Received) -> Progress:
    low, high, must = _narrow_ends(t)
    shown = rows.shown
    between = shown[(shown > low) & (shown < high)].tolist()
    if between:
        seen = (*between, *t.seen) if t.mirrored else (*t.seen, *between)
        return replace(p, attempt=replace(t, seen=seen, rows=max(t.rows, len(shown))))
    if must not in shown and (p.high_inclusive if t.mirrored else p.low_inclusive) is None:
        exclusive = {"high_inclusive" if t.mirrored else "low_inclusive": False}
        return replace(p, attempt=t, **exclusive)
    if not t.exclude:  # no room: the row on the other side is left out
        return replace(p, attempt=replace(t, exclude=True))
    if _ask(p, t) != request:
        return replace(p, attempt=t)  # a bound turned out to be inclusive: once more without it
    if not p.counts_ids:
        return _give_up(p, t, _one_moment(p))
    if not p.can_upper:
        return _give_up(p, t, _not_shown(p))
    return _next_probe(p, replace(t, step=Step.PROBE))


def _narrow_ends(t: Attempt) -> tuple[int, int, int]:
    """Between which rows nothing may be shown, and the one of them that must be."""
    if t.mirrored:
        assert t.gap.below is not None
        return t.gap.lower - 1, t.seen[0], t.seen[0]
    assert t.gap.upper is not None
    return t.seen[-1], t.gap.upper, t.seen[-1]


def _after_half(p: Progress, t: Attempt, request: Request, rows: Received) -> Progress:
    """Where an answer holds one row: three questions show that two rows are neighbours.

    From the row below to just under the one above: the row below alone. From just over the row
    below to the one above: that alone. Strictly between: nothing.
    """
    gap = t.gap
    assert gap.below is not None and gap.upper is not None
    low, high = gap.lower - 1, gap.upper
    shown = rows.shown.tolist()
    between = [s for s in shown if low < s < high]
    if between:
        return replace(p, attempt=replace(t, step=Step.NARROW, seen=tuple(between), rows=2))
    if _ask(p, t) != request:
        return replace(p, attempt=t)  # a bound turned out to be inclusive: once more without it
    wanted = {Step.LOW_HALF: [low], Step.HIGH_HALF: [high], Step.INSIDE: []}[t.step]
    if not shown and wanted:
        if t.step is Step.LOW_HALF and p.low_inclusive is None:
            return replace(p, attempt=t, low_inclusive=False)
        if t.step is Step.HIGH_HALF and p.high_inclusive is None:
            return replace(p, attempt=t, high_inclusive=False)
    if shown != wanted or rows.unreadable or rows.outside:
        probing = replace(t, step=Step.PROBE)
        return _next_probe(p, probing) if p.can_upper else _give_up(p, t, _not_shown(p))
    if t.step is Step.INSIDE:
        return replace(_added(p, Interval(low, high)), attempt=None, barren=0)
    following = Step.HIGH_HALF if t.step is Step.LOW_HALF else Step.INSIDE
    return replace(p, attempt=replace(t, step=following))


def _next_probe(p: Progress, t: Attempt) -> Progress:
    """Ask at growing distances below the row above: what is there, if that answer left it out?"""
    gap = t.gap
    assert gap.upper is not None
    base = max(p.most_rows, 16) * (p.step if p.paging.key is Key.TIME else 1)
    if p.by_time and p.paging.key is not Key.TIME:
        base = DAY_US
    top = gap.upper if gap.above is None else _first(gap.above)
    if p.by_time and p.counts_ids:
        top = (gap.above.first_at if gap.above else None) or p.started
    far = 0 if not t.probes else base * PROBE_FACTOR ** (len(t.probes) - 1)
    below = top - p.margin - far
    lowest = gap.lower if not (p.by_time and p.counts_ids) else p.wanted_from
    if below > lowest or (not t.probes and below >= lowest):
        return replace(p, attempt=replace(t, step=Step.PROBE, probes=(*t.probes, below)))
    if gap.below is None and gap.above is not None and t.shown:
        return replace(p, attempt=replace(t, step=Step.CONTROL))
    return _give_up(p, t, _not_shown(p))


def _after_control(p: Progress, t: Attempt, rows: Received) -> Progress:
    """The first row is shown again after empty answers below it, and nothing with it."""
    alone = _shows_above(t, rows) and not len(_inside(t.gap, rows))
    if not alone or rows.outside or rows.unreadable:
        return _give_up(p, t, _not_shown(p))
    if p.counts_ids:
        low, high = _first(t.gap.above), max(p.raw_top or 0, _first(t.gap.above))
        places = (low + 1, (low + high) // 2 + 1, high + 1)
        return replace(p, attempt=replace(t, step=Step.SINGLE, places=places))
    return _begun(p, t)


def _after_single(p: Progress, t: Attempt, rows: Received) -> Progress:
    """The one newest row below a place above the first row was asked for: there is one.

    An exchange that cuts its answers to the limit before it selects the market shows a row only
    where the place is, by chance, one of this market.
    """
    if not len(rows.shown):
        return _give_up(p, t, _cuts_first(p))
    if len(t.places) > 1:
        return replace(p, attempt=replace(t, places=t.places[1:]))
    return _begun(p, t)


def _begun(p: Progress, t: Attempt) -> Progress:
    """Nothing lies below the first row: the history begins with it."""
    assert t.gap.upper is not None
    p = _added(p, Interval(t.gap.lower, t.gap.upper))
    return replace(p, attempt=None, barren=0, beginning=t.probes)


# -- rows that may still change ------------------------------------------------------------------


def _turn(p: Progress) -> list[int]:
    """The rows to be read again next: those whose turn it is, or else all that wait."""
    resting = {
        u.lower for u in p.unshown if u.upper - u.lower == 1 and u.lost and not _is_due(p, u)
    }
    waiting = sorted(p.unsettled - p.refreshed - p.missing - resting)
    low, high = p.settle_range or (0, 0)
    return [w for w in waiting if low <= w <= high] or waiting


def _settle(p: Progress) -> Request | None:
    turn = _turn(p)
    if not turn or p.settle_requests >= SETTLE_REQUESTS or p.barren >= BARREN:
        return None
    # One beyond either end: whichever end an answer keeps, one of the two is shown.
    window = _window(p, max(0, turn[0] - 1), turn[-1] + 1, p.unit, None)
    return Request(Kind.SETTLE, window)


def _after_settle(p: Progress, request: Request) -> Progress:
    p = replace(p, settle_requests=p.settle_requests + 1)
    low, high = request.window.lower or 0, request.window.upper
    left = [w for w in _turn(p) if low <= w and (high is None or w <= high)]
    before = p.settle_left
    if left and len(left) == before:  # neither of its ends was shown, nor what lies between
        p = _gone(p, frozenset((left[0], left[-1])))
        left = left[1:-1]
    settle_range = (left[0], left[-1]) if left else None
    return replace(p, settle_range=settle_range, settle_left=len(left))


# -- what an answer changes ------------------------------------------------------------------------


def _noted(p: Progress, request: Request, rows: Received) -> Progress:
    """What is remembered of any answer, whatever it proves."""
    count = len(rows.shown)
    if not count:
        return p
    lower, upper = request.window.lower, request.window.upper
    cursors = rows.times if p.by_time else rows.positions
    if lower is not None and len(cursors) and int(cursors.min()) == lower:
        p = replace(p, low_inclusive=True)
    if upper is not None and len(cursors) and int(cursors.max()) == upper:
        p = replace(p, high_inclusive=True)
    p = replace(p, most_rows=max(p.most_rows, count), seen_rejected=p.seen_rejected | rows.rejected)
    if len(rows.positions):
        at = int(rows.positions.argmax())
        top = int(rows.positions[at])
        newest = max(int(rows.times.max()), p.newest_at or 0)
        if p.raw_top is None or top > p.raw_top:
            p = replace(p, raw_top=top, raw_top_at=int(rows.times[at]))
        if newest != p.newest_at:
            p = replace(p, newest_at=newest)
        if count > 1 and p.profile.rows != count:
            p = replace(p, profile=replace(p.profile, rows=count))
    if p.changes:
        came = at_positions(rows)
        unsettled = (p.unsettled - came) | rows.open
        p = replace(p, refreshed=p.refreshed | came, unsettled=unsettled)
    return p


def _claimed(p: Progress, spans: Intervals, rows: Received) -> Progress:
    """``p`` with ``spans`` proved; rows that they must show and do not are taken out."""
    if not spans:
        return p
    for span in spans:
        p = _added(p, span)
    if not p.unsettled or p.paging.dense:
        return p
    low, high = min(s.lower for s in spans), max(s.upper for s in spans)
    shown = {*rows.shown.tolist()}
    return _gone(p, frozenset(u for u in p.unsettled if low < u < high and u not in shown))


def _added(p: Progress, interval: Interval) -> Progress:
    unshown = p.unshown
    if unshown:
        cut = (interval,)
        unshown = tuple(
            replace(u, lower=left.lower, upper=left.upper)
            for u in unshown
            for left in subtract((Interval(u.lower, u.upper),), cut)
        )
    return replace(p, complete=add(p.complete, interval), unshown=unshown)


def _gone(p: Progress, rows: frozenset[int]) -> Progress:
    """Rows that may still change are shown no more where they must be: nothing is claimed there."""
    for row in sorted(rows - p.missing):
        p = replace(p, complete=cut(p.complete, row))
        p = _unshown(p, row, row + 1, may_be_lost=True)
    return replace(p, missing=p.missing | rows)


def cut(complete: Intervals, row: int) -> Intervals:
    """``complete`` without the one position ``row``."""
    found: list[Interval] = []
    for i in complete:
        if row not in i:
            found.append(i)
            continue
        if i.lower < row:
            last = None if i.last is None else min(i.last, row - 1)
            found.append(replace(i, upper=row, last=last))
        if row + 1 < i.upper:
            first = None if i.first is None else max(i.first, row + 1)
            found.append(replace(i, lower=row + 1, first=first))
    return tuple(found)


def _unshown(p: Progress, lower: int, upper: int, *, may_be_lost: bool) -> Progress:
    """Note that ``[lower, upper)`` was asked for and not shown; lost once that is a day old."""
    earlier = [u for u in p.unshown if u.lower < upper and lower < u.upper]
    since = min((u.since for u in earlier), default=p.started)
    times = max((u.times for u in earlier), default=0) + 1
    was_lost = any(u.lost for u in earlier)
    lost = was_lost or (may_be_lost and times > 1 and p.started - since >= DAY_US)
    now = Unshown(lower, upper, since, p.started, times, lost)
    outer = [
        replace(u, lower=left.lower, upper=left.upper)
        for u in p.unshown
        for left in subtract((Interval(u.lower, u.upper),), (Interval(lower, upper),))
    ]
    unshown = tuple(sorted([*outer, now], key=lambda u: u.lower))
    return replace(
        p,
        unshown=unshown,
        lost_found=p.lost_found or (lost and not was_lost),
        retried=p.retried + bool(earlier),
    )


def _give_up(p: Progress, t: Attempt, why: str) -> Progress:
    """Ask for a gap no more in this pull; what was not shown is noted."""
    gap = t.gap
    assert gap.upper is not None
    p = _unshown(p, gap.lower, gap.upper, may_be_lost=True)
    was_lost = any(u.lost for u in p.unshown if u.lower == gap.lower and u.upper == gap.upper)
    problems = p.problems if was_lost or why in p.problems else (*p.problems, why)
    return replace(
        p,
        attempt=None,
        skipped=p.skipped | {(gap.lower, gap.upper)},
        problems=problems,
    )


def _stop(p: Progress) -> Progress:
    return replace(p, barren=BARREN)


def ignores(p: Progress) -> str:
    """The message where answers lie outside the window asked for."""
    names = "since and until" if p.by_time else "the id bounds"
    return (
        f"the exchange ignores {names}: it answers with rows outside the window asked for, so that "
        "what lies inside cannot be fetched. What was received is stored and claimed, nothing "
        "else. Fix: pull again later; if it stays so, the exchange cannot be read further back"
    )


def _not_shown(p: Progress) -> str:
    return (
        "the exchange does not show rows that lie between rows it showed. Nothing is claimed there "
        "that is not held. Fix: pull again; each pull asks for them, and what is not shown for a "
        "day is recorded as lost"
    )


def _cuts_first(p: Progress) -> str:
    return (
        "the exchange cuts its answers to the limit before it selects this market, so that where "
        "the history begins cannot be proved. What was received is stored; nothing is claimed "
        "below it. Fix: none is possible from here; the rows stay"
    )


def _one_moment(p: Progress) -> str:
    return (
        "more rows share one moment than an answer of the exchange holds, so that some cannot be "
        "asked for. Nothing is claimed there. Fix: pull again later; a larger answer shows them"
    )


def _spans(p: Progress, request: Request, rows: Received, t: Attempt | None) -> Intervals:
    """What the answer proves."""
    shown = rows.shown
    if request.kind is Kind.NARROW and t is not None and not rows.outside:
        return _narrow_span(p, t, rows)
    top_is_whole = False
    if len(shown):
        top = int(shown[-1])
        if request.kind is Kind.HEAD:
            held = top_row(p)
            newest = _leaves_out_older(p.complete, rows)
            top_is_whole = newest and (held is None or top >= held)
        elif request.kind is Kind.UP:
            room = len(shown) < p.most_rows or (p.beyond_empty and not p.counts_ids)
            same = p.raw_top is not None and top <= p.raw_top
            top_is_whole = room and same and not rows.outside
        elif request.kind is Kind.GAP and t is not None and _is_bare(p, t, rows):
            return ()
    spans = proved(
        rows,
        p.complete,
        p.paging,
        p.step,
        top_is_whole=top_is_whole,
        seen_rejected=p.seen_rejected,
        must_show=p.unsettled,
    )
    if p.restart and request.kind is Kind.HEAD and len(shown) and int(shown[-1]) <= p.restart.top:
        return ()
    if spans or not len(rows.positions) or p.paging.key is Key.TIME:
        return spans
    return _lone_row(p, request, rows)


def _is_bare(p: Progress, t: Attempt, rows: Received) -> bool:
    """Whether the rows at both edges of a gap came, and none between.

    They may be of one moment, at which the answer was cut off: a narrower question tells.
    """
    if p.paging.dense or p.paging.key is Key.TIME or t.gap.below is None or t.gap.above is None:
        return False
    return not len(_inside(t.gap, rows)) and _shows_below(t, rows) and _shows_above(t, rows)


def _lone_row(p: Progress, request: Request, rows: Received) -> Intervals:
    """A row on its own where nothing else is proved: to go on from. It is held, no more."""
    at = int(rows.positions.argmax())
    top, time = int(rows.positions[at]), int(rows.times[at])
    alone = Interval(top, top + 1, top, top, time, time)
    if p.counts_ids:
        return (alone,) if request.kind not in (Kind.GAP, Kind.CONTROL, Kind.SETTLE) else ()
    lone = len(rows.positions) == 1 and not rows.unreadable
    wanted = request.kind is Kind.HEAD or p.paging.max_span_us is not None
    return (alone,) if lone and wanted else ()


def _narrow_span(p: Progress, t: Attempt, rows: Received) -> Intervals:
    """What an answer to ``Step.NARROW`` proves: that its row is the neighbour of the next one.

    It had room for one more row than it shows: the answer before, to a wider question, held more.
    """
    if t.step is not Step.NARROW or rows.unreadable:
        return ()
    low, high, must = _narrow_ends(t)
    shown = rows.shown
    between = shown[(shown > low) & (shown < high)]
    if len(between) or must not in shown or len(shown) >= t.rows:
        return ()
    at = {int(k): int(v) for k, v in zip(rows.positions, rows.times, strict=True)}.get(must)
    if must in p.unsettled and must not in at_positions(rows):
        return ()
    upper = high + 1 if t.mirrored else high
    lower = low + 1 if t.mirrored else low
    return (Interval(lower, upper, must, must, at, at),)


def at_positions(rows: Received) -> frozenset[int]:
    """The positions of the rows that can be stored."""
    return frozenset(rows.positions.tolist())
