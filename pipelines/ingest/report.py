"""What a pull did, stream by stream."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from schemas.wording import count

COUNTS: Final = (
    *("requests", "rows_added", "rows_replaced", "quarantined"),
    *("refetched", "refetched_new", "differences"),
)


@dataclass
class StreamReport:
    """The outcome of one stream. ``error`` and ``notice`` are sentences for the user."""

    exchange: str
    dataset: str
    stream: str
    requests: int = 0
    rows_added: int = 0
    rows_replaced: int = 0
    quarantined: int = 0
    refetched: int = 0
    """Rows received of a stretch that was asked for again …"""
    refetched_new: int = 0
    """… how many of them were not stored …"""
    differences: int = 0
    """… and how many differ from what was stored."""
    lost_found: bool = False
    unfinished: bool = False
    """The time was over, or another pull holds the stream: the next pull continues."""
    error: str | None = None
    is_of_feed: bool = False
    """The error names its place itself: all datasets of the feed have the same."""
    notice: str | None = None
    newest: datetime | None = None

    @property
    def name(self) -> str:
        return f"{self.exchange}/{self.dataset} {self.stream}".rstrip()

    @property
    def problem(self) -> str | None:
        """Why this stream makes the pull end with exit code 1, if it does."""
        if self.error and self.is_of_feed:
            return self.error
        if self.error:
            return f"{self.name}: {self.error}"
        if self.lost_found:
            return (
                f"{self.name}: rows were lost: the exchange no longer shows them. Fix: pull more "
                "often where it shows only its newest rows; `tidemark status` shows the stretch"
            )
        if self.quarantined:
            return (
                f"{self.name}: {count(self.quarantined, 'row')} not stored exactly, kept in "
                "`quarantine` with the reason; the rest is stored"
            )
        return None


@dataclass
class PullReport:
    """The outcome of a pull. ``ok`` is false where anything could not be fetched or stored."""

    streams: list[StreamReport] = field(default_factory=list)

    def merged(self, later: "PullReport") -> "PullReport":
        """This report and that of a ``later`` pull: counts are added, the later state holds."""
        found = {stream.name: stream for stream in self.streams}
        for stream in later.streams:
            before = found.get(stream.name)
            if before is not None:
                sums = {name: getattr(before, name) + getattr(stream, name) for name in COUNTS}
                stream = replace(stream, lost_found=before.lost_found or stream.lost_found, **sums)
            found[stream.name] = stream
        return PullReport(list(found.values()))

    @property
    def ok(self) -> bool:
        return not self.errors

    @property
    def errors(self) -> list[str]:
        return list(dict.fromkeys(s.problem for s in self.streams if s.problem))

    @property
    def notices(self) -> list[str]:
        return list(dict.fromkeys(s.notice for s in self.streams if s.notice))


@dataclass(frozen=True)
class StreamProgress:
    """How far one stream is: rows received and requests made in this pull."""

    exchange: str
    dataset: str
    stream: str
    rows: int
    requests: int
    oldest: datetime | None
    done: bool


Listener = Callable[[StreamProgress], None]
