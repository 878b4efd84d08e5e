"""The job ``maintenance``: what keeps Dagster's storage from growing without end.

Deletes runs with their events and logs after the times set, old results of checks, and the locks of
ended runs. Ticks are deleted by Dagster itself (``retention`` in dagster.yaml).
"""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg
from dagster._core.storage.tags import SCHEDULE_NAME_TAG

from pipelines.orchestration.ghosts import end_ghosts, remove_locks
from pipelines.orchestration.pruning import delete_old_results, shrink
from pipelines.orchestration.run_log import QUIET
from pipelines.output.formatting import size
from pipelines.settings import Settings, load_settings
from schemas.wording import count

MAINTENANCE: Final = "maintenance"
KEEP_RUNS_HOURS: Final = 2
KEEP_FAILED_DAYS: Final = 30
KEEP_FAILED: Final = 500
"""So many failed runs at most, and so many that were started by hand: an exchange that is down for
a day fails every minute."""
_KEEP_LOCKS: Final = timedelta(days=1)
_BATCH: Final = 200
_SUCCESS: Final = [dg.DagsterRunStatus.SUCCESS]
_FAILED: Final = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dg.op(description="Delete old runs and results, and locks.")
def clean_up(context: dg.OpExecutionContext) -> None:
    """Delete what the settings ``TIDEMARK_KEEP_RUNS_HOURS`` and ``…_FAILED_DAYS`` say."""
    settings = load_settings()
    home = settings.prepare_home()
    instance, now = context.instance, datetime.now(UTC)
    ghosts = end_ghosts(instance, home)
    runs = delete_old_runs(instance, settings, now)
    results = delete_old_results(instance, _kept_since(settings, now))
    saved = shrink(instance)
    locks = remove_locks(home, _KEEP_LOCKS)
    context.log.info(
        f"{count(len(ghosts), 'run')} without a process recorded as failed; deleted: "
        f"{count(runs, 'run')}, {count(results, 'result')} of checks and changes of freshness, "
        f"{count(locks, 'lock file')}; "
        f"{size(saved)} of Dagster's storage given back"
    )


@dg.job(
    name=MAINTENANCE,
    config=QUIET,
    description="Delete old runs with events and logs, old results of checks, and leftovers.",
)
def maintenance_job() -> None:
    """The job of the schedule."""
    clean_up()


def maintenance_schedule() -> dg.ScheduleDefinition:
    """Hourly, and on from the start: it calls no exchange."""
    return dg.ScheduleDefinition(
        name=MAINTENANCE,
        job=maintenance_job,
        cron_schedule="37 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Delete old runs with events and logs, old results of checks, and leftovers.",
    )


def delete_old_runs(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> int:
    """Delete the runs that ended before the times set; how many.

    Successful runs of schedules go after hours: there are 1,440 a day. The first of each day stays
    as long as other runs (failed, canceled, started by hand), for the plots of the assets. Runs
    that hold the newest materialisation of an asset stay.
    """
    hours = settings.number("TIDEMARK_KEEP_RUNS_HOURS", KEEP_RUNS_HOURS)
    late = _kept_since(settings, now)
    successful = _ended(instance, _SUCCESS, now)
    scheduled = [r for r in successful if SCHEDULE_NAME_TAG in r.dagster_run.tags]
    by_hand = [r for r in successful if SCHEDULE_NAME_TAG not in r.dagster_run.tags]
    failed = _ended(instance, _FAILED, now)
    old = [*by_hand[:-KEEP_FAILED], *failed[:-KEEP_FAILED]]
    old += [record for record in (*by_hand, *failed) if _created(record) < late]
    first_of_day: dict[date, dg.RunRecord] = {}
    for record in scheduled:
        created = _created(record)
        is_kept = first_of_day.setdefault(created.date(), record) is record and created >= late
        if created < now - timedelta(hours=hours) and not is_kept:
            old.append(record)
    found = {record.dagster_run.run_id for record in old} - _runs_of_newest(instance)
    for run_id in found:
        _delete(instance, run_id)
    return len(found)


def _kept_since(settings: Settings, now: datetime) -> datetime:
    """What is older is deleted, whatever it is."""
    return now - timedelta(days=settings.number("TIDEMARK_KEEP_FAILED_DAYS", KEEP_FAILED_DAYS))


def _ended(
    instance: dg.DagsterInstance, statuses: list[dg.DagsterRunStatus], before: datetime
) -> list[dg.RunRecord]:
    """The runs created before, the oldest first."""
    found: list[dg.RunRecord] = []
    cursor: str | None = None
    while True:
        records = instance.get_run_records(
            dg.RunsFilter(statuses=statuses, created_before=before),
            limit=_BATCH,
            ascending=True,
            cursor=cursor,
        )
        if not records:
            return found
        found += records
        cursor = found[-1].dagster_run.run_id


def _created(record: dg.RunRecord) -> datetime:
    return record.create_timestamp.astimezone(UTC)


def _runs_of_newest(instance: dg.DagsterInstance) -> set[str]:
    found: set[str] = set()
    for record in instance.get_asset_records(list(instance.all_asset_keys())):
        event = record.asset_entry.last_materialization_record
        if event is not None:
            found.add(event.event_log_entry.run_id)
    return found


def _delete(instance: dg.DagsterInstance, run_id: str) -> None:
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.delete_run(run_id)
    shutil.rmtree(Path(instance.storage_directory()) / run_id, ignore_errors=True)
