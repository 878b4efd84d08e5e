"""The short version of ``make torture``."""

from pathlib import Path

import pytest

from tests.torture.driver import torture


@pytest.mark.slow
def test_killed_pulls_converge(tmp_path: Path) -> None:
    figures = torture(tmp_path, kills=4, seed=3, exchanges=("bitexbit", "wex"))
    assert figures.differences == []
    assert figures.kills == 4
    assert figures.rows_compared > 5_000
