"""What Dagster stores grows to a limit: old runs go with events and logs, the rest stays."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import pytest

import warehouse
from pipelines.orchestration import maintenance, pruning
from pipelines.orchestration.checks import last_evaluations
from pipelines.orchestration.code import all_definitions
from pipelines.orchestration.maintenance import delete_old_runs
from pipelines.orchestration.pruning import delete_old_results, shrink
from pipelines.settings import load_settings
from pipelines.ui.instance import dagster_home
from schemas import StreamId
from tests.pipelines.engine import Engine, declare
from tests.pipelines.orchestration.daemon import daemon
from tests.warehouse.tools import row, store

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
def stored(home: Path) -> Iterator[dg.DagsterInstance]:
    """Of the shipped ``dagster.yaml``."""
    load_settings().prepare_home()
    with dg.DagsterInstance.from_config(str(dagster_home(home))) as instance:
        yield instance


def ran(instance: dg.DagsterInstance, job: dg.JobDefinition, schedule: str | None = "x") -> str:
    tags = {"dagster/schedule_name": schedule} if schedule else {}
    return job.execute_in_process(instance=instance, raise_on_error=False, tags=tags).run_id


def left(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


@pytest.mark.slow
def test_old_runs_are_deleted_with_events_and_logs(stored: dg.DagsterInstance, home: Path) -> None:
    first, good, bad = ran(stored, looking), ran(stored, looking), ran(stored, failing)
    logs = home / "dagster" / "logs" / good
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


@pytest.mark.slow
def test_runs_that_were_started_by_hand_stay_as_long_as_failed_ones(
    stored: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "KEEP_FAILED", 2)
    runs = [ran(stored, looking, schedule=None) for _ in range(3)]
    ran(stored, looking)  # the first of the day
    assert delete_old_runs(stored, load_settings(), NOW + timedelta(hours=3)) == 1
    assert left(stored) >= set(runs[1:]) and runs[0] not in left(stored)
    assert delete_old_runs(stored, load_settings(), NOW + timedelta(days=31)) == 3


def test_the_newest_materialisation_of_an_asset_stays(
    stored: dg.DagsterInstance, home: Path
) -> None:
    tags = {"dagster/schedule_name": "x"}
    runs = [dg.materialize([prices], instance=stored, tags=tags).run_id for _ in range(3)]
    assert delete_old_runs(stored, load_settings(), NOW + timedelta(days=99)) == 2
    assert left(stored) == {runs[-1]}
    event = stored.get_latest_materialization_event(dg.AssetKey("prices"))
    assert event is not None and event.run_id == runs[-1]


@pytest.mark.slow
def test_of_failed_runs_only_so_many_are_kept(
    stored: dg.DagsterInstance, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "KEEP_FAILED", 2)
    monkeypatch.setattr(maintenance, "_BATCH", 2)
    runs = [ran(stored, failing) for _ in range(5)]
    assert delete_old_runs(stored, load_settings(), NOW + timedelta(hours=1)) == 3
    assert left(stored) == set(runs[-2:])


def test_the_job_cleans_up(engine: Engine, home: Path) -> None:
    home = load_settings().prepare_home()
    store(home, TRADES, [row(TRADES, 1)])
    warehouse.publish(home)
    with warehouse.connect(home) as session:
        job = all_definitions().resolve_job_def("maintenance")
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance)
            messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
        assert session.execute("SELECT count(*) FROM trades").fetchone() == (1,)
    assert result.success
    assert any("lock files" in message for message in messages)


def rows(home: Path) -> dict[str, int]:
    """The rows of every table of Dagster's storage, by file and table."""
    found = {}
    for path in sorted((home / "dagster").rglob("*.db")):
        with closing(sqlite3.connect(path)) as db:
            for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"):
                (count,) = db.execute(f'SELECT count(*) FROM "{table}"').fetchone()
                found[f"{path.stem}.{table}"] = count
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Dagster's own storage, in the order it is closed
def test_no_table_of_dagster_grows_from_tick_to_tick(
    engine: Engine, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = load_settings().prepare_home()
    shutil.rmtree(tmp_path / "wex")
    declare(tmp_path, "bitexbit", "bitexbit", "main", ["tickers"])
    monkeypatch.setenv("TIDEMARK_KEEP_RUNS_HOURS", "1")
    monkeypatch.setenv("TIDEMARK_KEEP_FAILED_DAYS", "1")
    counted = []
    with daemon(home) as running:
        start = datetime(2026, 1, 10, 3, 30, tzinfo=UTC)
        running.start_schedules(start - timedelta(minutes=1))
        for days in (0, 2, 4):
            running.minute(start + timedelta(days=days))  # a pull, all checks, the report
            now = start + timedelta(days=days, hours=25)
            delete_old_runs(running.instance, load_settings(), now)
            delete_old_results(running.instance, now - timedelta(days=1))
            counted.append(rows(home))
        pulls = running.instance.get_runs(dg.RunsFilter(job_name="collect"))
        assert pulls and not any(run.asset_check_selection for run in pulls)
    written = {table for table, count in counted[0].items() if count}
    assert written >= {
        *("event_log.event_logs", "event_log.asset_check_executions", "event_log.asset_event_tags"),
        *("runs.runs", "runs.run_tags", "runs.snapshots", "schedules.job_ticks"),
    }
    assert counted[2] == counted[1]


def test_old_results_of_checks_are_deleted(stored: dg.DagsterInstance) -> None:
    def record(name: str, passed: bool) -> None:
        key = dg.AssetKey("prices")
        evaluation = dg.AssetCheckEvaluation(asset_key=key, check_name=name, passed=passed)
        stored.report_runless_asset_event(evaluation)

    for number in range(5):
        record("often", number % 2 == 0)
    record("once", False)
    now = datetime.now(UTC)
    assert delete_old_results(stored, now - timedelta(days=1)) == 0
    with patch.object(pruning, "KEEP_RESULTS", 3):
        assert delete_old_results(stored, now - timedelta(days=1)) == 2
    assert delete_old_results(stored, now + timedelta(days=1)) == 2
    keys = [dg.AssetCheckKey(dg.AssetKey("prices"), name) for name in ("often", "once")]
    newest = last_evaluations(stored, keys)
    assert {key.name: found.passed for key, found in newest.items()} == {
        "often": True,
        "once": False,
    }
    evaluated = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    assert len(stored.all_logs("", of_type=evaluated)) == 2


def test_a_storage_that_is_mostly_deleted_rows_shrinks(
    stored: dg.DagsterInstance, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(stored, looking)
    path = home / "dagster" / "history" / "runs.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE junk AS SELECT randomblob(2000000) AS filling")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE junk")
    assert shrink(stored) == 0  # not worth it
    monkeypatch.setattr(pruning, "SHRUNK_FROM", 1_000_000)
    assert shrink(stored) >= 2_000_000
    assert path.stat().st_size < 1_000_000
    assert left(stored)
    assert shrink(stored) == 0
