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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``before``: a home with something to publish; it is to be used as ``home``."""
    folder = tmp_path_factory.mktemp("broken-off")
    home = folder / "home"
    home.mkdir()
    before(home)
    home.rename(folder / "before")
    return folder


@pytest.fixture(scope="module")
def killed(folder: Path) -> Path:
    """A home for each step, as a process left it that was killed there."""
    command = [sys.executable, "-m", "tests.warehouse.iceberg_child", str(folder)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder


def _assert_whole(home: Path, step: str) -> None:
    """Readers see one of the two moments; the next publish ends as if nothing had happened."""
    target = target_of(home)
    with iceberg_table(target, "trades") as table:
        assert table.scan().to_arrow().num_rows in (3, 6), step
    publish(home)
    assert_same(home, names=("trades", "coverage"))
    assert publish(home) == [], step
    assert files_below(home) == files_named(target), step


@pytest.mark.parametrize("step", STEPS)
def test_after_a_kill(step: str, killed: Path) -> None:
    home = killed / "home"
    shutil.copytree(killed / step, home, symlinks=True)
    try:
        _assert_whole(home, step)
    finally:
        shutil.rmtree(home)


class _Fault(Exception):
    pass


def _raise() -> None:
    raise _Fault("no answer")


@pytest.mark.parametrize("step", STEPS)
def test_after_an_exception(step: str, folder: Path) -> None:
    home = folder / "home"
    shutil.copytree(folder / "before", home, symlinks=True)
    try:
        with broken_at(STEPS[step], _raise), pytest.raises(Exception, match="no answer"):
            work(home)
        _assert_whole(home, step)
    finally:
        shutil.rmtree(home)
