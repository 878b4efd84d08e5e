"""The status of streams as text: what is covered, missing or lost, how fresh, what to do next.

``write_overview`` has a line for each dataset with its worst stream, ``write_status`` one for each
stream, ``as_json`` every figure.
"""

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import warehouse
from pipelines.exchanges.rights import KeyRights, rights_of
from pipelines.feeds import Feed, is_collected, jobs
from pipelines.feeds.selection import Names
from pipelines.feeds.selection import select as selected
from pipelines.ingest.checkpoint import is_imported, paging_profile
from pipelines.output.console import print_table, say
from pipelines.output.formatting import age_of, count, instant, interval_text
from schemas import StreamId
from schemas.times import to_datetime
from warehouse.coverage_table import spans
from warehouse.intervals import Interval, Unshown
from warehouse.streams import StreamStatus

_COLUMNS: Final = (
    "dataset", "stream", "rows", "covered", "missing", "lost", "newest row", "checked",
)  # fmt: skip
_FINDINGS: Final = ("wrong", "not checked", "missing", "lost")
_OVERVIEW: Final = (
    "dataset", "streams", "rows", "covered", "newest row", "checked", *_FINDINGS, "worst stream",
)  # fmt: skip
_LISTED: Final = 20
"""How many holes of each kind are spelled out below all streams; below the overview: ``_FEW``."""
_FEW: Final = 5


def write_status(
    streams: Sequence[StreamStatus], now: datetime, uncollected: Set[StreamId] = frozenset()
) -> None:
    """Write a line for each of ``streams``, then every hole, and what to do next.

    ``uncollected``: streams that no feed collects any more; nothing is missing of them.
    """
    every = [s for s in streams if s.stream.dataset != "quarantine"]
    table = (row(s, now, s.stream not in uncollected) for s in every)
    print_table(_COLUMNS, table, right=("rows", "missing", "lost"))
    held = [s for s in every if s.stream not in uncollected]
    _write_delisted(every, len(every))
    _write_findings(held, now, _LISTED)
    for names, profile in paging_profiles(held):
        say(f"paging: {names}: {profile}")
    _write_next(streams, held)


def write_overview(
    streams: Sequence[StreamStatus], now: datetime, uncollected: Set[StreamId] = frozenset()
) -> None:
    """Write a line for each dataset of an exchange, then the first holes, and what to do next.

    ``uncollected``: as in :func:`write_status`.
    """
    every = [s for s in streams if s.stream.dataset != "quarantine"]
    every.sort(key=_dataset_of)
    datasets = [(name, list(group)) for name, group in groupby(every, _dataset_of)]
    table = (_overview_row(group, now, uncollected) for _, group in datasets)
    print_table(_OVERVIEW, table, right=("streams", "rows", *_FINDINGS))
    held = [s for s in every if s.stream not in uncollected]
    for name, group in datasets:
        left = [s for s in group if s.stream in uncollected]
        gone, why = [s.stream.label for s in left], _uncollected(left)
        if gone and len(gone) < len(group):  # else the table says so
            say(f"{why}: {name}: {_some(gone)}")
    _write_delisted(every, _FEW)
    _write_findings(held, now, _FEW)
    _write_next(streams, held)
    if len(every) > len(datasets):
        several = next(name for name, group in datasets if len(group) > 1)
        say(f"each stream: tidemark status --all, or: tidemark status {several} --all")


def _write_delisted(every: Sequence[StreamStatus], listed: int) -> None:
    delisted = [s for s in every if s.state.delisted]
    for stream in delisted[:listed]:
        say(f"delisted: {stream.stream}: the exchange lists it no longer; its rows stay")
    if len(delisted) > listed:
        say(f"  and {len(delisted) - listed} more: tidemark status --all")


def _write_findings(held: Sequence[StreamStatus], now: datetime, listed: int) -> None:
    """What is missing, lost, wrong or not shown of ``held``, at most ``listed`` of each kind."""
    holes = [(s, kind, i) for s in held for kind, i in spans(s.state) if kind != "complete"]
    for kind, title in (("gap", "missing"), ("lost", "lost (not shown by the exchange)")):
        found = [(s, i) for s, k, i in holes if k == kind]
        if found:
            say(f"{title}:")
            for stream, interval in found[:listed]:
                say(f"  {stream.stream}: {interval_text(interval, stream.state.unit)}")
            if len(found) > listed:
                say(f'  and {len(found) - listed:,} more: tidemark sql "FROM coverage"')
    wrong = [s for s in held if s.state.remark]
    for stream in wrong[:listed]:
        say(f"wrong: {stream.stream}: {stream.state.remark}")
    if len(wrong) > listed:
        say(f"  and {len(wrong) - listed:,} more: tidemark status --json")
    asked = [(s, u) for s in held for u in s.state.unshown if not u.lost]
    if asked:
        say("not shown by the exchange so far, asked for again by later pulls:")
        for stream, stretch in asked[:listed]:
            say(f"  {stream.stream}: {unshown_text(stretch, stream.state.unit, now)}")
        if len(asked) > listed:
            say(f"  and {len(asked) - listed:,} more: tidemark status --json")


def _write_next(streams: Sequence[StreamStatus], held: Sequence[StreamStatus]) -> None:
    quarantined = [s for s in streams if s.stream.dataset == "quarantine" and s.rows]
    if quarantined:
        total = count(sum(s.rows for s in quarantined), "row")
        say(f"quarantine: {total}, kept as received ({_some(_quarantine(quarantined))})")
    for key in keys(held):
        say(f"key: {key.finding}")
    for step in next_steps(held, bool(quarantined)):
        say(f"next: {step}")


def symbols_of(home: Path) -> dict[str, dict[str, str]]:
    """The symbol of every market held, by exchange and the exchange's own name."""
    names: dict[str, dict[str, str]] = {}
    columns = ["exchange", "native_symbol", "symbol", "active"]
    with suppress(warehouse.StorageError):  # a pull of markets reports it
        held = warehouse.table("markets", columns=columns, home=home)
        for row in held.sort_by("active").to_pylist():
            names.setdefault(row["exchange"], {})[row["native_symbol"]] = row["symbol"]
    return names


def uncollected(
    streams: Iterable[StreamId], feeds: Sequence[Feed], names: Mapping[str, Mapping[str, str]]
) -> set[StreamId]:
    """The streams that none of ``feeds`` collects any more. ``names``: see :func:`symbols_of`."""
    return {s for s in streams if not is_collected(feeds, s, names.get(s.exchange))}


def never_pulled(streams: Iterable[StreamStatus], feeds: Sequence[Feed]) -> str | None:
    """``wex/trades, wex/tickers``: what ``feeds`` collect and no stream is stored of."""
    stored = {(s.stream.exchange, s.stream.dataset) for s in streams}
    names = [job.name for job in jobs(feeds) if (job.exchange, job.dataset) not in stored]
    return _some(names) or None


def select(
    streams: Sequence[StreamStatus],
    patterns: Sequence[str],
    feeds: Sequence[Feed] = (),
    names: Mapping[str, Mapping[str, str]] | None = None,
) -> list[StreamStatus]:
    """The streams that any of ``patterns`` names, all where there is none.

    A pattern is as in ``pull``, of an exchange or of one of ``feeds``; a third part names streams
    (``wex/trades/BTC-*``). ``names``: see :func:`symbols_of`. Raises ``ConfigError`` for one that
    names nothing.
    """

    def of(status: StreamStatus) -> Names:
        stream = status.stream
        collecting = {
            feed.name
            for feed in feeds
            if is_collected([feed], stream, (names or {}).get(stream.exchange))
        }
        return Names(
            stream.exchange,
            stream.source or stream.dataset,
            collecting,
            {stream.dataset},
            {stream.label, replace(stream, source=None).label},
        )

    return selected(streams, of, patterns, "stored")


def as_json(streams: Sequence[StreamStatus], home: Path, gone: Set[StreamId] = frozenset()) -> str:
    """One JSON object with every stream. Times are ISO 8601 in UTC, bounds as in ``coverage``."""
    return json.dumps(
        {"home": str(home), "streams": [_plain(s, s.stream not in gone) for s in streams]}, indent=2
    )


def _plain(status: StreamStatus, collected: bool) -> dict[str, Any]:
    stream, state = status.stream, status.state
    known = spans(state)
    last = state.position == "id"  # the upper bound of ids is inclusive, as in `coverage`
    return {
        "exchange": stream.exchange,
        "dataset": stream.dataset,
        "stream": stream.label,
        "of_dataset": stream.source,
        "symbol": stream.symbol,
        "account": stream.account,
        "timeframe": stream.timeframe,
        "condition": condition(status, collected),
        "rows": status.rows,
        "files": status.files,
        "oldest_at": _iso(status.oldest_at),
        "newest_at": _iso(status.newest_at),
        "checked_at": _iso(state.checked_at),
        "wanted_from": _iso(state.wanted_from),
        "unit": state.position if known else state.unit,
        "coverage": [
            {"state": kind, "lower": interval.lower, "upper": interval.upper - last}
            for kind, interval in known
        ],
        "not_shown": [
            {
                "lower": stretch.lower,
                "upper": stretch.upper - last,
                "first_asked_at": _iso(stretch.since),
                "last_asked_at": _iso(stretch.asked_at),
                "times": stretch.times,
                "lost": stretch.lost,
            }
            for stretch in state.unshown
        ],
        "unsettled": len(state.unsettled),
        "paging": paging_profile(state.checkpoint) or None,
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
            found.setdefault((_dataset_of(stream), profile), []).append(stream.stream.label)
    several = {name for name, _ in found if sum(n == name for n, _ in found) > 1}
    return [
        (f"{name} {', '.join(streams)}" if name in several else name, profile)
        for (name, profile), streams in found.items()
    ]


def keys(held: Iterable[StreamStatus]) -> list[KeyRights]:
    """The keys with more rights than collecting needs, where the exchange reports rights."""
    found = (rights_of(stream.stream, stream.state.checkpoint) for stream in held)
    return [rights for rights in found if rights and rights.excess]


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
    return gravest if collected else _uncollected([status])


def _uncollected(streams: Iterable[StreamStatus]) -> str:
    """``imported`` where files alone brought these streams, else ``no longer collected``."""
    imported = all(is_imported(s.state.checkpoint) for s in streams)
    return "imported" if imported else "no longer collected"


def row(status: StreamStatus, now: datetime, collected: bool = True) -> tuple[str, ...]:
    """The line of one stream."""
    return (
        _dataset_of(status),
        status.stream.label,
        f"{status.rows:,}",
        covered(status),
        str(status.gaps) if status.gaps else "–",
        str(status.lost) if status.lost else "–",
        age_of(status.newest_at, now),
        age_of(status.state.checked_at, now) if collected else _uncollected([status]),
    )


def _overview_row(
    streams: Sequence[StreamStatus], now: datetime, uncollected: Set[StreamId]
) -> tuple[str, ...]:
    """The line of one dataset. Counted are its streams; ``checked`` is the longest ago of them."""
    held = [s for s in streams if s.stream not in uncollected]
    found = [findings(s) for s in held]
    counts = [sum(one[name] > 0 for one in found) for name in _FINDINGS]
    checks = [at for s in held if (at := last_check(s)) is not None]
    newest = [s.newest_at for s in streams if s.newest_at is not None]
    return (
        _dataset_of(streams[0]),
        f"{len(streams):,}",
        f"{sum(s.rows for s in streams):,}",
        _days(streams),
        age_of(max(newest, default=None), now),
        age_of(min(checks, default=None), now) if held else _uncollected(streams),
        *(f"{n:,}" if n else "–" for n in counts),
        _worst(held) if held else "–",
    )


def _worst(held: Iterable[StreamStatus]) -> str:
    """``BTC-USD: 2 missing, 1 lost``; where all are whole, the one checked the longest ago.

    Of two with the same fault: the one with more stretches, then the one checked longer ago.
    """

    def urgency(status: StreamStatus) -> tuple[int, int, int]:
        numbers = list(findings(status).values())
        gravest = next((i for i, number in enumerate(numbers) if number), len(numbers))
        return gravest, -sum(numbers[gravest:]), last_check(status) or 0

    worst = min(held, key=urgency)
    words = [
        f"{number} {name}" if name in ("missing", "lost") else name
        for name, number in findings(worst).items()
        if number
    ]
    return ": ".join(filter(None, (worst.stream.label, ", ".join(words))))


def _dataset_of(status: StreamStatus) -> str:
    return f"{status.stream.exchange}/{status.stream.dataset}"


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _FEW
    return ", ".join(names[:_FEW]) + (f" and {rest:,} more" if rest > 0 else "")


def covered(status: StreamStatus) -> str:
    """``ids 17..93, 2019-10-11..2019-10-13``, or the days proved, or the days of the snapshots."""
    dates = _days([status])
    complete = status.state.complete
    if status.state.unit == "id" and complete:
        return f"ids {complete[0].lower}..{complete[-1].upper - 1}, {dates}"
    return dates


def _days(streams: Iterable[StreamStatus]) -> str:
    """From the first day proved (of ids and snapshots: held) of any of ``streams`` to the last."""
    found: list[int | None] = []
    for status in streams:
        complete = status.state.complete
        if status.state.unit == "time" and complete:
            found += complete[0].lower, complete[-1].upper - 1
        else:
            found += status.oldest_at, status.newest_at
    known = [at for at in found if at is not None]
    if not known:
        return "no rows"
    return f"{to_datetime(min(known)):%Y-%m-%d}..{to_datetime(max(known)):%Y-%m-%d}"


def next_steps(held: Sequence[StreamStatus], quarantined: bool) -> list[str]:
    """What to do next, the most useful first."""
    missing = sorted({_dataset_of(s) for s in held if s.gaps})
    if len(missing) > _FEW:
        missing = sorted({s.stream.exchange for s in held if s.gaps})
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
