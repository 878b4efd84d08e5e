"""Dagster with deploy/dagster-postgres.yaml on a real PostgreSQL."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml

from pipelines.orchestration.checks import last_evaluations
from pipelines.orchestration.pruning import delete_old_results, shrink
from tests.deploy.commands import DEPLOY

USER = "postgres"
"""Who runs the server where the tests run as root: PostgreSQL refuses to."""


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, Debian's or on the path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server of its own on a free port of this machine; skipped without PostgreSQL."""
    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    # not below pytest's folders: those are closed to the user of the server
    with tempfile.TemporaryDirectory(prefix="tidemark-postgres-") as data:
        user = USER if os.getuid() == 0 else None
        if user is not None:
            shutil.chown(data, user)

        def run(program: str, *arguments: str) -> None:
            command = [str(folder / program), "--pgdata", data, *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=data, user=user)

        run("initdb", "--username", "dagster", "--auth", "trust", "--no-sync")
        options = f"-p {number} -h 127.0.0.1 -k {data} -c fsync=off"
        run("pg_ctl", "--wait", "-o", options, "--log", f"{data}/log", "start")
        try:
            yield number
        finally:
            run("pg_ctl", "--mode", "immediate", "stop")


@dg.asset
def one() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"rows": 7})


@pytest.fixture
def folder(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``DAGSTER_HOME`` on that server."""
    settings = yaml.safe_load((DEPLOY / "dagster-postgres.yaml").read_text(encoding="utf-8"))
    settings["storage"]["postgres"]["postgres_db"]["port"] = port
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(settings))
    for name, value in (("HOST", "127.0.0.1"), ("DB", "postgres"), ("USER", "dagster")):
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
