"""The short version of ``make torture``."""

from pathlib import Path

from tests.torture.driver import torture


def test_killed_pulls_converge(tmp_path: Path) -> None:
    figures = torture(tmp_path, kills=5, seed=3)
    assert figures.differences == []
    assert figures.kills == 5
    assert figures.rows_compared > 5_000
