"""The status of streams as text: what is covered, missing or lost, how fresh, what to do next."""

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import warehouse
from pipelines.exchanges.rights import KeyRights, rights_of
from pipelines.feeds import Feed, is_collected
from pipelines.feeds.document import did_you_mean
from pipelines.ingest.checkpoint import paging_profile
from pipelines.output.console import print_table, say
from pipelines.output.formatting import age_of, count, instant, interval_text, with_fix
from schemas import ConfigError, StreamId
from schemas.times import to_datetime
from warehouse.coverage_table import spans
from warehouse.intervals import Interval, Unshown
from warehouse.query import StreamStatus

_COLUMNS = ("dataset", "stream", "rows", "covered", "missing", "lost", "newest row", "checked")
_LISTED = 20
"""How many holes are spelled out."""


def write_status(
    streams: Sequence[StreamStatus], now: datetime, uncollected: Set[StreamId] = frozenset()
) -> None:
    """Write the table of ``streams``, then every hole, and what to do next.

    ``uncollected``: streams that no feed collects any more; nothing is missing of them.
    """
    every = [s for s in streams if s.stream.dataset != "quarantine"]
    table = (row(s, now, s.stream not in uncollected) for s in every)
    print_table(_COLUMNS, table, right=("rows", "missing", "lost"))
    held = [s for s in every if s.stream not in uncollected]
    for stream in every:
        if stream.state.delisted:
            say(f"delisted: {stream.stream}: the exchange lists it no longer; its rows stay")
    holes = [(s, kind, i) for s in held for kind, i in spans(s.state) if kind != "complete"]
    for kind, title in (("gap", "missing"), ("lost", "lost (not shown by the exchange)")):
        found = [(s, i) for s, k, i in holes if k == kind]
        if found:
            say(f"{title}:")
            for stream, interval in found[:_LISTED]:
                say(f"  {stream.stream}: {interval_text(interval, stream.state.unit)}")
            if len(found) > _LISTED:
                say(f'  and {len(found) - _LISTED} more: tidemark sql "FROM coverage"')
    for stream in held:
        if stream.state.remark:
            say(f"wrong: {stream.stream}: {stream.state.remark}")
    asked = [(s, u) for s in held for u in s.state.unshown if not u.lost]
    if asked:
        say("not shown by the exchange so far, asked for again by later pulls:")
        for stream, stretch in asked[:_LISTED]:
            say(f"  {stream.stream}: {unshown_text(stretch, stream.state.unit, now)}")
        if len(asked) > _LISTED:
            say(f"  and {len(asked) - _LISTED} more")
    for names, profile in paging_profiles(held):
        say(f"paging: {names}: {profile}")
    quarantined = [s for s in streams if s.stream.dataset == "quarantine" and s.rows]
    if quarantined:
        total = count(sum(s.rows for s in quarantined), "row")
        say(f"quarantine: {total}, kept as received ({', '.join(_quarantine(quarantined))})")
    for key in keys(held):
        say(f"key: {key.finding}")
    for step in next_steps(held, bool(quarantined)):
        say(f"next: {step}")


def symbols_of(home: Path) -> dict[str, dict[str, str]]:
    """The symbol of every market by exchange and the exchange's own name, as last published."""
    names: dict[str, dict[str, str]] = {}
    with suppress(warehouse.StorageError):  # nothing published so far
        query = "SELECT exchange, native_symbol, symbol FROM markets ORDER BY active"
        for row in warehouse.sql(query, home=home).to_pylist():
            names.setdefault(row["exchange"], {})[row["native_symbol"]] = row["symbol"]
    return names


def uncollected(
    streams: Iterable[StreamId], feeds: Sequence[Feed], names: Mapping[str, Mapping[str, str]]
) -> set[StreamId]:
    """The streams that none of ``feeds`` collects any more. ``names``: see :func:`symbols_of`."""
    return {s for s in streams if not is_collected(feeds, s, names.get(s.exchange))}


def select(streams: Sequence[StreamStatus], patterns: Sequence[str]) -> list[StreamStatus]:
    """The streams that any of ``patterns`` names, all where there is none.

    A pattern is ``exchange``, ``exchange/dataset`` or ``exchange/dataset/stream``, with the
    wildcards of a shell. Raises ``ConfigError`` for one that names nothing.
    """
    found: dict[StreamId, StreamStatus] = {}
    for pattern in patterns or ["*"]:
        matched = [s for s in streams if _matches(s.stream, pattern)]
        if not matched:
            known = list(dict.fromkeys(f"{s.stream.exchange}/{s.stream.dataset}" for s in streams))
            exchanges = [s.stream.exchange for s in streams]
            hint = did_you_mean(pattern, [*known, *exchanges])
            fix = f"name one of: {', '.join(known)}"
            raise ConfigError(with_fix(f"nothing stored is called {pattern!r}{hint}", fix))
        found |= {s.stream: s for s in matched}
    return [s for s in streams if s.stream in found]


def _matches(stream: StreamId, pattern: str) -> bool:
    exchange, _, rest = pattern.strip("/").partition("/")
    dataset, _, label = rest.partition("/")
    owner = stream.source or stream.dataset
    return (
        fnmatchcase(stream.exchange, exchange)
        and (not dataset or fnmatchcase(stream.dataset, dataset) or fnmatchcase(owner, dataset))
        and (not label or fnmatchcase(stream.label, label))
    )


def as_json(streams: Sequence[StreamStatus], home: Path, gone: Set[StreamId] = frozenset()) -> str:
    """One JSON object with every stream. Times are ISO 8601 in UTC, bounds as in ``coverage``."""
    return json.dumps(
        {"home": str(home), "streams": [_plain(s, s.stream not in gone) for s in streams]}, indent=2
    )


def _plain(status: StreamStatus, collected: bool) -> dict[str, Any]:
    stream, state = status.stream, status.state
    known = spans(state)
    return {
        "exchange": stream.exchange,
        "dataset": stream.dataset,
        "stream": stream.label,
        "of_dataset": stream.source,
        "symbol": stream.symbol,
        "account": stream.account,
        "timeframe": stream.timeframe,
        "rows": status.rows,
        "files": status.files,
        "oldest_at": _iso(status.oldest_at),
        "newest_at": _iso(status.newest_at),
        "checked_at": _iso(state.checked_at),
        "unit": state.position if known else state.unit,
        "coverage": [
            {
                "state": kind,
                "lower": interval.lower,
                "upper": interval.upper - (state.position == "id"),
            }
            for kind, interval in known
        ],
        "collected": collected,
        "delisted": state.delisted,
        "remark": state.remark or None,
    }


def _iso(microseconds: int | None) -> str | None:
    return None if microseconds is None else instant(to_datetime(microseconds), "T")


def unshown_text(stretch: Unshown, unit: str, now: datetime) -> str:
    """``ids 5..9: asked 3 times since 2 h 10 min ago, last 12 min ago``."""
    where = interval_text(Interval(stretch.lower, stretch.upper), unit)
    since, last = age_of(stretch.since, now), age_of(stretch.asked_at, now)
    return f"{where}: asked {count(stretch.times, 'time')} since {since} ago, last {last} ago"


def paging_profiles(held: Iterable[StreamStatus]) -> list[tuple[str, str]]:
    """How each dataset is paged, as learnt from its pages; a line for each different profile."""
    found: dict[tuple[str, str], list[str]] = {}
    for stream in held:
        profile = paging_profile(stream.state.checkpoint)
        if profile:
            name = f"{stream.stream.exchange}/{stream.stream.dataset}"
            found.setdefault((name, profile), []).append(stream.stream.label)
    several = {name for name, _ in found if sum(n == name for n, _ in found) > 1}
    return [
        (f"{name} {', '.join(streams)}" if name in several else name, profile)
        for (name, profile), streams in found.items()
    ]


def keys(held: Iterable[StreamStatus]) -> list[KeyRights]:
    """The keys with more rights than collecting needs, where the exchange reports rights."""
    found = (rights_of(stream.stream, stream.state.checkpoint) for stream in held)
    return [rights for rights in found if rights and rights.excess]


def row(status: StreamStatus, now: datetime, collected: bool = True) -> tuple[str, ...]:
    """One line of the table."""
    state = status.state
    return (
        f"{status.stream.exchange}/{status.stream.dataset}",
        status.stream.label,
        f"{status.rows:,}",
        covered(status),
        str(status.gaps) if status.gaps else "–",
        str(status.lost) if status.lost else "–",
        age_of(status.newest_at, now),
        age_of(state.checked_at, now) if collected else "no longer collected",
    )


def covered(status: StreamStatus) -> str:
    """``ids 17..93, 2019-10-11..2019-10-13``, or the days proved, or the days of the snapshots."""
    dates = _days(status.oldest_at, status.newest_at)
    complete = status.state.complete
    if status.state.unit == "id" and complete:
        return f"ids {complete[0].lower}..{complete[-1].upper - 1}, {dates}"
    if status.state.unit == "time" and complete:
        return _days(complete[0].lower, complete[-1].upper - 1)
    return dates


def next_steps(held: Sequence[StreamStatus], quarantined: bool) -> list[str]:
    """What to do next, the most useful first."""
    missing = sorted({f"{s.stream.exchange}/{s.stream.dataset}" for s in held if s.gaps})
    found = [f"tidemark pull {' '.join(missing)}   # fetches what is missing"] if missing else []
    found += [key.fix for key in keys(held)]
    if quarantined:
        found.append('tidemark sql "SELECT reason, payload FROM quarantine"')
    return found


def _quarantine(streams: Iterable[StreamStatus]) -> list[str]:
    return [
        f"{replace(s.stream, dataset=s.stream.source or s.stream.dataset, source=None)}: {s.rows}"
        for s in streams
    ]


def _days(oldest: int | None, newest: int | None) -> str:
    if oldest is None or newest is None:
        return "no rows"
    return f"{to_datetime(oldest):%Y-%m-%d}..{to_datetime(newest):%Y-%m-%d}"
