"""Dagster with deploy/dagster-postgres.yaml on a real PostgreSQL."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml

from pipelines.orchestration.checks import last_evaluations
from pipelines.orchestration.pruning import delete_old_results, shrink
from tests.deploy.commands import DEPLOY
from tests.postgres import USER, Server


@dg.asset
def one() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"rows": 7})


@pytest.fixture
def folder(postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``DAGSTER_HOME`` on that server."""
    settings = yaml.safe_load((DEPLOY / "dagster-postgres.yaml").read_text(encoding="utf-8"))
    settings["storage"]["postgres"]["postgres_db"]["port"] = postgres.port
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(settings))
    for name, value in (("HOST", "127.0.0.1"), ("DB", "postgres"), ("USER", USER)):
        monkeypatch.setenv(f"DAGSTER_PG_{name}", value)
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "p@ss/word:%")
    return tmp_path


def test_runs_and_events_are_recorded_there(folder: Path) -> None:
    for expected in (1, 2):  # the second opening finds the tables of the first
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            assert type(instance.run_storage).__name__ == "PostgresRunStorage"
            assert dg.materialize([one], instance=instance).success
            assert instance.get_runs_count() == expected
            event = instance.get_latest_materialization_event(one.key)
            assert event is not None and event.asset_materialization is not None
            assert event.asset_materialization.metadata["rows"].value == 7
    assert not list(folder.rglob("*.db")), "nothing in SQLite"


def test_old_results_are_deleted_there(folder: Path) -> None:
    now = datetime.now(UTC)
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        for passed in (True, False):
            evaluation = dg.AssetCheckEvaluation(
                asset_key=one.key, check_name="sound", passed=passed
            )
            instance.report_runless_asset_event(evaluation)
        assert delete_old_results(instance, now - timedelta(days=1)) == 0
        assert delete_old_results(instance, now + timedelta(days=1)) == 1
        (newest,) = last_evaluations(instance, [dg.AssetCheckKey(one.key, "sound")]).values()
        assert not newest.passed
        assert shrink(instance) == 0
