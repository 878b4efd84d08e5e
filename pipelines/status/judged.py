"""What is to be said of a stream: how grave it is, when it is asked again, what to do next."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import connectors
from connectors.base import Cursor
from pipelines.exchanges.rights import KeyRights, rights_of
from pipelines.ingest.checkpoint import is_imported, paging_profile
from pipelines.ingest.windows.state import due_at
from schemas import StreamId
from warehouse.intervals import Unshown
from warehouse.streams import StreamStatus

FEW: Final = 5
"""How many names or holes are spelled out in an overview."""


def last_check(status: StreamStatus) -> int | None:
    """When a pull last reached the newest end; microseconds.

    Of snapshots and of lists whose changes are written along: when it last saw one.
    """
    is_snapshot = status.state.unit == "none"
    return status.state.checked_at or (status.state.newest_at if is_snapshot else None)


def findings(status: StreamStatus) -> dict[str, int]:
    """What is to be said against a stream, the gravest first; 0 where it is not so.

    ``missing`` and ``lost``: the number of stretches.
    """
    return {
        "wrong": int(bool(status.state.remark)),
        "not checked": int(last_check(status) is None),
        "missing": status.gaps,
        "lost": status.lost,
    }


def condition(status: StreamStatus, collected: bool = True) -> str:
    """The gravest of :func:`findings`, else ``ok``; or why the stream is not collected."""
    gravest = next((name for name, number in findings(status).items() if number), "ok")
    return gravest if collected else not_collected([status])


def not_collected(streams: Iterable[StreamStatus]) -> str:
    """``imported`` where files alone brought these streams, else ``no longer collected``."""
    imported = all(is_imported(s.state.checkpoint) for s in streams)
    return "imported" if imported else "no longer collected"


def keys(held: Iterable[StreamStatus]) -> list[KeyRights]:
    """The keys with more rights than collecting needs, where the exchange reports rights."""
    found = (rights_of(stream.stream, stream.state.checkpoint) for stream in held)
    return [rights for rights in found if rights and rights.excess]


def paging_profiles(held: Iterable[StreamStatus]) -> list[tuple[str, str]]:
    """How each dataset is paged, as learnt from its pages; a line for each different profile."""
    found: dict[tuple[str, str], list[str]] = {}
    for stream in held:
        profile = paging_profile(stream.state.checkpoint)
        if profile:
            found.setdefault((dataset_of(stream), profile), []).append(stream.stream.label)
    several = {name for name, _ in found if sum(n == name for n, _ in found) > 1}
    return [
        (f"{name} {', '.join(streams)}" if name in several else name, profile)
        for (name, profile), streams in found.items()
    ]


def next_steps(held: Sequence[StreamStatus], quarantined: bool) -> list[str]:
    """What to do next, the most useful first."""
    missing = sorted({dataset_of(s) for s in held if s.gaps})
    if len(missing) > FEW:
        missing = sorted({s.stream.exchange for s in held if s.gaps})
    found = [f"tidemark pull {' '.join(missing)}   # fetches what is missing"] if missing else []
    found += [key.fix for key in keys(held)]
    if quarantined:
        found.append('tidemark sql "SELECT reason, payload FROM quarantine"')
    return found


def dataset_of(status: StreamStatus) -> str:
    """``wex/trades``."""
    return f"{status.stream.exchange}/{status.stream.dataset}"


def some(names: Sequence[str]) -> str:
    """The first of ``names``, and how many more there are."""
    rest = len(names) - FEW
    return ", ".join(names[:FEW]) + (f" and {rest:,} more" if rest > 0 else "")


def quarantined_rows(streams: Iterable[StreamStatus]) -> list[str]:
    """``wex/trades BTC-USD: 2`` of each stream of the quarantine."""
    return [
        f"{replace(s.stream, dataset=s.stream.source or s.stream.dataset, source=None)}: {s.rows}"
        for s in streams
    ]


def asked_again_at(stream: StreamId, stretch: Unshown) -> int | None:
    """When pulls ask again for what was not shown; microseconds. ``None``: never again.

    0 where every pull asks.
    """
    if stream.exchange not in connectors.names():
        return None
    paging = connectors.offers(stream.exchange).get(stream.dataset)
    if paging is None or paging.cursor is Cursor.NEWEST:
        return None
    return due_at(stretch) if stretch.lost or paging.max_span_us is not None else 0


def worst(held: Iterable[StreamStatus]) -> StreamStatus:
    """The one with the gravest fault; where all are whole, the one checked the longest ago.

    Of two with the same fault: the one with more stretches, then the one checked longer ago.
    """

    def urgency(status: StreamStatus) -> tuple[int, int, int]:
        numbers = list(findings(status).values())
        gravest = next((i for i, number in enumerate(numbers) if number), len(numbers))
        return gravest, -sum(numbers[gravest:]), last_check(status) or 0

    return min(held, key=urgency)
