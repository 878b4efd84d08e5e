"""The short version of ``python -m tests.bitflips``."""

from pathlib import Path

import pytest

from tests.bitflips import bitflips

pytestmark = pytest.mark.sqlite


@pytest.mark.slow
def test_no_flipped_bit_is_unseen_or_made_worse(tmp_path: Path) -> None:
    figures = bitflips(tmp_path, flips=4, seed=5)
    assert figures.failures == []
    assert sum(figures.outcomes.values()) == 4
