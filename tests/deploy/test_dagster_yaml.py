"""Dagster's settings: the three files agree, Dagster takes each, and each line is explained."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.instance.ref import InstanceRef

from tests.conftest import REPO
from tests.deploy.commands import DEPLOY, section

FILES = [REPO / "dagster.yaml", DEPLOY / "dagster-sqlite.yaml", DEPLOY / "dagster-postgres.yaml"]
WHERE = {
    *("storage", "run_storage", "event_log_storage", "schedule_storage"),
    *("local_artifact_storage", "compute_logs"),
}
EXPLAINED = section("Dagster's settings")


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def leaves(settings: dict[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        if isinstance(value, dict) and name not in {*WHERE, "purge_after_days"}:
            yield from leaves(value)
        else:
            yield name


def test_they_differ_in_where_things_are_stored_only() -> None:
    clone, *others = (read(path) for path in FILES)
    for other in others:
        assert {n: v for n, v in other.items() if n not in WHERE} == {
            n: v for n, v in clone.items() if n not in WHERE
        }


def test_the_files_are_as_they_are_written() -> None:
    written = runpy.run_path(str(DEPLOY / "dagster_yaml.py"))["texts"]()
    for path in FILES[1:]:
        assert path.read_text(encoding="utf-8") == written[path.name], (
            "Fix: python deploy/dagster_yaml.py"
        )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_dagster_takes_it(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "DB", "USER", "PASSWORD"):
        monkeypatch.setenv(f"DAGSTER_PG_{name}", "x")
    found = InstanceRef.from_dir(
        str(tmp_path), config_dir=str(path.parent), config_filename=path.name
    )
    assert found.event_storage_data is not None and found.storage_data is not None
    if "deploy" in path.parts:
        assert found.event_storage_data.class_name == (
            "PostgresEventLogStorage"
            if "postgres" in path.name
            else "ConsolidatedSqliteEventLogStorage"
        )


def test_on_one_machine_everything_lies_in_dagster_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").symlink_to(FILES[1])

    @dg.asset
    def one() -> None: ...

    with dg.DagsterInstance.get() as instance:
        assert dg.materialize([one], instance=instance).success
        assert instance.get_latest_materialization_event(one.key) is not None
        assert instance.all_instigator_state() == []
    assert len(list(tmp_path.glob("*.db"))) == 3, "runs, events of all runs, schedules"


@pytest.mark.parametrize("name", sorted({leaf for path in FILES for leaf in leaves(read(path))}))
def test_the_line_is_explained(name: str) -> None:
    assert name in EXPLAINED


def test_what_the_table_names_is_set() -> None:
    """A value of the table is the value of the file."""
    settings = read(FILES[1])
    for path, value in (
        ("concurrency.pools.default_limit", "5"),
        ("concurrency.runs.max_concurrent_runs", "8"),
        ("run_monitoring.start_timeout_seconds", "180"),
        ("run_monitoring.max_runtime_seconds", "86400"),
        ("run_monitoring.free_slots_after_run_end_seconds", "60"),
    ):
        found: Any = settings
        for part in path.split("."):
            found = found[part]
        assert f"`{path}: {value}`" in EXPLAINED and str(found) == value
