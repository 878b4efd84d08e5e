"""Whatever a server sends, a connector raises ``ExchangeError`` and nothing else.

``python -m tests.fuzz`` runs the same for as long as one likes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.answers import calls
from tests.fuzz.calls import Fuzzer

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data" / "btce"


@pytest.fixture(scope="module")
def fuzzer() -> Iterator[Fuzzer]:
    found = Fuzzer(calls(RECORDED))
    yield found
    found.close()


@pytest.mark.slow
@given(seed=st.integers(0, 2**48))
def test_a_mutated_answer_raises_nothing_but_exchange_errors(fuzzer: Fuzzer, seed: int) -> None:
    fuzzer.one(seed)


def test_the_seeds_are_right_answers(fuzzer: Fuzzer) -> None:
    before = fuzzer.pages
    for seed in range(100):
        fuzzer.one(seed)
    assert fuzzer.pages - before > 50  # most mutated answers are still read as pages
