"""The planner: chooses the next request. Pure.

``plan`` compares coverage with what is wanted and with what this pull has requested, and returns
the next request or ``Done``. The order of a pull: the newest rows, rows newer than those held, the
look-back, gaps from the newest to the oldest, rows that may still change.
"""

from dataclasses import dataclass
from typing import Final

from connectors.base import Bounds, Unit, Window
from pipelines.ingest.windows.evidence import LEAST_CAP, Received
from pipelines.ingest.windows.state import (
    Attempt,
    Kind,
    Progress,
    Request,
    Step,
    first_row,
    last_row,
    rests,
)
from schemas.times import DAY_US, SECOND_US
from warehouse.coverage_table import reaches
from warehouse.intervals import Gap, Interval, Unshown, gaps, subtract

SETTLE_REQUESTS: Final = 20
"""The most requests of one pull for rows that may still change, beyond the look-back."""
RETRIES: Final = 20
"""The most stretches not shown by earlier pulls that one pull requests again."""
BARREN: Final = 60
"""A pull ends after so many answers in succession that prove nothing."""
SHIFTS_US: Final = (0, 1, 2, 1_001, 1_000_001, -1_000_000, -3_600_000_000)
"""Shifts of the lower bound, tried in order, where ids without holes are requested by time and the
next id did not come.

First forward: rows of one moment may fill the answer, and the ids show whether any was skipped.
Then back: the row at the edge may not have been shown."""
EARLIER_US: Final = (0, 3_600_000_000, DAY_US, 30 * DAY_US, None)
"""Shifts before the wanted beginning, tried until an earlier row is shown; ``None``: all."""


@dataclass(frozen=True)
class Done:
    """This pull has no further request."""


def plan(p: Progress) -> Request | Done:
    """The next request of the pull."""
    if p.head_due:
        return Request(Kind.HEAD, Window(None, None, _head_limit(p)))
    if p.restart and not p.numbering_asked:
        around = _window(p, p.restart.row - 1, p.restart.row + 1, p.unit, None)
        return Request(Kind.NUMBERING, around)
    if p.restart and not p.complete:
        return Done()
    if not p.top_settled and p.barren < BARREN:
        return ask_up(p)
    if p.attempt is not None:
        return ask(p, p.attempt)
    if _looks_further_back(p):
        upper = None if p.low_read is None else p.low_read + p.pull.margin
        unit = p.back_units[-1] if p.back_units else p.unit
        return Request(Kind.BACK, Window(None, upper, p.pull.paging.max_rows, unit))
    gap = next_gap(p)
    if gap is not None and p.barren < BARREN:
        return ask(p, Attempt(gap))
    return _settle(p) or Done()


def _head_limit(p: Progress) -> int:
    """Of a market with fewer rows than fit, all but one: the answer then shows which end it keeps,
    and no second request has to.
    """
    fewest = max(LEAST_CAP, p.pull.lookback + 2)
    if p.pull.quiet and fewest < p.profile.rows < p.pull.paging.max_rows:
        return p.profile.rows - 1
    if not p.pull.counts_times or p.pull.top_before is None or p.profile.keeps != "newest":
        return p.pull.paging.max_rows
    missing = max(0, p.pull.started - p.pull.top_before.upper) // p.pull.step
    return min(p.pull.paging.max_rows, missing + p.pull.lookback + 2)


def value(p: Progress, position: int, at: int | None) -> int:
    """A row's cursor value in requests: its time where rows with ids are requested by time."""
    return at if p.pull.by_time and p.pull.counts_ids and at is not None else position


def top_value(p: Progress) -> int:
    """The cursor value from which rows newer than the coverage are requested."""
    top = p.complete[-1]
    return value(p, top.upper - 1 if top.last is None else top.last, top.last_at)


def ask_up(p: Progress) -> Request:
    """The request for what is newer than a held row."""
    unit = p.up.units[-1] if p.up.units else p.unit
    start = p.up.start if p.up.start is not None else top_value(p)
    if p.up.beyond and p.raw_top is not None:
        above = _without_low(p, value(p, p.raw_top, p.raw_top_at))
        return Request(Kind.BEYOND, Window(above, None, p.pull.paging.max_rows, unit))
    if p.up.resume is not None:
        return Request(Kind.UP, _resuming(p, p.up.resume, unit))
    return Request(
        Kind.UP, Window(max(0, start - p.pull.margin), None, p.pull.paging.max_rows, unit)
    )


def _resuming(p: Progress, resume: int, unit: Unit | None) -> Window:
    return Window(resume // 1000, None, p.pull.paging.max_rows, unit, resume)


def finer(p: Progress, rows: Received, asked: int | None) -> int | None:
    """Where to go on from, in nanoseconds, where an answer without a further row may be cut.

    From just before its end, from its end, from just behind it: rows there may be shown or not, and
    the ids tell. ``asked``: from where it was asked for; ``None`` as the result: no such place.
    """
    if rows.resume is None or rows.size + rows.unreadable < max(1, p.most_rows):
        return None
    places = (rows.resume - 1, rows.resume, rows.resume + 1)
    return next((at for at in places if asked is None or at > asked), None)


def _looks_further_back(p: Progress) -> bool:
    if p.low_read is None or not p.pull.can_upper or p.pull.top_before is None or not p.complete:
        return False
    lowest = p.complete[0].first
    return p.reread < p.pull.lookback and lowest is not None and p.low_read > lowest


def next_gap(p: Progress) -> Gap | None:
    """The newest stretch that is wanted, not covered, and due in this pull."""
    if p.nothing_recent and (older := _due_piece(p, _before_head(p))):
        return older
    if not p.complete:
        return None
    lowest = p.complete[0]
    low = min(p.floor, lowest.lower)
    if p.pull.counts_ids and (p.restart is None and reaches(lowest, p.pull.wanted_from)):
        low = lowest.lower
    if p.restart:
        low = max(low, p.floor)
    found = gaps(p.complete, low, p.complete[-1].upper)
    return next((due for gap in found if (due := _due_piece(p, gap))), None)


def _due_piece(p: Progress, gap: Gap) -> Gap | None:
    """The newest part of ``gap`` that is due in this pull."""
    for piece in _pieces(p, gap):
        if (piece.lower, piece.upper) not in p.skipped and not _rests(p, piece):
            return piece
    return None


def _before_head(p: Progress) -> Gap:
    """What lies between the rows held and a newest answer without rows, which is of a bounded
    stretch of time. The ends of its windows do not move from one pull to the next.
    """
    span = p.pull.paging.max_span_us or 0
    width = _width(p, span)
    below = p.complete[-1] if p.complete else None
    upper = -(-(p.pull.started - span) // width) * width
    return Gap(below.upper if below else p.floor, upper, below, None)


def _pieces(p: Progress, gap: Gap) -> list[Gap]:
    """``gap`` in windows no longer than one request may span, the newest first."""
    span = p.pull.paging.max_span_us
    assert gap.upper is not None
    if span is None or not p.pull.by_time:
        return [gap]
    found = []
    upper = gap.upper
    width = _width(p, span)
    while upper > gap.lower:
        lower = max(gap.lower, upper - width)
        below = gap.below if lower == gap.lower else None
        found.append(Gap(lower, upper, below, gap.above if upper == gap.upper else None))
        upper = lower
    return found


def _width(p: Progress, span: int) -> int:
    """Of a window, with room for held rows on either side: of candles these are next to it."""
    return span - 5 * p.pull.step if p.pull.counts_times else span // 2


def _rests(p: Progress, gap: Gap) -> bool:
    """Whether this stretch was not shown by an earlier pull and is not due again yet."""
    assert gap.upper is not None
    if gap.upper - gap.lower == 1 and gap.lower in p.unsettled:
        return True  # requested with the rows that may still change
    known = [u for u in p.unshown if u.lower < gap.upper and gap.lower < u.upper]
    if subtract((Interval(gap.lower, gap.upper),), [Interval(u.lower, u.upper) for u in known]):
        return False
    return p.retried >= RETRIES or not any(_is_due(p, u) for u in known)


def _is_due(p: Progress, u: Unshown) -> bool:
    """Whether to request ``u`` now: on the first day in every pull, then at growing intervals."""
    if p.pull.forced and p.pull.forced[0] < u.upper and u.lower < p.pull.forced[1]:
        return True
    if not u.lost and p.pull.paging.max_span_us is None:
        return True
    return not rests(u, p.pull.started)


def ask(p: Progress, t: Attempt) -> Request:
    """The request for the current step of an attempt at a gap."""
    gap, m, limit = t.gap, p.pull.margin, p.pull.paging.max_rows
    edge_low = gap.lower - (p.pull.step if p.pull.counts_times else 1)
    unit = t.units[-1] if t.units else p.unit
    low = high = None
    if gap.below is not None:
        low = value(p, last_row(gap.below), gap.below.last_at)
    if gap.above is not None:
        high = value(p, first_row(gap.above), gap.above.first_at)
    match t.step:
        case Step.GAP if t.resume is not None:
            return Request(Kind.GAP, _resuming(p, t.resume, unit), t)
        case Step.GAP:
            lower = _lowest(p, gap, t.shift) if low is None else low - m + SHIFTS_US[t.shift]
            upper = high + m if high is not None else gap.upper
            if (
                t.tight and p.pull.paging.dense
            ):  # consecutive ids are proof: no held row need be shown
                lower, upper = gap.lower - 1, _without_high(p, gap.upper)
            elif t.tight:
                lower = _with_low(p, edge_low) if low is not None else lower
                upper = _with_high(p, gap.upper) if high is not None else upper
            lower, upper = _within_span(p, gap, lower, upper)
            return Request(Kind.GAP, _window(p, lower, upper, unit, high), t)
        case Step.NARROW if t.mirrored:
            lower = _without_low(p, edge_low) if t.exclude else edge_low
            window = _window(p, lower, _with_high(p, t.seen[-1]), unit, None)
            return Request(Kind.NARROW, window, t)
        case Step.NARROW:
            upper = _without_high(p, gap.upper) if t.exclude else gap.upper
            window = _window(p, _with_low(p, t.seen[0]), upper, unit, None)
            return Request(Kind.NARROW, window, t)
        case Step.LOW_HALF:
            window = Window(_with_low(p, edge_low), _without_high(p, gap.upper), limit, unit)
            return Request(Kind.NARROW, window, t)
        case Step.HIGH_HALF:
            window = Window(_without_low(p, edge_low), _with_high(p, gap.upper), limit, unit)
            return Request(Kind.NARROW, window, t)
        case Step.INSIDE:
            window = Window(_without_low(p, edge_low), _without_high(p, gap.upper), limit, unit)
            return Request(Kind.NARROW, window, t)
        case Step.PROBE:
            lower = low - m if low is not None else _lowest(p, gap)
            return Request(Kind.PROBE, _window(p, lower, t.probes[-1], unit, None), t)
        case Step.CONTROL:
            assert high is not None
            return Request(Kind.CONTROL, _window(p, _lowest(p, gap), high + m, unit, high), t)
        case Step.SINGLE if not p.pull.can_upper:
            lower = _lowest(p, gap) if low is None else low - m
            return Request(Kind.CONTROL, Window(lower, None, 1), t)
        case Step.SINGLE:
            return Request(Kind.CONTROL, Window(None, t.places[0], 1, unit), t)


def _within_span(
    p: Progress, gap: Gap, lower: int | None, upper: int | None
) -> tuple[int | None, int | None]:
    """Bounds no further apart than one request may span; the gap lies between them."""
    span = p.pull.paging.max_span_us
    if span is None or lower is None or upper is None or gap.upper is None:
        return lower, upper
    room = span - SECOND_US
    upper = min(upper, max(gap.upper + p.pull.margin, gap.lower + room))
    return max(lower, upper - room), upper


def _with_low(p: Progress, row: int | None) -> int:
    """A lower bound whose answer includes ``row``."""
    assert row is not None
    return max(0, row - (p.pull.margin if p.low_inclusive is False else 0))


def _with_high(p: Progress, row: int | None) -> int:
    assert row is not None
    return row + (p.pull.margin if p.high_inclusive is False else 0)


def _without_low(p: Progress, row: int | None) -> int:
    """A lower bound whose answer begins after ``row``."""
    assert row is not None
    return row + (p.pull.margin if p.low_inclusive else 0)


def _without_high(p: Progress, row: int | None) -> int:
    assert row is not None
    return row - (p.pull.margin if p.high_inclusive else 0)


def _lowest(p: Progress, gap: Gap, shift: int = 0) -> int | None:
    """The lower bound where no held row lies below the gap; ids may need none (``None``)."""
    if p.pull.by_time and p.pull.counts_ids:
        earlier = EARLIER_US[shift]
        return 0 if earlier is None else max(0, p.pull.wanted_from - p.pull.margin - earlier)
    if p.pull.by_time:
        return max(0, gap.lower - p.pull.margin)
    return p.floor if p.restart or not p.pull.can_upper else None


def _window(
    p: Progress, lower: int | None, upper: int | None, unit: Unit | None, high: int | None
) -> Window:
    """A window with only those bounds that a request of this exchange can name."""
    if lower is not None:
        lower = max(0, lower)
    if p.pull.paging.bounds is Bounds.LOWER:
        if p.pull.paging.dense and not p.pull.by_time and high is not None:
            rows = p.profile.rows or p.pull.paging.max_rows
            lower = max(lower or 0, high - max(1, rows - 1))  # the bound may be exclusive
        return Window(lower or 0, None, p.pull.paging.max_rows, unit)
    if p.pull.paging.bounds is Bounds.UPPER or (
        p.pull.paging.bounds is Bounds.EITHER and upper is not None
    ):
        return Window(None, upper, p.pull.paging.max_rows, unit)
    return Window(lower, upper, p.pull.paging.max_rows, unit)


def turn(p: Progress) -> list[int]:
    """Positions of rows to be read again next: those in ``settle_range``, else all that wait."""
    resting = {
        u.lower for u in p.unshown if u.upper - u.lower == 1 and u.lost and not _is_due(p, u)
    }
    waiting = sorted(p.unsettled - p.refreshed - p.missing - resting)
    low, high = p.settle_range or (0, 0)
    return [w for w in waiting if low <= w <= high] or waiting


def _settle(p: Progress) -> Request | None:
    waiting = turn(p)
    if not waiting or p.settle_requests >= SETTLE_REQUESTS or p.barren >= BARREN:
        return None
    # One position beyond each end: whichever end the limit keeps, it shows one of the two.
    span = p.pull.paging.max_span_us
    room = 2**62 if span is None else waiting[0] + span - 2 * SECOND_US
    last = max(w for w in waiting if w <= room)
    window = _window(p, max(0, waiting[0] - 1), last + 1, p.unit, None)
    return Request(Kind.SETTLE, window)
