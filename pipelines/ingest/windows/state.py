"""The plain values that one pull of a windowed stream is decided by.

``Profile`` is what is believed of an exchange's paging: a hypothesis that only chooses which
request to try first. ``Progress`` is all that a pull knows: what is proved, what it asked, what it
saw. Both are values; ``plan.plan`` reads them and ``plan.advance`` makes the next one.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal

from connectors.base import Bounds, Cursor, Key, Paging, Unit, Window
from schemas.times import DAY_US
from warehouse.intervals import Gap, Interval, Intervals, Unshown

_LONGEST_REST: Final = 30 * DAY_US

Keeps = Literal["newest", "oldest"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How the exchange was seen to page this stream, and when that was last confirmed.

    ``keeps``: which end of a window survives ``limit``. ``unit``: of time bounds. ``rows``: of the
    largest answer of the last pull; it chooses widths, and proves nothing. Times in microseconds.
    """

    keeps: Keeps | None = None
    keeps_at: int = 0
    unit: Unit | None = None
    unit_at: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Restart:
    """The exchange began to count ids anew. ``top``: the highest id before that.

    ``row``/``row_at``: a row of before, by which the old numbering is recognised. Times in
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
    BEYOND = "beyond"  # what is newer than the newest row, that row left out
    BACK = "back"  # more rows below the head, for a configured look-back
    GAP = "gap"  # what lies between two held rows, both included
    NARROW = "narrow"  # from one row to just below the next one
    PROBE = "probe"  # at a distance below a held row
    CONTROL = "control"  # a held row again, after answers without rows
    SETTLE = "settle"  # rows that may still change
    NUMBERING = "numbering"  # the newest row of before ids began anew


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``attempt``: of work on a gap, where that stands."""

    kind: Kind
    window: Window
    attempt: "Attempt | None" = None


class Step(Enum):
    """Where the work on one gap stands: the ways to ask for it, in this order."""

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
    """The work on one gap. ``units``: of time bounds that were tried. ``rows``/``seen``: what the
    last answer to ``Step.GAP`` showed: how many, and which positions inside. ``shown``: whether
    it showed the row above. ``probes``: the positions asked below it, the last one now."""

    gap: Gap
    step: Step = Step.GAP
    units: tuple[Unit | None, ...] = ()
    rows: int = 0
    seen: tuple[int, ...] = ()
    shown: bool = False
    again: bool = False
    """Malformed rows alone were shown; the same question is asked a second time."""
    tight: bool = False
    """Held rows beyond the edges filled the answer; the bounds name the edges themselves."""
    exclude: bool = False
    """``Step.NARROW`` leaves out the row on the other side."""
    mirrored: bool = False
    """``Step.NARROW`` works upwards from the row below the gap."""
    shift: int = 0
    probes: tuple[int, ...] = ()
    places: tuple[int, ...] = ()
    """Below which ``Step.SINGLE`` asks for one row."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One pull of one stream, between two requests. Positions are ids or microseconds."""

    # What does not change during a pull
    paging: Paging
    started: int
    """Microseconds since 1970."""
    wanted_from: int
    """History is wanted back to this time, in microseconds."""
    step: int = 1
    """From one candle to the next."""
    lookback: int = 0
    """Rows below the head to read again where more than the newest answer are wanted."""
    anchor: int | None = None
    """The cursor value of the held row from which rows are read again upwards."""
    of_market: bool = True
    """Whether the stream is of one market: an exchange may cut answers before it selects it."""
    held: bool = False
    """Whether rows of the stream are stored (a metastore may have been lost)."""
    top_before: Interval | None = None
    """The newest proved interval when the pull began."""
    newest_before: int | None = None
    """Time of the newest row when the pull began."""
    forced: tuple[int, int] | None = None
    """Positions between which all is asked for, whatever was not shown before."""

    # What is known
    complete: Intervals = ()
    unshown: tuple[Unshown, ...] = ()
    unsettled: frozenset[int] = frozenset()
    newest_at: int | None = None
    profile: Profile = Profile()
    restart: Restart | None = None
    beginning: tuple[int, ...] = ()
    """The positions below the first row at which the exchange was asked and showed nothing."""

    # What this pull did
    head_asked: bool = False
    numbering_asked: bool = False
    head_low: tuple[int, int] | None = None
    """Position and time of the lowest row of the answer to ``Kind.HEAD``."""
    head_top: int | None = None
    """The highest position of that answer."""
    raw_top: int | None = None
    """The highest position received …"""
    raw_top_at: int | None = None
    """… and its time."""
    up_beyond: bool = False
    up_deeper: bool = False
    beyond_empty: bool = False
    most_rows: int = 0
    """Rows of the largest answer of this pull."""
    low_inclusive: bool | None = None
    high_inclusive: bool | None = None
    """Whether an answer of this pull showed the row that a bound named."""
    up_from: int | None = None
    up_units: tuple[Unit | None, ...] = ()
    top_settled: bool = False
    """Nothing newer was shown than what is proved, or this pull goes no further up."""
    checked: bool = False
    """The exchange showed its newest rows."""
    doubtful: bool = False
    """Nothing newer was shown, but by an answer that had ignored its lower bound."""
    reread: int = 0
    """Rows read again below the head without a hole, down to ``low_read``."""
    low_read: int | None = None
    attempt: Attempt | None = None
    skipped: frozenset[tuple[int, int]] = frozenset()
    """Gaps that this pull asks for no more."""
    retried: int = 0
    """Stretches not shown before that this pull asked for again."""
    barren: int = 0
    """Answers in a row that proved nothing; in all, once rows came that cannot be read."""
    unreadable: bool = False
    """Rows without a readable place came in this pull."""
    refreshed: frozenset[int] = frozenset()
    """Rows that may still change and were received in this pull."""
    settle_range: tuple[int, int] | None = None
    """Between these positions lie the rows whose turn it is to be read again; else all."""
    settle_requests: int = 0
    settle_left: int = -1
    missing: frozenset[int] = frozenset()
    """Rows that may still change and that an answer of this pull did not show where it must."""
    changes: bool = False
    """Whether rows of the dataset change under the same id."""
    seen_rejected: frozenset[int] = frozenset()
    head_empty: bool = False
    stale: bool = False
    """The newest rows of before are not shown."""
    lost_found: bool = False
    problems: tuple[str, ...] = field(default=())

    @property
    def by_time(self) -> bool:
        """Whether requests name times."""
        return self.paging.cursor is Cursor.TIME

    @property
    def counts_ids(self) -> bool:
        """Whether coverage counts ids."""
        return self.paging.key is Key.INTEGER

    @property
    def margin(self) -> int:
        """How far beyond a row a bound is sent, so that an exclusive one shows the row too."""
        return self.step if self.paging.key is Key.TIME else 1

    @property
    def can_lower(self) -> bool:
        """Whether a request can name a lower bound."""
        return self.paging.bounds is not Bounds.UPPER

    @property
    def can_upper(self) -> bool:
        """Whether a request can name an upper bound."""
        return self.paging.bounds is not Bounds.LOWER

    @property
    def floor(self) -> int:
        """The lowest position that is wanted, as far as it is known."""
        if not self.counts_ids:
            return self.wanted_from
        return self.restart.top + 1 if self.restart else 0

    @property
    def unit(self) -> Unit | None:
        """The unit of time bounds to try first."""
        if self.profile.unit is not None or not self.paging.units:
            return self.profile.unit
        return self.paging.units[0]


def rests(u: Unshown, now: int) -> bool:
    """Whether a lost stretch is not to be asked for again yet: growing intervals, for ever."""
    return now - u.asked_at < min(_LONGEST_REST, max(DAY_US, (u.asked_at - u.since) // 2))


def top_row(p: Progress) -> int | None:
    """The newest row that was proved when the pull began."""
    if p.top_before is None:
        return None
    return p.top_before.upper - (p.step if p.paging.key is Key.TIME else 1)


def first_row(interval: Interval | None) -> int:
    """The row from which to ask below an interval: a moment inside it, where it has one."""
    assert interval is not None
    return interval.lower if interval.first is None else interval.first


def last_row(interval: Interval) -> int:
    """The row from which to ask above an interval."""
    return interval.upper - 1 if interval.last is None else interval.last
