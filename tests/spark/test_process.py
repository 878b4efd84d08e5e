"""`tidemark marts --engine spark` as a user runs it: a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pipelines.marts.with_duckdb import write_marts
from tests.conftest import REPO
from tests.pulled import Pulled
from tests.spark.comparing import MARTS, assert_equal, mart_rows
from tests.spark.sessions import SMALL

_COMMAND = [sys.executable, "-W", "ignore", "-m", "pipelines", "marts", "--engine", "spark"]


@pytest.fixture(autouse=True)
def environment(pulled: Pulled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMARK_HOME", str(pulled.home))


def _arguments(out: Path, *options: str) -> list[str]:
    settings = [word for name, value in SMALL.items() for word in ("--conf", f"{name}={value}")]
    return [*_COMMAND, *settings, *options, "--out", str(out)]


def test_after_a_kill_it_is_run_again_into_the_same_folder(pulled: Pulled, tmp_path: Path) -> None:
    """A mart is whole or not there; then all are, with the rows of DuckDB."""
    by_spark, by_duckdb = tmp_path / "spark", tmp_path / "duckdb"
    dict(write_marts(pulled.home, by_duckdb))
    command = _arguments(by_spark, "--master", "local[2]")
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) as begun:
        assert begun.stdout is not None
        first = begun.stdout.readline()
        begun.kill()
    assert " row" in first
    found = {folder.name for folder in by_spark.iterdir() if not folder.name.startswith(".")}
    assert first.partition(":")[0] in found < {*MARTS}
    with duckdb.connect() as db:
        for mart in found:
            assert_equal(db, mart_rows(by_spark, mart), mart_rows(by_duckdb, mart))
        done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr
        assert [line.partition(":")[0] for line in done.stdout.splitlines()] == MARTS
        assert {folder.name for folder in by_spark.iterdir()} == {*MARTS}
        for mart in MARTS:
            assert_equal(db, mart_rows(by_spark, mart), mart_rows(by_duckdb, mart))


@pytest.mark.parametrize(
    ("master", "says"),
    [("local[x]", "Could not parse Master URL: 'local[x]'. Fix: look at --master")],
)
def test_a_master_that_there_is_not_is_told(master: str, says: str, tmp_path: Path) -> None:
    command = _arguments(tmp_path, "--master", master)
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_java_it_says_so(tmp_path: Path) -> None:
    variables = {k: v for k, v in os.environ.items() if k != "JAVA_HOME"} | {"PATH": str(tmp_path)}
    done = subprocess.run(
        _arguments(tmp_path), cwd=REPO, env=variables, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "Spark needs Java, and there is none" in done.stderr
