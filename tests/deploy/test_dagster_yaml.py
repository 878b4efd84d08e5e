"""Dagster's settings: the three files agree, Dagster takes each, and each line is explained."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.ref import InstanceRef

from tests.conftest import REPO
from tests.deploy.commands import DEPLOY, section

FILES = [REPO / "dagster.yaml", DEPLOY / "dagster-sqlite.yaml", DEPLOY / "dagster-postgres.yaml"]
WHERE = {"storage", "local_artifact_storage", "compute_logs"}
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
    clone, sqlite, postgres = (read(path) for path in FILES)
    assert {name: clone[name] for name in clone.keys() - WHERE} == sqlite
    assert {name: postgres[name] for name in postgres.keys() - {"storage"}} == sqlite


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_dagster_takes_it(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "DB", "USER", "PASSWORD"):
        monkeypatch.setenv(f"DAGSTER_PG_{name}", "x")
    found = InstanceRef.from_dir(
        str(tmp_path), config_dir=str(path.parent), config_filename=path.name
    )
    storage = found.storage_data.class_name if found.storage_data else "default"
    assert storage == (
        "DagsterPostgresStorage" if "postgres" in path.name else "DagsterSqliteStorage"
    )


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
