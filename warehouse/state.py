"""The state of one stream besides its rows: coverage, checkpoint, and times of its pulls."""

from dataclasses import dataclass

from warehouse.intervals import Interval, Intervals, Unshown, union


@dataclass(frozen=True, slots=True)
class StreamState:
    """The state of one stream. Times in microseconds since 1970.

    ``complete``: what is proved, in ``unit`` (``id``, ``time``; ``none``: nothing is counted).
    ``unshown``: what the exchange did not show, sorted by ``lower``. ``checkpoint``: what the
    pulls of the stream remember; opaque here, empty for nothing. ``wanted_from``: history is
    wanted back to here. ``newest_at``: the time of the newest row held. ``checked_at``: when a
    pull last reached the head. ``unsettled``: ids of rows whose state may still change.
    ``remark``: a problem of the whole stream, else empty. ``delisted``: whether a pull reported
    that the market is no longer listed.
    """

    complete: Intervals = ()
    unshown: tuple[Unshown, ...] = ()
    unit: str = "id"
    checkpoint: str = ""
    wanted_from: int | None = None
    newest_at: int | None = None
    checked_at: int | None = None
    unsettled: frozenset[int] = frozenset()
    remark: str = ""
    delisted: bool = False

    @property
    def position(self) -> str:
        """What the bounds of intervals are: ``id`` or ``time``.

        Where nothing is counted (WEX orders), single rows may be lost all the same: by their ids.
        """
        return "id" if self.unit == "none" else self.unit

    @property
    def lost(self) -> Intervals:
        """The unshown stretches that count as lost."""
        return union(Interval(u.lower, u.upper) for u in self.unshown if u.lost)
