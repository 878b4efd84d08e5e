"""Dagster's daemon by hand: what it does in one minute, in this process and at any time.

It evaluates schedules and sensors, launches what is due and judges freshness, through Dagster's own
code and on a real storage. Runs are executed in this process, one after the other.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import dagster as dg
import yaml
from dagster._core.definitions import reconstruct
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.freshness import FreshnessDaemon
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import (
    QueuedRunCoordinatorDaemon,
)
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import ScheduleIterationTimes, launch_scheduled_runs

from pipelines.orchestration import maintenance
from pipelines.ui.instance import dagster_home

LOCATION: Final = "pipelines.definitions"
_LAUNCHER: Final = {
    "module": "dagster._core.launcher.sync_in_memory_run_launcher",
    "class": "SyncInMemoryRunLauncher",
}
_DEFINITIONS: Final = "reconstruct_repository_def_from_pointer"
"""The function that loads the code for each run anew, as the process of a run must."""
_LOG: Final = logging.getLogger(__name__)


class Daemon:
    """The daemon of an instance whose clock is moved by hand."""

    def __init__(self, instance: dg.DagsterInstance, workspace: WorkspaceProcessContext) -> None:
        self.instance = instance
        self._workspace = workspace
        self._schedules: dict[str, ScheduleIterationTimes] = {}
        self._queue = QueuedRunCoordinatorDaemon(interval_seconds=1)
        self._freshness = FreshnessDaemon()

    def start_schedules(self, now: datetime) -> None:
        """Switch all of them on, as somebody does on the page."""
        location = self._workspace.create_request_context().get_code_location(LOCATION)
        with freeze_time(now):
            for schedule in location.get_repository("__repository__").get_schedules():
                if schedule.default_status is not dg.DefaultScheduleStatus.RUNNING:
                    self.instance.start_schedule(schedule)

    def minute(self, now: datetime) -> None:
        """What happens in the minute of ``now``; an error of the daemon is raised."""
        frozen = type("Frozen", (datetime,), {"now": staticmethod(lambda zone=None: now)})
        with freeze_time(now), patch.object(maintenance, "datetime", frozen):
            steps: list[Callable[[], Iterator[Any]]] = [
                lambda: launch_scheduled_runs(self._workspace, _LOG, now, self._schedules),
                lambda: self._queue.run_iteration(self._workspace, now.timestamp()),
                lambda: execute_sensor_iteration(self._workspace, _LOG, None, None),
                lambda: self._freshness.run_iteration(self._workspace),
            ]
            for step in steps:
                for error in step():
                    assert error is None, error


@contextmanager
def daemon(home: Path) -> Iterator[Daemon]:
    """A daemon on the storage of ``home``, as ``tidemark ui`` configures it."""
    folder = dagster_home(home)
    path = folder / "dagster.yaml"
    settings = yaml.safe_load(path.read_text()) | {"run_launcher": _LAUNCHER}
    path.write_text(yaml.safe_dump(settings))
    target = LoadableTargetOrigin(executable_path=sys.executable, module_name=LOCATION)
    origin = InProcessCodeLocationOrigin(target, location_name=LOCATION)
    with (
        patch.object(reconstruct, _DEFINITIONS, cache(getattr(reconstruct, _DEFINITIONS))),
        dg.DagsterInstance.from_config(str(folder)) as instance,
        WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as workspace,
    ):
        yield Daemon(instance, workspace)
