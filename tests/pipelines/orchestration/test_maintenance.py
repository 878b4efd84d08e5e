"""What Dagster stores grows to a limit: old runs go with events and logs, the rest stays."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

import warehouse
from pipelines.orchestration import maintenance
from pipelines.orchestration.code import all_definitions
from pipelines.orchestration.maintenance import delete_old_runs
from pipelines.settings import load_settings
from schemas import StreamId
from tests.pipelines.engine import Engine
from tests.warehouse.tools import NOON, row, store

NOW = datetime.now(UTC)
TRADES = StreamId("bitexbit", "trades", symbol="BTC-USD")


@dg.asset
def prices() -> None:
    """Something that is materialised."""


@dg.op
def look(context: dg.OpExecutionContext) -> None:
    """Leaves captured logs."""
    print("looked")


@dg.job
def looking() -> None:
    look()


@dg.op
def fail() -> None:
    raise dg.Failure("no")


@dg.job
def failing() -> None:
    fail()


@pytest.fixture
def stored() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def ran(instance: dg.DagsterInstance, job: dg.JobDefinition) -> str:
    return job.execute_in_process(instance=instance, raise_on_error=False).run_id


def left(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def test_old_runs_are_deleted_with_events_and_logs(stored: dg.DagsterInstance, home: Path) -> None:
    first, good, bad = ran(stored, looking), ran(stored, looking), ran(stored, failing)
    logs = Path(stored.storage_directory()) / good
    assert logs.is_dir() and stored.all_logs(good)
    settings = load_settings()
    assert delete_old_runs(stored, settings, NOW + timedelta(hours=1)) == 0
    assert delete_old_runs(stored, settings, NOW + timedelta(hours=3)) == 1
    assert left(stored) == {first, bad}  # one of each day, for the plots
    assert not logs.exists() and not stored.all_logs(good)
    assert delete_old_runs(stored, settings, NOW + timedelta(days=31)) == 2
    assert left(stored) == set()


def test_times_are_settings(
    stored: dg.DagsterInstance, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [ran(stored, job) for job in (looking, looking, failing)]
    monkeypatch.setenv("TIDEMARK_KEEP_RUNS_HOURS", "48")
    monkeypatch.setenv("TIDEMARK_KEEP_FAILED_DAYS", "1")
    assert delete_old_runs(stored, load_settings(), NOW + timedelta(hours=25)) == 1
    assert left(stored) == set(runs[:2])


def test_the_newest_materialisation_of_an_asset_stays(
    stored: dg.DagsterInstance, home: Path
) -> None:
    runs = [dg.materialize([prices], instance=stored).run_id for _ in range(3)]
    assert delete_old_runs(stored, load_settings(), NOW + timedelta(days=99)) == 2
    assert left(stored) == {runs[-1]}
    event = stored.get_latest_materialization_event(dg.AssetKey("prices"))
    assert event is not None and event.run_id == runs[-1]


def test_of_failed_runs_only_so_many_are_kept(
    stored: dg.DagsterInstance, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "KEEP_FAILED", 2)
    monkeypatch.setattr(maintenance, "_BATCH", 2)
    runs = [ran(stored, failing) for _ in range(5)]
    assert delete_old_runs(stored, load_settings(), NOW + timedelta(hours=1)) == 3
    assert left(stored) == set(runs[-2:])


def test_the_job_cleans_up(engine: Engine, home: Path) -> None:
    home = Path(os.environ["TIDEMARK_HOME"])
    home.mkdir(exist_ok=True)
    for number in range(3):
        store(home, TRADES, [row(TRADES, number, NOON + number)])
        warehouse.publish(home)
    assert len(list((home / "versions").glob("warehouse-*.duckdb"))) == 3
    with warehouse.connect(home) as session:
        job = all_definitions().resolve_job_def("maintenance")
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance)
            messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
        assert session.execute("SELECT count(*) FROM trades").fetchone() == (3,)
    assert result.success
    assert any("2 superseded versions of the warehouse" in message for message in messages)
    live = (home / warehouse.LINK).resolve()
    assert list((home / "versions").glob("warehouse-*.duckdb")) == [live]
    assert warehouse.sql("SELECT count(*) AS n FROM trades", home=home).to_pylist() == [{"n": 3}]
