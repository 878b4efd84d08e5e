"""What one answer proves. Pure.

An answer is a contiguous part of what the exchange lists, so no row lies between two of its rows.
It proves the span between its own readable rows inside the window requested, with two exceptions:

- **Its ends.** A server that sorts by time may cut an answer between rows of one moment, whatever
  their ids. An end counts in full where the answer reaches a moment deep into an interval that is
  proved already; elsewhere the rows of the outermost moment are left out of the proof. So every
  interval remembers rows one moment inside its ends, and requests begin there.
- **Rows that it must show.** A stored row that may still change has to be in an answer that spans
  its position; where it is not, the answer does not prove that position.

Rows outside the window, and rows without a readable position, prove nothing and extend nothing. The
number of rows in an answer is no evidence. Where ids have no holes (``Paging.dense``), the proof is
stricter and simpler: the runs of consecutive ids. docs/coverage.md explains the proof in full.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Cursor, Key, Page, Paging, Window
from pipelines.ingest.windows.state import Attempt, Kind, Progress, Request, Step
from schemas.arrays import from_numpy
from schemas.declare import UNSETTLED
from schemas.times import SECOND_US
from warehouse.intervals import Gap, Interval, Intervals

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]

HOUR_US = 3600 * SECOND_US

LEAST_CAP = 5
"""No exchange is known to answer with fewer rows at most."""

UNIT_US = {"ms": 1000, "s": 1_000_000}
"""Microseconds in a unit of time bounds."""


@dataclass(frozen=True, eq=False)
class Received:
    """The rows of one answer inside the window requested, in order received.

    ``positions``: ids or times, ``times``: microseconds, of the rows that can be stored. ``final``:
    whether a candle's interval had ended. ``open``: positions of rows that may still change.
    ``rejected``: positions of malformed rows, where readable; ``unreadable``: the number of other
    malformed rows. ``outside``: whether rows outside the window came along. ``distinct``: how many
    different rows with a readable position there are, where several may share a position.
    ``resume``: where the answer ends, to a finer unit than times.
    """

    positions: Numbers
    times: Numbers
    rejected: frozenset[int] = frozenset()
    unreadable: int = 0
    outside: bool = False
    final: Flags | None = None
    open: frozenset[int] = frozenset()
    distinct: int | None = None
    resume: int | None = None

    @property
    def size(self) -> int:
        """The number of different rows with a readable position."""
        return len(self.shown) if self.distinct is None else self.distinct

    @cached_property
    def in_order(self) -> tuple[Numbers, Numbers]:
        """``positions`` and ``times``, sorted by position."""
        steps = self.positions[1:] - self.positions[:-1]
        if (steps >= 0).all():
            return self.positions, self.times
        if (steps < 0).all():
            return self.positions[::-1], self.times[::-1]
        order = np.argsort(self.positions, kind="stable")
        return self.positions[order], self.times[order]

    @cached_property
    def reach(self) -> tuple[Numbers, Numbers]:
        """The latest time up to each row and the earliest from it on, sorted by position.

        Both are the times themselves where those are in the order of the positions.
        """
        _, at = self.in_order
        if (at[1:] >= at[:-1]).all():
            return at, at
        return np.maximum.accumulate(at), np.minimum.accumulate(at[::-1])[::-1]

    @cached_property
    def shown(self) -> Numbers:
        """Every readable position once, sorted."""
        ids, _ = self.in_order
        shown = ids[np.append(True, ids[1:] != ids[:-1])] if len(ids) else ids
        if self.rejected:
            return np.union1d(shown, np.fromiter(self.rejected, np.int64, len(self.rejected)))
        return shown


def receive(
    page: Page,
    window: Window,
    paging: Paging,
    floor: int | None = None,
    id_column: str | None = None,
) -> Received:
    """The rows of ``page`` that lie inside ``window`` (bounds as sent, inclusive).

    Positions below ``floor`` are dropped: after a restart, ids there are of other rows.
    ``id_column``: where ids are text, so that positions are times which rows may share.
    """
    positions: Numbers = page.positions.to_numpy(zero_copy_only=False)
    names = page.table.column_names
    if paging.key is Key.TIME or "timestamp" not in names:
        times = positions
    else:
        times = pc.cast(page.table.column("timestamp"), pa.int64()).to_numpy()
    by_time = paging.cursor is Cursor.TIME
    # bounds are rounded: to the unit, or, where none is known, to milliseconds
    slack = UNIT_US[window.unit or "ms"] if by_time else 0
    low = None if window.lower is None else window.lower - slack
    high = None if window.upper is None else window.upper + slack
    if floor is not None and len(positions) and int(positions.min()) < floor:
        keep = positions >= floor
        page = replace(page, table=page.table.filter(from_numpy(keep)))
        positions, times = positions[keep], times[keep]
    inside = _within(times if by_time else positions, low, high)
    final = opened = None
    if "is_final" in names:
        final = page.table.column("is_final").to_numpy()
    if "status" in names:
        opened = pc.is_in(page.table.column("status"), value_set=pa.array(UNSETTLED)).to_numpy()
    readable = [r.position for r in page.rejected if r.position is not None]
    # The time of a malformed row is unknown: in a window of times, its id cannot place it.
    rejected = [
        p
        for p in readable
        if (by_time and paging.key is Key.INTEGER)
        or ((low is None or p >= low) and (high is None or p <= high))
    ]
    outside = len(rejected) < len(readable)
    if inside is not None and not inside.all():
        outside = True
        positions, times = positions[inside], times[inside]
        final = None if final is None else final[inside]
        opened = None if opened is None else opened[inside]
    distinct = None
    if paging.key is Key.TEXT and id_column is not None:
        ids = page.table.column(id_column)
        stored = ids if inside is None else ids.filter(from_numpy(inside))
        distinct = pc.count_distinct(stored).as_py() + len(rejected)
    return Received(
        positions,
        times,
        frozenset(rejected),
        len(page.rejected) - len(readable),
        outside,
        final,
        frozenset() if opened is None else frozenset(positions[opened].tolist()),
        distinct,
        page.resume,
    )


def _within(values: Numbers, low: int | None, high: int | None) -> Flags | None:
    if low is None and high is None:
        return None
    inside: Flags = np.ones(len(values), dtype=np.bool_)
    if low is not None:
        inside &= values >= low
    if high is not None:
        inside &= values <= high
    return inside


def proved(
    rows: Received,
    complete: Intervals,
    paging: Paging,
    step: int = 1,
    *,
    bottom_is_whole: bool = False,
    top_is_whole: bool = False,
    seen_rejected: frozenset[int] = frozenset(),
    must_show: Collection[int] = frozenset(),
) -> Intervals:
    """The spans that ``rows`` prove, given that ``complete`` is proved already.

    ``step``: from one candle to the next. ``bottom_is_whole``: the answer is known to be cut at its
    upper end, so that its lower end is not. ``top_is_whole``: it is known to hold the newest rows,
    so that its upper end is not cut. ``seen_rejected``: positions of malformed rows that an
    earlier answer had shown; at an end, such a row counts only once a second answer shows it.
    ``must_show``: positions of held rows that may still change.
    """
    if not len(rows.positions) and not rows.rejected:
        return ()
    if paging.dense:
        return _runs(rows)
    if not len(rows.positions):
        return ()
    ids, at = rows.in_order
    if paging.key is Key.TIME:
        low, high = 0, len(ids) - 1
        if rows.final is not None:
            finished = rows.positions[rows.final]
            if not len(finished):
                return ()
            high = int(np.searchsorted(ids, finished.max(), side="right")) - 1
    else:
        step = 1
        first, last = int(ids[0]), int(ids[-1])
        firm = (
            bottom_is_whole or _reaches_down(complete, first),
            top_is_whole or _reaches_up(complete, last),
        )
        low, high = _sound_ends(rows, firm)
        if low > high:
            return ()
    lower, upper = int(ids[low]), int(ids[high]) + step
    again = [p for p in rows.rejected if p in seen_rejected]
    # Where ids and times are in different orders, only the newest end is known to hold such a row.
    if again and paging.key is Key.TIME:
        lower = min(lower, *again)
    elif again and top_is_whole:
        upper = max(upper, *(p + step for p in again))
    inner = (low, high) if paging.key is Key.TIME else _a_moment_inside(rows.reach, low, high)
    whole = Interval(lower, upper, *_ends(ids, at, *inner))
    missing = _missing(rows, must_show, top_is_whole=top_is_whole) if must_show else ()
    return _without(whole, missing, ids, at) if missing else (whole,)


def _missing(rows: Received, must_show: Collection[int], *, top_is_whole: bool) -> Sequence[int]:
    """The rows that may still change and are not shown where the answer cannot be cut."""
    ids, _ = rows.in_order
    low, high = _sound_ends(rows, (False, top_is_whole))
    if low > high:
        return []
    shown, first, last = rows.shown, int(ids[low]), int(ids[high])
    return sorted(u for u in must_show if first <= u <= last and not _holds(shown, u))


def is_covered(complete: Intervals, position: int) -> bool:
    """Whether ``position`` lies in one of ``complete``."""
    return any(position in interval for interval in complete)


def _reaches_down(complete: Intervals, lowest: int) -> bool:
    """Whether an answer down to ``lowest`` reaches a moment deep into an interval below."""
    for i in complete:
        if lowest in i:
            return i.last is not None and lowest <= i.last < i.upper - 1
    return False


def _reaches_up(complete: Intervals, highest: int) -> bool:
    for i in complete:
        if highest in i:
            return i.first is not None and i.lower < i.first <= highest
    return False


def _a_moment_inside(reach: tuple[Numbers, Numbers], low: int, high: int) -> tuple[int, int]:
    """The indices of the rows one moment inside ``low`` and ``high``; these if there are none."""
    latest, earliest = reach
    first = int(np.searchsorted(earliest, latest[low], side="right"))
    last = int(np.searchsorted(latest, earliest[high], side="left")) - 1
    return (first if first <= high else low), (last if last >= low else high)


def _ends(ids: Numbers, at: Numbers, low: int, high: int) -> tuple[int, int, int, int]:
    return int(ids[low]), int(ids[high]), int(at[low]), int(at[high])


def _holds(values: Numbers, value: int) -> bool:
    place = int(np.searchsorted(values, value))
    return place < len(values) and int(values[place]) == value


def _sound_ends(rows: Received, firm: tuple[bool, bool]) -> tuple[int, int]:
    """The first and last of the sorted rows between which none can be missing; first > last: none.

    Near an end at which an answer sorted by time may be cut off, as many rows may be missing as lie
    within the greatest step back in time from a row to one with a higher id. The order in which
    rows come says nothing: a server may cut by time and answer by id.
    """
    _, at = rows.in_order
    latest, earliest = rows.reach
    low, high = 0, len(at) - 1
    if firm == (True, True):
        return low, high
    back = 0
    if latest is not at:
        back = int((latest - at).max())
    if not firm[0]:
        low = int(np.searchsorted(earliest, earliest[0] + back, side="right"))
    if not firm[1]:
        high = int(np.searchsorted(latest, latest[-1] - back, side="left")) - 1
    return low, high


def _runs(rows: Received) -> Intervals:
    """The runs of consecutive ids: all that an answer proves where ids have no holes."""
    shown = rows.shown
    starts = np.flatnonzero(np.diff(shown, prepend=shown[0] - 2) != 1)
    stops = np.append(starts[1:], len(shown)) - 1
    ids, at = rows.in_order
    found = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        lower, upper = int(shown[start]), int(shown[stop]) + 1
        low = int(np.searchsorted(ids, lower))
        high = int(np.searchsorted(ids, upper)) - 1
        ends = _ends(ids, at, low, high) if low <= high else (None, None, None, None)
        found.append(Interval(lower, upper, *ends))
    return tuple(found)


def _without(whole: Interval, missing: Sequence[int], ids: Numbers, at: Numbers) -> Intervals:
    """``whole`` without the positions ``missing``."""
    pieces = []
    lower = whole.lower
    for cut in [*missing, whole.upper]:
        low = int(np.searchsorted(ids, lower))
        high = int(np.searchsorted(ids, cut)) - 1
        if low <= high:
            pieces.append(Interval(lower, cut, *_ends(ids, at, low, high)))
        lower = cut + 1
    return tuple(pieces)


# -- the answer to one request -----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Evidence:
    """The rows of one answer, and the spans that they prove."""

    rows: Received
    spans: Intervals = ()


def assess(page: Page, request: Request, p: Progress) -> Evidence:
    """What ``page``, the answer to ``request``, proves in the state ``p``."""
    if request.kind is Kind.NUMBERING:
        return Evidence(receive(page, request.window, p.pull.paging))
    floor = p.restart.top + 1 if p.restart else None
    counted = receive(page, request.window, p.pull.paging, floor, p.pull.id_column)
    spans = spans_of(counted, request, p)
    if request.kind is Kind.HEAD and p.restart is not None:
        return Evidence(receive(page, request.window, p.pull.paging), spans)
    return Evidence(counted, spans)


def spans_of(rows: Received, request: Request, p: Progress) -> Intervals:
    """The spans that ``rows`` prove as the answer to ``request``."""
    t = request.attempt
    if request.kind is Kind.NARROW and t is not None and not rows.outside:
        return _narrow_span(p, t, rows)
    if request.kind is Kind.GAP and t is not None and _is_bare(p, t, rows):
        return ()
    spans = proved(
        rows,
        p.complete,
        p.pull.paging,
        p.pull.step,
        bottom_is_whole=p.oldest_kept or is_cut_above(rows, request, p),
        top_is_whole=len(rows.shown) > 0 and _shows_newest(rows, request.kind, p),
        seen_rejected=p.seen_rejected,
        must_show=p.unsettled,
    )
    if spans or not len(rows.positions) or p.pull.counts_times:
        return spans
    return _few_rows(p, request, rows)


def is_cut_above(rows: Received, request: Request, p: Progress) -> bool:
    """Whether an answer from a lower bound on leaves out known rows newer than all of its own.

    Where requests name no other bound, it then holds the oldest of its window.
    """
    if p.pull.can_upper or request.window.lower is None or not len(rows.positions):
        return False
    if p.raw_top is None or p.raw_top_at is None:
        return False
    return int(rows.shown[-1]) < p.raw_top and int(rows.times.max()) < p.raw_top_at


def _shows_newest(rows: Received, kind: Kind, p: Progress) -> bool:
    """Whether an answer holds the newest rows, so that its upper end is no cut."""
    top = int(rows.shown[-1])
    if kind is Kind.HEAD:
        held = p.pull.top_row
        keeps = p.profile.keeps == "newest" and leaves_out_older(p.complete, rows)
        newest = keeps and (held is None or top >= held)
    elif kind is Kind.UP:
        # A smaller answer than an earlier one of this pull had room for a newer row.
        room = rows.size < p.most_rows
        # Rows outside the window or without a readable place took room as well.
        newest = room and top == p.raw_top and not rows.outside and not rows.unreadable
    else:
        return False
    return newest and not is_young(p, rows)


def is_young(p: Progress, rows: Received) -> bool:
    """Whether a row may join the newest position of an answer: ids are unique, times are not."""
    return not p.pull.counts_ids and p.pull.started - int(rows.times.max()) <= HOUR_US


def _is_bare(p: Progress, t: Attempt, rows: Received) -> bool:
    """Whether an answer shows rows at both edges of a gap, none between, none a moment beyond.

    They may be of one moment, at which the answer was cut: a narrower request decides.
    """
    if p.pull.paging.dense or p.pull.counts_times or t.gap.below is None or t.gap.above is None:
        return False
    if p.oldest_kept:
        return False
    if len(inside(t.gap, rows)) or not (shows_below(t, rows) and shows_above(t, rows)):
        return False
    low, high = int(rows.shown[0]), int(rows.shown[-1])
    return not (_reaches_down(p.complete, low) and _reaches_up(p.complete, high))


def _few_rows(p: Progress, request: Request, rows: Received) -> Intervals:
    """Where nothing else is proved: what the next request starts from.

    Of ids, the newest row alone. Where times are the positions, an answer of a few rows: it shows
    their moments whole, because no exchange caps its answers so low.
    """
    if p.pull.counts_ids:
        newest = int(rows.positions.argmax())
        top, time = int(rows.positions[newest]), int(rows.times[newest])
        alone = Interval(top, top + 1, top, top, time, time)
        return (alone,) if request.kind not in (Kind.GAP, Kind.CONTROL, Kind.SETTLE) else ()
    wanted = request.kind is Kind.HEAD or p.pull.paging.max_span_us is not None
    if not wanted or rows.unreadable or rows.outside or rows.size >= LEAST_CAP:
        return ()
    ids, at = rows.in_order
    upper = int(ids[-1]) + 1
    if is_young(p, rows):
        upper, older = int(ids[-1]), ids < ids[-1]
        if not older.any():
            return ()
        ids, at = ids[older], at[older]
    inner = _a_moment_inside((at, at), 0, len(at) - 1)  # in order: the positions are times
    return (Interval(int(ids[0]), upper, *_ends(ids, at, *inner)),)


def _narrow_span(p: Progress, t: Attempt, rows: Received) -> Intervals:
    """The span that an answer to ``Step.NARROW`` proves: all of its window.

    The wider request before showed more rows than this answer holds, so that this one was not cut;
    and it shows again every row that the wider one had shown there.
    """
    shown = rows.shown
    if t.step is not Step.NARROW or rows.unreadable or rows.size >= t.rows:
        return ()
    must = [row for row in t.seen if t.gap.lower <= row] if t.mirrored else list(t.seen)
    if not all(_holds(shown, row) for row in must):
        return ()
    if any(u not in shown for u in p.unsettled if must[0] <= u <= must[-1]):
        return ()
    ids, at = rows.in_order
    assert t.gap.upper is not None
    lower = t.gap.lower if t.mirrored else t.seen[0]
    upper = t.seen[-1] + 1 if t.mirrored else t.gap.upper
    low = int(np.searchsorted(ids, lower))
    high = int(np.searchsorted(ids, upper)) - 1
    if low > high:  # malformed rows alone
        return (Interval(lower, upper, lower, upper - 1),)
    first, last = _a_moment_inside(rows.reach, low, high)
    span = Interval(lower, upper, *_ends(ids, at, first, last))
    # A malformed row may be the outermost: the next one is then no moment inside.
    return (
        replace(
            span,
            first=lower if first == low else span.first,
            last=upper - 1 if last == high else span.last,
        ),
    )


def inside(gap: Gap, rows: Received) -> Numbers:
    """The readable positions of an answer that lie in a gap, sorted."""
    shown = rows.shown
    assert gap.upper is not None
    return shown[(shown >= gap.lower) & (shown < gap.upper)]


def shows_below(t: Attempt, rows: Received) -> bool:
    """Whether an answer shows rows below a gap."""
    return t.gap.below is not None and bool((rows.shown < t.gap.lower).any())


def shows_above(t: Attempt, rows: Received) -> bool:
    """Whether an answer shows rows above a gap."""
    upper = t.gap.upper
    return t.gap.above is not None and upper is not None and bool((rows.shown >= upper).any())


def at_positions(rows: Received) -> frozenset[int]:
    """The positions of the rows that can be stored."""
    return frozenset(rows.positions.tolist())


def leaves_out_older(complete: Intervals, rows: Received) -> bool:
    """Whether known rows are older than all of an answer to ``Kind.HEAD``: it kept the newest."""
    if not complete or not len(rows.positions):
        return False
    low, at = complete[0].first, complete[0].first_at
    if low is None or at is None:
        return False
    return low < int(rows.positions.min()) and at < int(rows.times.min())
