"""The state of one pull of a windowed stream, as plain values.

``Profile`` is the paging profile: hypotheses about an exchange's paging, which decide only which
request is tried first. ``Progress`` is all that a pull knows: coverage, requests made, rows seen.
``plan.plan`` reads it, ``advance.advance`` makes the next one.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal

from connectors.base import Bounds, Cursor, Key, Paging, Unit, Window
from schemas.times import DAY_US
from warehouse.intervals import Gap, Interval, Intervals, Unshown, subtract

_LONGEST_REST: Final = 30 * DAY_US

Keeps = Literal["newest", "oldest"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How the exchange pages this stream, and when that was last confirmed (microseconds).

    ``keeps``: which end of a window ``limit`` keeps. ``unit``: of time bounds. ``rows``: the number
    in the largest answer of the last pull; it sets the width of windows, and proves nothing.
    """

    keeps: Keeps | None = None
    keeps_at: int = 0
    unit: Unit | None = None
    unit_at: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Restart:
    """The exchange restarted the ids of the stream. ``top``: the highest id before the restart.

    ``row``/``row_at``: an older row, by which the old numbering is recognised. Times in
    microseconds.
    """

    top: int
    row: int
    row_at: int
    found_at: int


class Kind(Enum):
    """What a request is for."""

    HEAD = "head"  # the newest rows
    UP = "up"  # what is newer than a held row, that row included
    BEYOND = "beyond"  # what is newer than the newest row, without that row
    BACK = "back"  # more rows below the head, for a configured look-back
    GAP = "gap"  # what lies between two held rows, both included
    NARROW = "narrow"  # from one row to just below the next one
    PROBE = "probe"  # at a distance below a held row
    CONTROL = "control"  # a held row again, after answers without rows
    SETTLE = "settle"  # stored rows that may still change
    NUMBERING = "numbering"  # the newest row from before ids restarted


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``attempt``: the attempt at a gap that it belongs to, if any."""

    kind: Kind
    window: Window
    attempt: "Attempt | None" = None


class Step(Enum):
    """The steps of an attempt at one gap: ways to request it, in this order."""

    GAP = "gap"
    NARROW = "narrow"
    LOW_HALF = "low half"
    HIGH_HALF = "high half"
    INSIDE = "inside"
    PROBE = "probe"
    CONTROL = "control"
    SINGLE = "single"


@dataclass(frozen=True, slots=True)
class Attempt:
    """The attempt at one gap. ``units``: of time bounds that were tried. ``rows``/``seen``: of the
    last answer to ``Step.GAP``, the number of rows and the positions inside the gap. ``shown``:
    whether it showed the row above. ``probes``: upper bounds requested below it, the next one last.
    """

    gap: Gap
    step: Step = Step.GAP
    units: tuple[Unit | None, ...] = ()
    rows: int = 0
    seen: tuple[int, ...] = ()
    shown: bool = False
    again: bool = False
    """Only malformed rows were shown; the same request is made a second time."""
    tight: bool = False
    """Rows beyond the edges filled the answer; the bounds name the edges themselves."""
    exclude: bool = False
    """``Step.NARROW`` leaves out the row on the other side."""
    mirrored: bool = False
    """``Step.NARROW`` works upwards from the row below the gap."""
    shift: int = 0
    resume: int | None = None
    """The next request begins here, where the answers before brought no further row."""
    probes: tuple[int, ...] = ()
    places: tuple[int, ...] = ()
    """Below which ``Step.SINGLE`` asks for one row."""


@dataclass(frozen=True, slots=True)
class Pull:
    """What does not change during one pull of one stream. Positions are ids or microseconds."""

    paging: Paging
    started: int
    """Microseconds since 1970."""
    wanted_from: int
    """History is wanted back to this time, in microseconds."""
    step: int = 1
    """From one candle to the next."""
    id_column: str | None = None
    """The last column of the dataset's key."""
    lookback: int = 0
    """Rows below the head to read again where more than the newest answer are wanted."""
    of_market: bool = True
    """Whether the stream is of one market: a server may apply the limit before it selects that."""
    changes: bool = False
    """Whether rows of the dataset change under the same id."""
    held: bool = False
    """Whether rows of the stream are stored (a metastore may have been lost)."""
    top_before: Interval | None = None
    """The newest proved interval when the pull began."""
    newest_before: int | None = None
    """Time of the newest row when the pull began."""
    quiet: bool = False
    """Ids are counted, and the pull before asked for the newest rows only and found none new."""
    forced: tuple[int, int] | None = None
    """Positions between which all is requested again (``pull --from --to``)."""

    @property
    def by_time(self) -> bool:
        """Whether requests name times."""
        return self.paging.cursor is Cursor.TIME

    @property
    def counts_ids(self) -> bool:
        """Whether coverage counts ids."""
        return self.paging.key is Key.INTEGER

    @property
    def counts_times(self) -> bool:
        """Whether coverage counts times, and a time names one row (candles)."""
        return self.paging.key is Key.TIME

    @property
    def margin(self) -> int:
        """Distance of a bound from a row that the answer must show: the bound may be exclusive."""
        return self.step if self.counts_times else 1

    @property
    def can_lower(self) -> bool:
        """Whether a request can name a lower bound."""
        return self.paging.bounds is not Bounds.UPPER

    @property
    def can_upper(self) -> bool:
        """Whether a request can name an upper bound."""
        return self.paging.bounds is not Bounds.LOWER

    @property
    def top_row(self) -> int | None:
        """The newest row that was proved when the pull began."""
        return None if self.top_before is None else self.top_before.upper - self.margin


@dataclass(frozen=True, slots=True)
class Head:
    """The answer to ``Kind.HEAD``: its lowest and highest positions; ``None``: it has no rows.

    ``low_at``: time of the row at ``low``, in microseconds.
    """

    low: int | None = None
    low_at: int = 0
    top: int | None = None


@dataclass(frozen=True, slots=True)
class Upward:
    """How rows newer than the coverage are requested.

    ``start``: the cursor value of the held row to begin at; ``None``: the newest row that is
    covered. ``units``: of time bounds that were tried from there.
    """

    start: int | None = None
    units: tuple[Unit | None, ...] = ()
    repeats: int = 0
    """How often the same request was made again, because it showed nothing."""
    from_anchor: bool = False
    """Nothing was shown from the newest row on; the anchor is the start now."""
    beyond: bool = False
    """The next request leaves out the newest row: the answer may be cut below the one above."""
    beyond_empty: bool = False
    """A request that left out the newest row showed nothing."""
    resume: int | None = None
    """The next request begins here: more rows share a moment than an answer holds."""


@dataclass(frozen=True)
class Progress:
    """A pull between two requests. Positions are ids or microseconds."""

    pull: Pull

    # What is known
    complete: Intervals = ()
    unshown: tuple[Unshown, ...] = ()
    unsettled: frozenset[int] = frozenset()
    newest_at: int | None = None
    profile: Profile = Profile()
    restart: Restart | None = None
    beginning: tuple[int, ...] = ()
    """The positions below the first row at which requests showed nothing."""

    # What this pull did
    anchor: int | None = None
    """The cursor value of the held row from which rows are read again upwards."""
    head_due: bool = True
    """The newest rows are to be requested next."""
    head: Head | None = None
    numbering_asked: bool = False
    raw_top: int | None = None
    """The highest position received …"""
    raw_top_at: int | None = None
    """… and its time."""
    up: Upward = Upward()
    bounded: bool = False
    """An answer left out older rows than its lower bound names: it was applied."""
    most_rows: int = 0
    """Different rows in the largest answer of this pull."""
    low_inclusive: bool | None = None
    high_inclusive: bool | None = None
    """Whether an answer of this pull showed the row that a bound named."""
    oldest_kept: bool = False
    """An answer from a lower bound on left out newer rows, so that it held the oldest of its
    window. Found out where no request can name an upper bound."""
    top_settled: bool = False
    """No row newer than the coverage was shown, or this pull requests no newer ones."""
    checked: bool = False
    """The exchange showed its newest rows."""
    doubtful: bool = False
    """No newer row was shown, but the answer had ignored its lower bound."""
    reread: int = 0
    """Rows read again below the head without a hole, down to ``low_read``."""
    low_read: int | None = None
    back_units: tuple[Unit | None, ...] = ()
    """Of time bounds that the look-back tried."""
    attempt: Attempt | None = None
    skipped: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """Gaps that this pull no longer requests, and why not; empty where that is no problem."""
    retried: int = 0
    """Stretches not shown by earlier pulls that this pull requested again."""
    barren: int = 0
    """Answers in succession that proved nothing; once ``unreadable``, all of the pull."""
    unreadable: bool = False
    """Rows without a readable place came in this pull."""
    refreshed: frozenset[int] = frozenset()
    """Rows that may still change and were received in this pull."""
    settle_range: tuple[int, int] | None = None
    """The positions between which rows are to be read again next; ``None``: all."""
    settle_requests: int = 0
    settle_left: int = -1
    missing: frozenset[int] = frozenset()
    """Rows that may still change and that an answer spanning them did not show."""
    seen_rejected: frozenset[int] = frozenset()
    stale: bool = False
    """The newest rows of earlier pulls are not shown."""
    lost_found: bool = False
    failures: tuple[str, ...] = ()
    """What could not be fetched, gaps apart."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be fetched so far; a gap that was given up may have been closed since."""
        gaps = (
            why
            for (lower, upper), why in self.skipped.items()
            if why and subtract((Interval(lower, upper),), self.complete)
        )
        return tuple(dict.fromkeys((*self.failures, *gaps)))

    @property
    def head_empty(self) -> bool:
        """Whether the newest answer has no rows though rows are known, of the time it is of."""
        empty = self.head is not None and self.head.top is None
        span = self.pull.paging.max_span_us
        if span is not None and (self.pull.newest_before or 0) < self.pull.started - span:
            return False
        return empty and (bool(self.complete) or self.pull.held)

    @property
    def nothing_recent(self) -> bool:
        """Whether the newest answer, of a bounded stretch of time, has no rows."""
        bounded = self.pull.paging.max_span_us is not None and self.pull.paging.key is Key.TEXT
        return bounded and self.head is not None and self.head.top is None

    @property
    def floor(self) -> int:
        """The lowest position that is wanted, as far as known."""
        if not self.pull.counts_ids:
            return self.pull.wanted_from
        return self.restart.top + 1 if self.restart else 0

    @property
    def unit(self) -> Unit | None:
        """The unit of time bounds to try first."""
        if self.profile.unit is not None or not self.pull.paging.units:
            return self.profile.unit
        return self.pull.paging.units[0]


def due_at(u: Unshown) -> int:
    """When a stretch that rests is asked for again: the intervals grow, and never end."""
    return u.asked_at + min(_LONGEST_REST, max(DAY_US, (u.asked_at - u.since) // 2))


if TYPE_CHECKING:
    from dataclasses import replace as replace
else:

    def replace(value: Any, /, **changes: Any) -> Any:
        """``dataclasses.replace``, which sets the forty fields of a ``Progress`` one by one.

        It is called seven times an answer, and copying them at once takes a tenth of the time.
        """
        if type(value) is not Progress:
            return dataclasses.replace(value, **changes)
        copy = object.__new__(Progress)
        copy.__dict__.update(value.__dict__, **changes)
        return copy


def rests(u: Unshown, now: int) -> bool:
    """Whether a stretch that is not asked for in every pull is not due again yet."""
    return now < due_at(u)


def first_row(interval: Interval | None) -> int:
    """The row from which to request downwards: one moment inside the interval, if it has one."""
    assert interval is not None
    return interval.lower if interval.first is None else interval.first


def last_row(interval: Interval) -> int:
    """The row from which to request upwards: one moment inside the interval, if it has one."""
    return interval.upper - 1 if interval.last is None else interval.last
