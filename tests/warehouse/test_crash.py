"""A kill before and after each step of a commit and of a publish, then the same work again.

``make torture`` kills at every step; else at every seventh of those with one name.
"""

import subprocess
import sys
from pathlib import Path

import pytest

import warehouse
from tests.warehouse import crash_child
from tests.warehouse.tools import (
    TRADES,
    assert_each_once,
    assert_published,
    assert_recorded,
    bag,
    duck,
    everything,
    lake,
)
from warehouse.metastore import Metastore

REPO = Path(__file__).resolve().parents[2]


EVERY = pytest.mark.parametrize(
    "every",
    [pytest.param(7, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.torture)],
)


def _killed(folder: Path, every: int, *scenarios: str) -> None:
    """Fill ``folder`` with homes whose processes were killed."""
    program = [sys.executable, "-m", "tests.warehouse.crash_child"]
    command = [*program, str(folder), str(every), *scenarios]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


def _homes(folder: Path) -> list[Path]:
    return sorted(h for h in folder.iterdir() if h.name != "whole")


def _steps(folder: Path) -> set[str]:
    return {h.name.partition("-")[2] for h in _homes(folder)}


@EVERY
def test_after_any_kill_of_a_commit_the_same_commits_end_in_the_same_lake(
    every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.store.SEGMENT_ROWS", crash_child.SMALL)
    _killed(tmp_path, every, "commit")
    steps = _steps(tmp_path / "commit")
    assert {f"after-{name}" for name in ("fsync", "replace", "record", "_write_files")} <= steps
    assert {"torn-write", "after-mkdir", "before-replace", "before-record"} <= steps

    before = everything(tmp_path / "template")
    wanted = everything(tmp_path / "commit" / "whole")
    state = Metastore(tmp_path / "commit" / "whole").state(TRADES)
    assert sum(wanted["trades"].values()) == 14
    for number, home in enumerate(_homes(tmp_path / "commit")):
        left = everything(home)
        assert not before["trades"] - left["trades"], home.name
        _assert_coverage_holds(home, "tid" in str(left["quarantine"]))
        crash_child.again(home, -1 if number % 2 else 1)
        assert everything(home) == wanted, home.name
        assert_each_once(home)
        assert_recorded(home)
        assert list(home.rglob("*.tmp")) == [], home.name
        assert Metastore(home).state(TRADES) == state
        if number % 5 == 0:
            assert_published(home)


def _assert_coverage_holds(home: Path, rejected: bool) -> None:
    held = {int(r["trade_id"]) for r in lake(home, "trades")} | ({15} if rejected else set())
    for interval in Metastore(home).state(TRADES).complete:
        assert set(range(interval.lower, interval.upper)) <= held, home.name


@EVERY
def test_after_any_kill_of_a_publish_readers_and_the_next_publish_are_well(
    every: int, tmp_path: Path
) -> None:
    _killed(tmp_path, every, "publish", "first-publish")
    steps = _steps(tmp_path / "publish")
    assert {"after-copyfile", "before-replace", "after-replace", "after-symlink_to"} <= steps
    old = bag(duck(tmp_path / "template", "trades"))
    new = bag(lake(tmp_path / "unpublished", "trades"))
    for home in [*_homes(tmp_path / "publish"), *_homes(tmp_path / "first-publish")]:
        if (home / warehouse.LINK).exists():
            assert bag(duck(home, "trades")) in (old, new), home.name
        assert_published(home)
        left = [p.name for p in (home / "versions").iterdir()]
        assert all(n.startswith("warehouse-") and n.endswith(".duckdb") for n in left), home.name
        assert list(home.glob(".*.tmp")) == [], home.name
