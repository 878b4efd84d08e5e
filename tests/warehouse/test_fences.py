"""PostgreSQL: a commit that is stopped, cut off or loses its connection at any of its steps."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import warehouse
from tests.postgres import Server
from tests.warehouse.tools import TRADES, assert_each_once, assert_recorded
from warehouse.home import METASTORE

pytestmark = pytest.mark.engines

REPO = Path(__file__).resolve().parents[2]

EVERY = pytest.mark.parametrize("every", [20, pytest.param(1, marks=pytest.mark.torture)])


@pytest.fixture
def url(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(METASTORE, postgres.url)
    return postgres.url


def _interrupted(home: Path, fault: str, every: int) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.warehouse.fence_child", str(home), fault, str(every)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    steps = {r["step"] for r in results}
    assert {"replace", "fsync", "acquire", "execute", "executemany"} == steps
    assert all(r["outcome"] in (0, 1) for r in results), done.stderr
    return results


@EVERY
def test_who_is_stopped_and_wakes_overwrites_nothing_of_the_successor(
    every: int, url: str, home: Path
) -> None:
    results = _interrupted(home, "stopped", every)
    for result in results:
        assert result["successor"], result
        last = [[1, 2]] if result["has_lock"] or result["outcome"] else [[0, 1]]
        assert result["claims"] in ([[1, 2]], last), result
        assert result["held"] and not result["twice"], result
        assert result["own"] or result["outcome"] == 1, "it said that all is stored"
    assert {r["outcome"] for r in results} == {0, 1}
    assert_each_once(home)
    assert_recorded(home, TRADES)
    assert warehouse.verify(home).ok


@EVERY
@pytest.mark.parametrize("fault", ["cut", "lost", "frozen"])
def test_a_connection_lost_at_any_step_is_an_error_or_none_at_all(
    every: int, fault: str, url: str, home: Path
) -> None:
    results = _interrupted(home, fault, every)
    for result in results:
        assert result["held"] and not result["twice"], result
        if result["outcome"] == 0:
            assert result["own"] and result["claims"] == [[0, 1]], result
    assert {r["outcome"] for r in results} == {0, 1}
    assert_each_once(home)
    assert_recorded(home, TRADES)
    assert warehouse.verify(home).ok
