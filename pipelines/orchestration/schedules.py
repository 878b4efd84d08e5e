"""The job and the schedule ``collect``: one run a tick, for everything that is due.

Scheduled runs are short. History that they have no time for is fetched by runs of their own, one
after the other, with the tag ``tidemark/run: back-fill``. Neither waits for a stream that the other
pulls, so that no long run delays what is due every minute.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import dagster as dg
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG

from pipelines.feeds import Feed, Job, jobs
from pipelines.feeds.cron import last_due
from pipelines.orchestration.checks import checks_of_pull
from pipelines.orchestration.ghosts import end_ghosts
from pipelines.orchestration.marts import mart_key, marts_of
from pipelines.orchestration.pulling import UNFINISHED, owned_datasets, step_name
from pipelines.orchestration.run_log import QUIET
from pipelines.orchestration.specs import datasets_of, lake_key, table_key
from pipelines.settings import CELERY, Settings, load_settings

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

COLLECT: Final = "collect"
RUN_TAG: Final = "tidemark/run"
DUE: Final = "due"
BACKFILL: Final = "back-fill"
TICK_SECONDS: Final = 40
BACKFILL_SECONDS: Final = 600
_REST_SECONDS: Final = 1800
"""What a run on Celery may take beside its pulls: waiting for a worker, and publishing."""

_MARTS_PAUSE: Final = timedelta(hours=1)
"""Views never lag behind their tables: recording them every minute would only fill the storage."""

_CURSOR: Final = "tidemark/collect"
_UNFINISHED: Final = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def collect_job(feeds: Sequence[Feed]) -> "UnresolvedAssetJobDefinition":
    """Every dataset, its table, the views on it: what schedules and back-fills choose from."""
    every = jobs(feeds)
    marts = [mart.name for mart in marts_of(job.dataset for job in every)]
    return dg.define_asset_job(
        COLLECT,
        selection=dg.AssetSelection.assets(*_keys(every, marts)).without_checks()
        | dg.AssetSelection.checks(*checks_of_pull(datasets_of(feeds))),
        config=QUIET,
        description="Pull every feed and publish every table, as `tidemark pull` does. Scheduled "
        "runs select what is due. In the launchpad: a market, a stretch of time, a time limit.",
    )


def collect_schedule(feeds: Sequence[Feed]) -> dg.ScheduleDefinition | None:
    """One run at each time at which some dataset is due; off until somebody switches it on.

    ``None`` where no feed declares a schedule.
    """
    scheduled = [job for job in jobs(feeds) if job.spec.schedule]
    crons = sorted({job.spec.schedule for job in scheduled if job.spec.schedule})
    if not crons:
        return None

    @dg.schedule(
        cron_schedule=crons,
        job_name=COLLECT,
        name=COLLECT,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Pull what is due: every dataset by the schedule in its feed, all of one "
        "moment in one run. Longer history is fetched by runs tagged `tidemark/run: back-fill`.",
    )
    def tick(
        context: dg.ScheduleEvaluationContext,
    ) -> list[dg.RunRequest] | dg.SkipReason:
        settings = load_settings()
        home = settings.prepare_home()
        for run_id in end_ghosts(context.instance, home):
            context.log.warning(f"run {run_id} has no process any more; it is recorded as failed")
        at = context.scheduled_execution_time.astimezone(UTC)
        storage = context.instance.daemon_cursor_storage
        state = _State.load(storage.get_cursor_values({_CURSOR}).get(_CURSOR))
        busy = _selected(context.instance, DUE)
        due, waiting = _due(scheduled, state, at, busy)
        requests: list[dg.RunRequest] = []
        if due:
            marts = state.marts_due(due, at)
            requests.append(_request(due, marts, feeds, settings, DUE, at))
            state.marts.update(dict.fromkeys(marts, at.isoformat()))
        back = _to_backfill(context.instance, jobs(feeds))
        if back:
            requests.append(_request(back, [], feeds, settings, BACKFILL, at))
        state.through = at.isoformat()
        state.waiting = [job.name for job in waiting]
        storage.set_cursor_values({_CURSOR: json.dumps(asdict(state))})
        if requests:
            return requests
        names = ", ".join(job.name for job in waiting)
        return dg.SkipReason(f"still being pulled: {names}" if names else "nothing is due")

    return tick


@dataclass
class _State:
    """What one tick leaves for the next, in Dagster's storage."""

    through: str | None = None
    """The last tick that was evaluated."""
    waiting: list[str] = field(default_factory=list)
    """Jobs that were due then and still ran."""
    marts: dict[str, str] = field(default_factory=dict)
    """When each view was last recorded."""

    @classmethod
    def load(cls, text: str | None) -> "_State":
        return cls(**json.loads(text)) if text else cls()

    def marts_due(self, due: Sequence[Job], at: datetime) -> list[str]:
        """The views on what is pulled that were not recorded of late."""
        earliest = (at - _MARTS_PAUSE).isoformat()
        names = [mart.name for mart in marts_of([job.dataset for job in due])]
        return [name for name in names if self.marts.get(name, "") <= earliest]


def _due(
    scheduled: Sequence[Job], state: _State, at: datetime, busy: set[dg.AssetKey]
) -> tuple[list[Job], list[Job]]:
    """The jobs to pull at the tick ``at``, and those that an earlier run still pulls.

    A job is due if its cron was due since the last tick that was evaluated: a machine that was off
    at midnight pulls afterwards what is pulled daily. One that still runs is due at the next tick.
    """
    since = at - timedelta(minutes=1)
    if state.through is not None:
        since = min(since, datetime.fromisoformat(state.through))
    due: list[Job] = []
    waiting: list[Job] = []
    for job in scheduled:
        last = last_due(job.spec.schedule or "", at)
        if job.name in state.waiting or (last is not None and last > since):
            pulled = lake_key(job.exchange, job.dataset) in busy
            (waiting if pulled else due).append(job)
    return due, waiting


def _to_backfill(instance: dg.DagsterInstance, every: Sequence[Job]) -> list[Job]:
    """The jobs of which the last pull left streams unfinished, where no back-fill runs already."""
    if _selected(instance, BACKFILL):
        return []
    keys = {lake_key(job.exchange, job.dataset) for job in every}
    events = {
        record.asset_entry.asset_key: record.asset_entry.last_materialization
        for record in instance.get_asset_records(list(keys))
    }
    left = {key for key, event in events.items() if _has_unfinished(event)}
    return [job for job in every if lake_key(job.exchange, job.dataset) in left]


def _has_unfinished(event: dg.EventLogEntry | None) -> bool:
    if event is None or event.asset_materialization is None:
        return False
    value = event.asset_materialization.metadata.get(UNFINISHED)
    return value is not None and bool(value.value)


def _selected(instance: dg.DagsterInstance, kind: str) -> set[dg.AssetKey]:
    """The assets of scheduled runs of this kind that have not ended."""
    runs = instance.get_runs(dg.RunsFilter(tags={RUN_TAG: kind}, statuses=list(_UNFINISHED)))
    return {key for run in runs for key in run.asset_selection or ()}


def _request(
    due: Sequence[Job],
    marts: Sequence[str],
    feeds: Sequence[Feed],
    settings: Settings,
    kind: str,
    at: datetime,
) -> dg.RunRequest:
    """A run for ``due``, with the time that it may take."""
    config: dict[str, object] = {"seconds": _seconds(settings, kind)}
    if kind == BACKFILL:
        config["backfill"] = True
    steps: dict[str, object] = {}
    for feed in feeds:
        assets = {(feed.exchange, name) for name in owned_datasets(feed, feeds)}
        mine = [job for job in due if (job.exchange, job.dataset) in assets]
        if mine:
            sharing = [job for job in jobs(feeds) if (job.exchange, job.dataset) in assets]
            pulled = {(job.exchange, job.dataset) for job in mine}
            every = [job for job in sharing if (job.exchange, job.dataset) in pulled]
            some = {"select": [job.name for job in mine]} if len(every) > len(mine) else {}
            steps[step_name(feed)] = {"config": {**config, **some}}
    return dg.RunRequest(
        run_key=f"{kind} {at:%Y-%m-%dT%H:%MZ}",
        asset_selection=_keys(due, marts),
        # left out, the run would evaluate every check of its assets, whatever the job selects
        asset_check_keys=checks_of_pull(job.dataset for job in due),
        run_config={"ops": steps, **QUIET},
        tags={RUN_TAG: kind, **_longest(settings, kind)},
    )


def _longest(settings: Settings, kind: str) -> dict[str, str]:
    """When Dagster ends a run on Celery: of a worker that vanished, with its machine, the run hears
    nothing, and would wait for a day.
    """
    if settings.executor != CELERY:
        return {}
    return {MAX_RUNTIME_SECONDS_TAG: str(_REST_SECONDS + 2 * _seconds(settings, kind))}


def _seconds(settings: Settings, kind: str) -> int:
    """The time that a scheduled run may take to pull."""
    if kind == DUE:
        return settings.number("TIDEMARK_TICK_SECONDS", TICK_SECONDS)
    return settings.number("TIDEMARK_BACKFILL_SECONDS", BACKFILL_SECONDS)


def _keys(chosen: Sequence[Job], marts: Iterable[str]) -> list[dg.AssetKey]:
    """The datasets of these jobs, their tables, and these views."""
    return [
        *dict.fromkeys(lake_key(job.exchange, job.dataset) for job in chosen),
        *dict.fromkeys(table_key(job.dataset) for job in chosen),
        *(mart_key(name) for name in marts),
    ]
