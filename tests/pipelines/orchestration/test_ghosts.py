"""Runs whose process was killed are found by their lock, and by their age where they have none."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipelines.orchestration import ghosts
from pipelines.orchestration.ghosts import alive, end_ghosts, lock_path, remove_locks

STARTED = dg.DagsterRunStatus.STARTED
HOLD = """
import sys, time
from pathlib import Path
from pipelines.orchestration.ghosts import alive
with alive(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""


@dg.op
def look(context: dg.OpExecutionContext) -> None:
    """Fails where the run's own lock is not held."""
    home = Path(os.environ["TIDEMARK_HOME"])
    age(home, context.run_id)
    assert end_ghosts(context.instance, home) == []


@dg.job(executor_def=ghosts.executor(dg.in_process_executor))
def looking() -> None:
    look()


@pytest.fixture
def stored() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def started(instance: dg.DagsterInstance, status: dg.DagsterRunStatus = STARTED) -> str:
    return instance.create_run_for_job(looking, status=status).run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def age(home: Path, run_id: str, seconds: float = 60) -> None:
    """Make the lock of a run one that was touched a minute ago."""
    os.utime(lock_path(home, run_id), (time.time() - seconds,) * 2)


def test_a_killed_process_leaves_a_ghost(stored: dg.DagsterInstance, home: Path) -> None:
    run_id = started(stored)
    command = [sys.executable, "-c", HOLD, str(home), run_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as held:
        assert held.stdout is not None and held.stdout.readline() == b"held\n"
        age(home, run_id)
        assert end_ghosts(stored, home) == []
        held.kill()
    assert end_ghosts(stored, home) == [run_id]
    assert status(stored, run_id) is dg.DagsterRunStatus.FAILURE
    assert end_ghosts(stored, home) == []
    messages = [event.message for event in stored.all_logs(run_id)]
    assert any("The process of this run is gone" in message for message in messages)


def test_a_run_that_has_just_ended_may_still_be_recorded(
    stored: dg.DagsterInstance, home: Path
) -> None:
    run_id = started(stored)
    with alive(home, run_id):
        age(home, run_id)
    assert end_ghosts(stored, home) == []  # touched when it ended


@pytest.mark.parametrize("kind", [STARTED, dg.DagsterRunStatus.STARTING])
def test_a_run_killed_before_it_held_a_lock(
    kind: dg.DagsterRunStatus,
    stored: dg.DagsterInstance,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_id = started(stored, kind)
    (record,) = stored.get_run_records(dg.RunsFilter(run_ids=[run_id]))
    later = record.update_timestamp + timedelta(seconds=170)
    assert end_ghosts(stored, home, later) == []  # it may be starting, on a slow machine
    monkeypatch.setattr(ghosts, "_BEGAN", record.update_timestamp + timedelta(seconds=10))
    assert end_ghosts(stored, home, later) == [run_id]  # this process is younger than the run


@pytest.mark.parametrize("kind", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.SUCCESS])
def test_runs_that_wait_or_have_ended_are_no_ghosts(
    kind: dg.DagsterRunStatus, stored: dg.DagsterInstance, home: Path
) -> None:
    run_id = started(stored, kind)
    with alive(home, run_id):
        pass
    age(home, run_id)
    assert end_ghosts(stored, home) == []
    assert status(stored, run_id) is kind


def test_every_run_holds_its_lock(stored: dg.DagsterInstance, home: Path) -> None:
    with dg.execute_job(dg.reconstructable(looking), instance=stored) as result:
        assert result.success
        run_id = result.dagster_run.run_id
    age(home, run_id, 3600)
    assert remove_locks(home, timedelta(hours=2)) == 0
    with alive(home, run_id):
        age(home, run_id, 3600)
        assert remove_locks(home, timedelta(minutes=30)) == 0  # still held
    age(home, run_id, 3600)
    assert remove_locks(home, timedelta(minutes=30)) == 1
