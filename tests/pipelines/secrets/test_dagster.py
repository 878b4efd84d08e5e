"""No secret in anything that Dagster keeps."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import defs
from tests.pipelines.secrets.scene import EXCHANGES, FAILURES, WRONG, Scene


@pytest.mark.slow
@pytest.mark.parametrize(
    "stages",
    [
        ("a refusal", "well"),
        pytest.param(("a refusal", "rows", "secret", "well"), marks=pytest.mark.torture),
    ],
    ids=["two runs", "all runs"],
)
def test_dagster_keeps_nothing_secret(
    stages: tuple[str, ...],
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    repo_root: Path,
) -> None:
    """Its event log, run storage and compute logs; runs that fail, and one that goes well."""
    dagster_home = scene.place / "dagster"
    dagster_home.mkdir()
    shutil.copy(repo_root / "dagster.yaml", dagster_home)
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home))
    job = defs().resolve_job_def("everything")
    collected = [key for key in job.asset_layer.selected_asset_keys if key.path[0] in EXCHANGES]
    outcomes = []
    with dg.DagsterInstance.get() as instance:
        for stage in stages:
            scene.fresh(monkeypatch, "dagster")
            with monkeypatch.context() as here:
                if stage in FAILURES["wex"]:
                    scene.break_private_calls(stage, None)
                elif stage == "secret":
                    here.setenv("BITEXBIT_API_SECRET", WRONG)
                    here.setenv("WEX_API_SECRET", WRONG)
                result = job.execute_in_process(
                    instance=instance,
                    raise_on_error=False,
                    # what lies below a failed asset is not executed; the last run does all of it
                    asset_selection=None if stage == "well" else collected,
                )
            outcomes.append(result.success)
            events = instance.all_logs(result.run_id)
            scene.note("\n".join(f"{e!r} {e.user_message}" for e in events))
    captured = capfd.readouterr()
    scene.note(captured.out + captured.err)
    assert outcomes == [stage == "well" for stage in stages]
    assert len([*(scene.place / "data" / "dagster").rglob("*.db")]) >= 3
    scene.assert_clean("SQLite", "DuckDB", "Parquet", "zstd")
