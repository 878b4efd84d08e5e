"""What the pulls of a stream remember besides its coverage: one type per way of pulling.

A tagged union, encoded as JSON in ``StreamState.checkpoint``. Nothing in it is proof: a checkpoint
that is lost, or that a program cannot read, costs requests and nothing else.
"""

from typing import TypeVar

import msgspec

from pipelines.exchanges.rights import Snapshot
from pipelines.ingest.windows.state import Profile, Restart


class Windows(msgspec.Struct, frozen=True, tag="windows"):
    """Of a stream asked for in windows.

    ``settle_range``: between these positions lie the rows to be read again next.
    ``beginning``: the positions at which the exchange was asked below the first row, and showed
    nothing. ``empty_since``: when the newest answer first came without rows (microseconds).
    """

    profile: Profile = Profile()
    settle_range: tuple[int, int] | None = None
    beginning: tuple[int, ...] = ()
    restart: Restart | None = None
    empty_since: int | None = None


class Newest(msgspec.Struct, frozen=True, tag="newest"):
    """Of a stream of which the exchange shows only the newest rows."""

    restart: Restart | None = None
    empty_since: int | None = None


class Walk(msgspec.Struct, frozen=True, tag="walk"):
    """Of a stream that is read page by page."""

    empty_since: int | None = None


class Built(msgspec.Struct, frozen=True, tag="built"):
    """Of candles built from trades: up to which change of the trades they were built."""

    change: int = 0


class Lookups(msgspec.Struct, frozen=True, tag="lookups"):
    """Of rows that are asked for one by one.

    ``change``: up to which change of the fills' files their orders were read. ``remains``: what
    was left of each open order. ``waiting``: ids to be looked up. ``unknown``: ids that the
    exchange does not know.
    """

    change: int = 0
    remains: dict[int, str] = {}
    waiting: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()


Checkpoint = Windows | Newest | Walk | Built | Lookups | Snapshot

T = TypeVar("T", Windows, Newest, Walk, Built, Lookups, Snapshot)


def load(text: str, kind: type[T]) -> T:
    """The checkpoint in ``text``; a fresh one where there is none, or one of another kind."""
    try:
        return msgspec.json.decode(text, type=kind) if text else kind()
    except (msgspec.DecodeError, msgspec.ValidationError):
        return kind()


def dump(checkpoint: Checkpoint) -> str:
    """``checkpoint`` as text for ``StreamState.checkpoint``."""
    return msgspec.json.encode(checkpoint).decode()


def paging_profile(text: str) -> str:
    """What was found out of an exchange's paging, in words; empty where nothing was."""
    profile = load(text, Windows).profile
    found = []
    if profile.keeps:
        found.append(f"answers keep the {profile.keeps} end, {profile.rows:,} rows seen")
    if profile.unit and profile.unit_at:
        found.append({"ms": "times in milliseconds", "s": "times in seconds"}[profile.unit])
    return ", ".join(found)
