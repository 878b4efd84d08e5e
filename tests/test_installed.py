"""Installed with pip from a wheel: everything works from any folder, and nothing is of a clone."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox import serve
from tests.worlds import world_at

OURS = ("schemas", "connectors", "warehouse", "pipelines", "sandbox")
FEED = ("--exchange", "bitexbit", "--markets", "BTC-USD", "--start", "2026-01-01")
LOADED = """\
import pipelines.definitions as found, pipelines
from pipelines.ui.instance import dagster_home
from pathlib import Path
keys = found.defs().resolve_all_asset_keys()
print(pipelines.__file__)
print(sum(key.path[0] == "bitexbit" for key in keys))
Path("home").mkdir(exist_ok=True)
print("concurrency:" in (dagster_home(Path("home")) / "dagster.yaml").read_text())
"""


@pytest.fixture(scope="module")
def installed(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel, and beside it what the wheel needs."""
    place = tmp_path_factory.mktemp("installed")
    source, programs = place / "source", place / "venv" / "bin"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "dagster.yaml"):
        shutil.copy(repo_root / name, source)
    for name in OURS:
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(repo_root / name, source / name, symlinks=True, ignore=skipped)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(place), str(source)])
    (wheel,) = place.glob("*.whl")
    venv.create(place / "venv")
    to = ["--python", str(programs / "python")]
    run([*pip, *to, "install", "--no-index", "--no-deps", str(wheel)])
    (packages,) = (place / "venv" / "lib").glob("python*/site-packages")
    # a plain path: the .pth files there, that of the clone among them, are not read
    (packages / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return programs


def run(command: list[str], where: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What the command writes on stdout. It must succeed."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=where, env={**clean, **(env or {})}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.slow
def test_from_the_first_feed_to_the_first_row(installed: Path, tmp_path: Path) -> None:
    """Seconds, most of them for the wheel and the start of programs: that is what it tests."""
    program = str(installed / "tidemark")
    with serve(world_at(), limits=False) as exchange:
        run([program, "init", *FEED], tmp_path, exchange.env)
        assert (tmp_path / "feeds" / "bitexbit" / "defs.yaml").is_file()
        pulled = run([program, "pull", "bitexbit/markets"], tmp_path, exchange.env)
    assert f"5 new rows; published to {tmp_path}/data/warehouse.duckdb" in pulled
    file, assets, complete = run([str(installed / "python"), "-c", LOADED], tmp_path).splitlines()
    assert Path(file).is_relative_to(installed.parent)
    assert int(assets) >= 10
    assert complete == "True"
    offered = "import connectors; print(*connectors.offers('ccxt:okx'))"
    assert "trades" in run([str(installed / "python"), "-c", offered], tmp_path)
