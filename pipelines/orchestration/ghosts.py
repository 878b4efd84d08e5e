"""Runs whose process was killed: Dagster's storage still says that they are started.

Every run holds a file lock of the operating system while it executes, through the executor,
whatever its steps are. A run that is recorded as started and whose lock is free has no process.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from pipelines.settings import load_settings
from warehouse import locks

if TYPE_CHECKING:
    from dagster._core.execution.context.system import PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan

LOCATION: Final = "pipelines.definitions"
"""The code location whose runs hold a lock."""

_ENDING: Final = timedelta(seconds=15)
"""So long a run without a process may take to be recorded as ended."""

_STARTING: Final = timedelta(minutes=3)
"""So long a run may take from its launch to its lock, on a slow machine …"""

_STARTING_BEFORE: Final = timedelta(seconds=20)
"""… and so long one that was launched before this process began, by another one."""

_BEGAN: Final = datetime.now(UTC)

_OPEN: Final = (
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)

MESSAGE: Final = (
    "The process of this run is gone: it was killed, or the machine stopped. What it had fetched "
    "is stored; the next pull continues."
)


@contextmanager
def alive(home: Path, run_id: str) -> Iterator[None]:
    """Hold the lock of a run for as long as the block runs."""
    with locks.exclusive(home, "runs", run_id):
        try:
            yield
        finally:
            with suppress(OSError):
                os.utime(lock_path(home, run_id))  # from here on the end may be recorded


def lock_path(home: Path, run_id: str) -> Path:
    """The file whose lock a run holds."""
    return locks.lock_path(home, "runs", run_id)


def executor(inner: dg.ExecutorDefinition) -> dg.ExecutorDefinition:
    """``inner``, holding the lock of the run that it executes."""

    def holding(init_context: dg.InitExecutorContext) -> dg.Executor:
        create = inner.executor_creation_fn
        assert create is not None
        made = create(init_context)
        execute = made.execute

        def held(
            plan_context: "PlanOrchestrationContext", execution_plan: "ExecutionPlan"
        ) -> Iterator[dg.DagsterEvent]:
            with alive(load_settings().prepare_home(), plan_context.run_id):
                yield from execute(plan_context, execution_plan)

        # no wrapper: Celery's loop asks the executor of its run for more than a Dagster one has
        made.execute = held  # type: ignore[method-assign]
        return made

    schema: Any = inner.config_schema  # as it was declared, or already read: both are taken
    return dg.ExecutorDefinition(inner.name, schema, executor_creation_fn=holding)


def end_ghosts(instance: dg.DagsterInstance, home: Path, now: datetime | None = None) -> list[str]:
    """Record every run without a process as failed; the ids of those runs."""
    now = now or datetime.now(UTC)
    found: list[str] = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=list(_OPEN))):
        if _is_ghost(record, home, now):
            instance.report_run_failed(record.dagster_run, MESSAGE)
            found.append(record.dagster_run.run_id)
    return found


def _is_ghost(record: dg.RunRecord, home: Path, now: datetime) -> bool:
    run = record.dagster_run
    path = lock_path(home, run.run_id)
    try:
        touched = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        origin = run.remote_job_origin
        if origin is not None and origin.location_name != LOCATION:
            return False  # somebody else's code, which holds no lock
        changed = record.update_timestamp
        return now - changed > (_STARTING_BEFORE if changed < _BEGAN else _STARTING)
    return now - touched > _ENDING and _is_free(home, run.run_id)


def _is_free(home: Path, run_id: str) -> bool:
    with locks.exclusive_if_free(home, "runs", run_id) as is_free:
        return is_free


def remove_locks(home: Path, older_than: timedelta) -> int:
    """Remove the lock files of runs that ended so long ago; their number."""
    removed = 0
    for path in lock_path(home, "any").parent.glob("*.lock"):
        if time.time() - path.stat().st_mtime > older_than.total_seconds() and _is_free(
            home, path.stem
        ):
            locks.remove(home, "runs", path.stem)
            removed += 1
    return removed
