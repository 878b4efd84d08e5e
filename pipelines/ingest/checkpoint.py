"""Checkpoints: what one pull of a stream passes to the next besides coverage.

A tagged union with one type per way of paging, encoded as JSON in ``StreamState.checkpoint``. A
checkpoint is no proof: one that is lost or unreadable costs further requests, nothing else.
"""

from typing import Any, Final, TypeVar

import msgspec

from pipelines.exchanges.rights import Snapshot
from pipelines.ingest.windows.state import Profile, Restart
from schemas.wording import count

DOUBTED: Final = 0
"""Ids that are not claimed until the exchange has shown them, whatever a file says."""
CONFIRMED: Final = -1
"""Ids of files of which the exchange has shown rows, none of them different."""


class FileIds(msgspec.Struct, frozen=True, array_like=True):
    """Ids ``[lower, upper)`` of which only a file brought rows; where ids are text, times.

    ``file``: its number, above 0; or ``DOUBTED`` or ``CONFIRMED``.
    """

    lower: int
    upper: int
    file: int = DOUBTED


FilesIds = tuple[FileIds, ...]


class Windows(msgspec.Struct, frozen=True, tag="windows"):
    """Of a stream requested in windows.

    ``settle_range``: the positions between which rows are to be read again next. ``beginning``: the
    positions below the first row at which requests showed nothing. ``empty_since``: start of the
    pull whose newest page was the first without rows (microseconds). ``imported``: the ids
    that only files brought so far. ``pages``: digests of the rows of the first pages of the last
    pull; ``change``: the newest change of the stream's files before it. ``quiet``: the last pull
    asked for the newest rows only, and none was new.
    """

    profile: Profile = Profile()
    settle_range: tuple[int, int] | None = None
    beginning: tuple[int, ...] = ()
    restart: Restart | None = None
    empty_since: int | None = None
    imported: FilesIds = ()
    pages: tuple[str, ...] = ()
    change: int = -1
    quiet: bool = False


class Newest(msgspec.Struct, frozen=True, tag="newest"):
    """Of a stream of which the exchange shows only the newest rows.

    ``change``: of candles, the last change of the trades of which older ones are built.
    ``imported``: the positions between which only files brought rows so far.
    """

    restart: Restart | None = None
    empty_since: int | None = None
    change: int = 0
    imported: FilesIds = ()


class Walk(msgspec.Struct, frozen=True, tag="walk"):
    """Of a stream that is read page by page.

    ``counted``: how many rows the exchange counted when all of them were shown, those of other
    datasets too; ``others``: the ids of the newest of these, or of the newest rows of all where
    rows are only ever added. ``whole_at``: start of the last pull that read it to the end, or from
    the beginning. ``token``: the page to go on from, where pages stay what they are.
    """

    empty_since: int | None = None
    counted: int | None = None
    others: tuple[str, ...] = ()
    whole_at: int = 0
    token: str | None = None


class Built(msgspec.Struct, frozen=True, tag="built"):
    """Of candles built from trades. ``change``: the last change of the trades that is built in."""

    change: int = 0


class Lookups(msgspec.Struct, frozen=True, tag="lookups"):
    """Of rows that are requested one by one.

    ``change``: the last change of the fills' files whose orders were read. ``remains``: the
    remaining amount of each open order. ``waiting``: ids to be looked up. ``unknown``: ids that
    the exchange does not know.
    """

    change: int = 0
    remains: dict[int, str] = {}
    waiting: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()


class Observed(msgspec.Struct, frozen=True, tag="observed"):
    """Of snapshots of many markets. ``last``: the fingerprint of the last one of each."""

    last: dict[str, str] = {}


class Imported(msgspec.Struct, frozen=True, tag="imported"):
    """Of a stream that holds imported rows, and was never pulled."""

    imported: FilesIds = ()


Checkpoint = Windows | Newest | Walk | Built | Lookups | Snapshot | Observed | Imported

T = TypeVar("T", Windows, Newest, Walk, Built, Lookups, Snapshot, Observed)

# Made here and not by the first thread of many that needs one: msgspec would crash.
_ANY: Final = msgspec.json.Decoder(Checkpoint)
_DECODERS: Final[dict[type, Any]] = {
    kind: msgspec.json.Decoder(kind)
    for kind in (Windows, Newest, Walk, Built, Lookups, Snapshot, Observed)
}


def load(text: str, kind: type[T]) -> T:
    """The checkpoint in ``text``; an empty one where there is none or one of another kind."""
    try:
        found: T = _DECODERS[kind].decode(text) if text else kind()
        return found
    except msgspec.DecodeError:
        return kind()


def is_imported(text: str) -> bool:
    """Whether the stream was imported, and never pulled."""
    return isinstance(_any(text), Imported)


def imported_of(text: str) -> FilesIds:
    """The ids of which only files brought rows so far."""
    found = _any(text)
    return found.imported if isinstance(found, Windows | Newest | Imported) else ()


def with_imported(text: str, ids: FilesIds) -> str:
    """The checkpoint in ``text`` with ``ids`` as those ids; a new one where there is none."""
    found = _any(text) if text else Imported()
    if not isinstance(found, Windows | Newest | Imported):
        return text
    return dump(msgspec.structs.replace(found, imported=ids))


def _any(text: str) -> Checkpoint | None:
    try:
        return _ANY.decode(text) if text else None
    except msgspec.DecodeError:
        return None


def dump(checkpoint: Checkpoint) -> str:
    """``checkpoint`` as text for ``StreamState.checkpoint``."""
    return msgspec.json.encode(checkpoint).decode()


def paging_profile(text: str) -> str:
    """The paging profile of a stream as text; empty where nothing is known."""
    profile = load(text, Windows).profile
    found = []
    if profile.keeps:
        found.append(f"answers keep the {profile.keeps} end, {count(profile.rows, 'row')} seen")
    if profile.unit and profile.unit_at:
        found.append({"ms": "times in milliseconds", "s": "times in seconds"}[profile.unit])
    return ", ".join(found)
