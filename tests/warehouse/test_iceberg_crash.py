"""A publish into Iceberg that breaks off at any step is completed or repeated by the next one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.warehouse.iceberg_child import STEPS, before, broken_at, work
from tests.warehouse.iceberg_tables import (
    assert_same,
    files_below,
    files_named,
    iceberg_table,
    publish,
    target_of,
)

pytestmark = pytest.mark.engines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``before``: a home with something to publish; it is to be used as ``home``."""
    home = tmp_path / "home"
    home.mkdir()
    before(home)
    home.rename(tmp_path / "before")
    return tmp_path


def _assert_whole(home: Path, step: str) -> None:
    """Readers see one of the two moments; the next publish ends as if nothing had happened."""
    target = target_of(home)
    with iceberg_table(target, "trades") as table:
        assert table.scan().to_arrow().num_rows in (3, 6), step
    publish(home)
    assert_same(home, names=("trades", "coverage"))
    assert publish(home) == [], step
    assert files_below(home) == files_named(target), step


def test_after_a_kill_at_each_step(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.warehouse.iceberg_child", str(folder)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for step in STEPS:
        home = folder / "home"
        (folder / step).rename(home)
        _assert_whole(home, step)
        shutil.rmtree(home)


class _Fault(Exception):
    pass


def _raise() -> None:
    raise _Fault("no answer")


def test_after_an_exception_at_each_step(folder: Path) -> None:
    for step, place in STEPS.items():
        home = folder / "home"
        shutil.copytree(folder / "before", home, symlinks=True)
        with broken_at(place, _raise), pytest.raises(Exception, match="no answer"):
            work(home)
        _assert_whole(home, step)
        shutil.rmtree(home)
