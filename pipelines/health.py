"""What is wrong with a home now: stale streams, holes, quarantine, keys, exchanges, disk, runs.

It reads the metastore, the settings and a few small files; no row of the lake, and nothing of an
exchange. Dagster is imported only where it is used with this home.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import connectors
import warehouse
from pipelines.exchanges.breaker import down
from pipelines.feeds import Feed, Job, cron, is_collected, jobs
from pipelines.output.formatting import age, interval_text, size
from pipelines.settings import Settings
from pipelines.status import keys, symbols_of, uncollected
from schemas import dataset
from schemas.times import to_datetime
from schemas.wording import count
from warehouse import StreamStatus
from warehouse.coverage_table import spans
from warehouse.intervals import Interval

LEAST_FREE: Final = 1_000_000_000
"""Free bytes; and twice the DuckDB file, which a publish copies."""
LOSS_SHOWN: Final = timedelta(days=7)
"""For so long a loss is a problem of today. What is lost stays ``lost`` in ``coverage``."""
GHOST_AFTER: Final = timedelta(hours=6)
DAGSTER: Final = "dagster"
"""Dagster's own folder in the home, where ``DAGSTER_HOME`` names no other."""
_NAMED: Final = 3


@dataclass(frozen=True)
class Problem:
    """One line. ``kind``: stale, missing, lost, wrong, quarantine, key, down, disk, run, home."""

    kind: str
    what: str
    fix: str


def problems(
    settings: Settings,
    feeds: Sequence[Feed],
    now: datetime,
    max_age: timedelta | None = None,
) -> list[Problem]:
    """Everything that needs somebody, the gravest first; nothing where all is well.

    ``max_age``: how old the last whole pull of a stream may be; ``None``: as its schedule says.
    Raises ``ConfigError`` for keys and settings that cannot be used, ``StorageError`` for a
    metastore that cannot be read.
    """
    home = settings.home
    if not warehouse.has_data(home):
        return [Problem("home", f"nothing is collected in {home}", "tidemark pull")]
    streams = warehouse.status(home)
    names = symbols_of(home)
    gone = uncollected((s.stream for s in streams), feeds, names)
    held = [s for s in streams if s.stream not in gone]
    return [
        *_disk(home),
        *_down(home, now),
        *_keys(settings, feeds, held),
        *_stale(settings, feeds, held, names, now, max_age),
        *_holes(held, now),
        *_quarantined(streams),
        *_ghosts(settings, now),
    ]


def _disk(home: Path) -> Iterator[Problem]:
    file = home / warehouse.LINK
    needed = max(LEAST_FREE, 2 * file.stat().st_size if file.exists() else 0)
    free = shutil.disk_usage(home).free
    if free < needed:
        yield Problem(
            "disk", f"{size(free)} free for {home}, {size(needed)} are needed", "make room there"
        )
    if not os.access(home, os.W_OK):
        yield Problem("home", f"{home} cannot be written by this user", f"own {home}")


def _down(home: Path, now: datetime) -> Iterator[Problem]:
    for name, state in down(home):
        did = "has banned us" if state.banned else "is down"
        since = age(timedelta(seconds=now.timestamp() - state.since))
        what = f"{name} {did} since {since}: {state.why}"
        yield Problem("down", what, "wait; later pulls try again by themselves")


def _keys(
    settings: Settings, feeds: Sequence[Feed], held: Sequence[StreamStatus]
) -> Iterator[Problem]:
    for feed in feeds:
        names = [name for name in feed.datasets if dataset(name).is_account]
        if names and settings.credentials(feed.exchange, feed.account) is None:
            variables = connectors.key_settings(feed.exchange, feed.account)
            yield Problem(
                "key",
                f"feed {feed.name} collects {', '.join(names)}, and no key is set",
                f"set {variables}, or take these datasets out of {feed.path}",
            )
    for key in keys(held):
        yield Problem("key", key.finding, key.fix)


def _stale(
    settings: Settings,
    feeds: Sequence[Feed],
    held: Sequence[StreamStatus],
    names: Mapping[str, Mapping[str, str]],
    now: datetime,
    max_age: timedelta | None,
) -> Iterator[Problem]:
    for job in jobs(feeds):
        if dataset(job.dataset).is_account and not settings.credentials(
            job.exchange, job.feed.account
        ):
            continue  # said once, of the key
        mine = [
            s
            for s in held
            if (s.stream.exchange, s.stream.dataset) == (job.exchange, job.dataset)
            and is_collected([job.feed], s.stream, names.get(job.exchange))
        ]
        fix = f"tidemark pull {job.name} says what is wrong; is it scheduled?"
        allowed = max_age or _allowed(job)
        if not mine:
            if allowed is None or now - _written_at(job.feed) > allowed:
                yield Problem("stale", f"{job.name} was never pulled", fix)
            continue
        if allowed is None:
            continue
        ages = {s.stream.label: now - to_datetime(checked_at(s)) for s in mine}
        late = {label: old for label, old in ages.items() if old > allowed}
        if late:
            longest = max(late.values())
            which = f"{len(late)} of {count(len(mine), 'stream')} ({_some(list(late))})"
            what = f"{job.name}: {which} not pulled for {age(longest)}"
            yield Problem("stale", f"{what}; expected every {age(allowed)}", fix)


def checked_at(status: StreamStatus) -> int:
    """When a pull last reached the newest end; microseconds.

    Of snapshots that an older version stored: when it last saw one.
    """
    return status.state.checked_at or status.state.newest_at or 0


def _allowed(job: Job) -> timedelta | None:
    """How long after a pull the next one is overdue; ``None`` without a schedule."""
    if not job.spec.schedule:
        return None
    return cron.overdue_after(cron.longest_pause(job.spec.schedule))


def _written_at(feed: Feed) -> datetime:
    """When the feed was last changed: what it newly collects was not due before."""
    return datetime.fromtimestamp(feed.path.stat().st_mtime, UTC)


def _holes(held: Sequence[StreamStatus], now: datetime) -> Iterator[Problem]:
    since = (now - LOSS_SHOWN).timestamp() * 1_000_000
    for status in held:
        name, unit = str(status.stream), status.state.unit
        if status.state.remark:
            yield Problem(
                "wrong", f"{name}: {status.state.remark}", f"tidemark status {_path(status)}"
            )
        gaps = [i for kind, i in spans(status.state) if kind == "gap" and _is_inside(status, i)]
        if gaps:
            shown = _some([interval_text(gap, unit) for gap in gaps])
            yield Problem("missing", f"{name}: {shown}", f"tidemark pull {_path(status)}")
        recent = [
            span
            for u in status.state.unshown
            if u.lost and u.since >= since
            for span in [Interval(u.lower, u.upper)]
            if _is_inside(status, span)
        ]
        if recent:
            shown = _some([interval_text(span, unit) for span in recent])
            yield Problem(
                "lost",
                f"{name}: {shown}: the exchange does not show these rows",
                "pull more often where it shows only its newest rows",
            )


def _is_inside(status: StreamStatus, span: Interval) -> bool:
    """Whether something older is held: else the span is history from before the first pull."""
    return any(held.upper <= span.lower for held in status.state.complete)


def _quarantined(streams: Sequence[StreamStatus]) -> Iterator[Problem]:
    found: dict[str, int] = {}
    for status in streams:
        if status.stream.dataset == "quarantine" and status.rows:
            name = f"{status.stream.exchange}/{status.stream.source}"
            found[name] = found.get(name, 0) + status.rows
    for name, rows in found.items():
        yield Problem(
            "quarantine",
            f"{name}: {count(rows, 'row')} kept as received",
            'tidemark sql "SELECT reason, payload FROM quarantine"',
        )


def _ghosts(settings: Settings, now: datetime) -> Iterator[Problem]:
    """Runs that Dagster takes for running and that have no process, as far as that is known."""
    home = settings.home
    folder = Path(settings.variables.get("DAGSTER_HOME", home / DAGSTER))
    if not (folder / "dagster.yaml").is_file():
        return
    import dagster as dg

    from warehouse.locks import exclusive_if_free, lock_path

    started = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        records = instance.get_run_records(dg.RunsFilter(statuses=started))
    for record in records:
        run, old = record.dagster_run.run_id, now - record.create_timestamp
        if lock_path(home, "runs", run).exists():
            with exclusive_if_free(home, "runs", run) as is_free:
                is_ghost = is_free
        else:
            is_ghost = old > GHOST_AFTER
        if is_ghost:
            yield Problem(
                "run",
                f"run {run} of {record.dagster_run.job_name} began {age(old)} ago and has no "
                "process",
                "start Dagster's daemon, which ends it, or terminate it on the page of the run",
            )


def _path(status: StreamStatus) -> str:
    return f"{status.stream.exchange}/{status.stream.dataset}"


def _some(names: list[str]) -> str:
    more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
