"""The status of streams as text: what is covered, missing or lost, how fresh, what to do next.

``write_overview`` has a line for each dataset with its worst stream, ``write_status`` one for each
stream.
"""

from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from itertools import groupby
from typing import Final

from pipelines.output.console import print_table, say
from pipelines.output.formatting import age_of, interval_text
from pipelines.status.judged import (
    FEW,
    asked_again_at,
    dataset_of,
    findings,
    keys,
    last_check,
    next_steps,
    not_collected,
    paging_profiles,
    quarantined_rows,
    some,
    worst,
)
from schemas import StreamId
from schemas.times import to_datetime, to_microseconds
from schemas.wording import count
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
"""How many holes of each kind are spelled out below all streams; below the overview: ``FEW``."""


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
    every.sort(key=dataset_of)
    datasets = [(name, list(group)) for name, group in groupby(every, dataset_of)]
    table = (_overview_row(group, now, uncollected) for _, group in datasets)
    print_table(_OVERVIEW, table, right=("streams", "rows", *_FINDINGS))
    held = [s for s in every if s.stream not in uncollected]
    for name, group in datasets:
        left = [s for s in group if s.stream in uncollected]
        gone, why = [s.stream.label for s in left], not_collected(left)
        if gone and len(gone) < len(group):  # else the table says so
            say(f"{why}: {name}: {some(gone)}")
    _write_delisted(every, FEW)
    _write_findings(held, now, FEW)
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
                again = _lost_until(stream, interval, now) if kind == "lost" else ""
                say(f"  {stream.stream}: {interval_text(interval, stream.state.unit)}{again}")
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
            say(f"  {stream.stream}: {unshown_text(stream, stretch, now)}")
        if len(asked) > listed:
            say(f"  and {len(asked) - listed:,} more: tidemark status --json")


def _write_next(streams: Sequence[StreamStatus], held: Sequence[StreamStatus]) -> None:
    quarantined = [s for s in streams if s.stream.dataset == "quarantine" and s.rows]
    if quarantined:
        total = count(sum(s.rows for s in quarantined), "row")
        say(f"quarantine: {total}, kept as received ({some(quarantined_rows(quarantined))})")
    for key in keys(held):
        say(f"key: {key.finding}")
    for step in next_steps(held, bool(quarantined)):
        say(f"next: {step}")


def unshown_text(status: StreamStatus, stretch: Unshown, now: datetime) -> str:
    """``ids 5..9: asked 3 times since 2 h 10 min ago, last 12 min ago``."""
    where = interval_text(Interval(stretch.lower, stretch.upper), status.state.unit)
    asked = f"asked {count(stretch.times, 'time')} since {age_of(stretch.since, now)} ago"
    again = _from_when(asked_again_at(status.stream, stretch), now)
    return f"{where}: {asked}, last {age_of(stretch.asked_at, now)} ago{again}"


def _lost_until(status: StreamStatus, lost: Interval, now: datetime) -> str:
    """When the first of the stretches in a lost interval is asked for again."""
    inside = (u for u in status.state.unshown if u.lower < lost.upper and lost.lower < u.upper)
    times = [asked_again_at(status.stream, u) for u in inside if u.lost]
    return _from_when(min((at for at in times if at is not None), default=None), now)


def _from_when(at: int | None, now: datetime) -> str:
    """``, asked for again from 2024-08-11 10:30Z on``; nothing where every pull asks, or none."""
    if not at:
        return ""
    if at <= to_microseconds(now):
        return ", asked for again by the next pull"
    return f", asked for again from {to_datetime(at):%Y-%m-%d %H:%M}Z on"


def row(status: StreamStatus, now: datetime, collected: bool = True) -> tuple[str, ...]:
    """The line of one stream."""
    return (
        dataset_of(status),
        status.stream.label,
        f"{status.rows:,}",
        covered(status),
        str(status.gaps) if status.gaps else "–",
        str(status.lost) if status.lost else "–",
        age_of(status.newest_at, now),
        age_of(status.state.checked_at, now) if collected else not_collected([status]),
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
        dataset_of(streams[0]),
        f"{len(streams):,}",
        f"{sum(s.rows for s in streams):,}",
        _days(streams),
        age_of(max(newest, default=None), now),
        age_of(min(checks, default=None), now) if held else not_collected(streams),
        *(f"{n:,}" if n else "–" for n in counts),
        _worst_of(held) if held else "–",
    )


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


def _worst_of(held: Iterable[StreamStatus]) -> str:
    """``BTC-USD: 2 missing, 1 lost``."""
    one = worst(held)
    words = [
        f"{number} {name}" if name in ("missing", "lost") else name
        for name, number in findings(one).items()
        if number
    ]
    return ": ".join(filter(None, (one.stream.label, ", ".join(words))))
