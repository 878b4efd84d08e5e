"""How old an asset may get, from the schedules of the feeds."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import dagster as dg

from pipelines.feeds import Job, cron

_WARN_SLACK: Final = timedelta(minutes=5)


def fail_window(jobs: Iterable[Job]) -> timedelta | None:
    """How long after a materialization the next one is overdue; ``None`` without a schedule.

    Of several schedules the most frequent counts.
    """
    pause = _pause(jobs)
    return None if pause is None else cron.overdue_after(pause)


def freshness_of(
    jobs: Iterable[Job], at_least: timedelta = timedelta()
) -> dg.FreshnessPolicy | None:
    """The policy of an asset that any of ``jobs`` materializes; ``None`` without a schedule.

    ``at_least``: it is not materialized more often than that.

    A time window and no cron deadline: the policy by cron would turn red whenever a run takes
    longer than one interval.
    """
    pause = _pause(jobs)
    return None if pause is None else freshness_after(max(pause, at_least))


def freshness_after(pause: timedelta) -> dg.FreshnessPolicy:
    """The policy of an asset that is materialized every ``pause``."""
    return dg.FreshnessPolicy.time_window(
        fail_window=cron.overdue_after(pause), warn_window=pause + max(pause / 4, _WARN_SLACK)
    )


def _pause(jobs: Iterable[Job]) -> timedelta | None:
    schedules = {job.spec.schedule for job in jobs if job.spec.schedule}
    return min((cron.longest_pause(schedule) for schedule in schedules), default=None)
