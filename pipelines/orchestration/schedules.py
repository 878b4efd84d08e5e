"""A job for every dataset of a feed, and a schedule for each that declares one."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import dagster as dg

from pipelines.feeds import Feed, Job, jobs
from pipelines.orchestration.checks import pulled_with
from pipelines.orchestration.marts import mart_key, marts_of
from pipelines.orchestration.pulling import FEED_TAG, python_name
from pipelines.orchestration.specs import lake_key, table_key

_WAITING: Final = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED)
_RUNNING: Final = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED)
GHOST_AFTER: Final = timedelta(hours=6)
"""A run recorded as running for longer may have been killed: it does not block new runs."""


def job_name(job: Job) -> str:
    """``bitexbit_trades``: of the job and of its schedule."""
    return python_name(f"{job.feed.name}_{job.spec.name}")


def jobs_and_schedules(feed: Feed, feeds: Sequence[Feed]) -> dg.Definitions:
    """Of every dataset: a job that pulls it and publishes its table and the views on it.

    And a schedule, where it declares one; off until somebody switches it on.
    """
    mine = jobs([feed])
    return dg.Definitions(
        jobs=[
            dg.define_asset_job(
                job_name(job),
                selection=_assets(job),
                description=_description(job),
                tags=_tags(job, feeds),
            )
            for job in mine
        ],
        schedules=[_schedule(job, job.spec.schedule) for job in mine if job.spec.schedule],
    )


def _assets(job: Job) -> dg.AssetSelection:
    assets = dg.AssetSelection.assets(
        lake_key(job.exchange, job.dataset),
        table_key(job.dataset),
        *(mart_key(mart.name) for mart in marts_of([job.dataset])),
    ).without_checks()
    return assets | pulled_with([job.dataset])


def _description(job: Job) -> str:
    return f"Pull {job.name} and publish warehouse/{job.dataset}."


def _tags(job: Job, feeds: Sequence[Feed]) -> dict[str, str]:
    sharing = [j for j in jobs(feeds) if (j.exchange, j.dataset) == (job.exchange, job.dataset)]
    return {FEED_TAG: job.feed.name} if len(sharing) > 1 else {}


def _schedule(job: Job, cron: str) -> dg.ScheduleDefinition:
    name = job_name(job)

    @dg.schedule(
        cron_schedule=cron,
        job_name=name,
        name=name,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=_description(job),
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        # A first pull can take hours. Runs that would only wait for it are not queued up.
        unfinished = context.instance.get_run_records(
            dg.RunsFilter(job_name=name, statuses=[*_WAITING, *_RUNNING])
        )
        for record in unfinished:
            age = context.scheduled_execution_time - record.create_timestamp
            if record.dagster_run.status in _WAITING or age < GHOST_AFTER:
                return dg.SkipReason(f"run {record.dagster_run.run_id} of this job is not done yet")
        return dg.RunRequest()

    return tick
