"""Lines are drawn with few points, and still show where they begin, end, peak and fall."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import warehouse
from pipelines.report.account import DRAWN, POINTS, drawn, value_accounts, value_lines
from pipelines.report.performance import Point
from pipelines.report.query import connected
from tests.examples import examples
from tests.warehouse.tools import DAY, FILLS, NOON, TICKERS, row, store


def line(values: list[int]) -> list[tuple[int, Decimal]]:
    points = drawn([Point(i, Decimal(value)) for i, value in enumerate(values)])
    return [(time, Decimal(value)) for time, value in points]


@pytest.mark.parametrize("length", [0, 1, DRAWN])
def test_few_points_are_all_drawn(length: int) -> None:
    assert line([*range(length)]) == [(i, Decimal(i)) for i in range(length)]


def test_one_dip_in_a_long_line_is_drawn() -> None:
    assert (777, Decimal(-1)) in line([-1 if i == 777 else 0 for i in range(1500)])


@given(st.integers(DRAWN, 3 * DRAWN), st.data())
@settings(max_examples=examples(50))
def test_a_long_line_keeps_its_ends_and_extremes(length: int, data: st.DataObject) -> None:
    odd = data.draw(st.dictionaries(st.integers(0, length - 1), st.integers(-99, 99), max_size=9))
    values = [odd.get(i, 0) for i in range(length)]
    found = line(values)
    assert len(found) <= DRAWN
    assert found == sorted(found)
    assert found[0] == (0, Decimal(values[0]))
    assert found[-1] == (length - 1, Decimal(values[-1]))
    heights = [value for _, value in found]
    assert min(heights) == min(values)
    assert max(heights) == max(values)


def test_an_account_long_without_events_has_as_few_points(home: Path) -> None:
    """Its value follows the newest prices, for years after its last event."""
    store(home, FILLS, [row(FILLS, 1, side="buy")])
    store(home, TICKERS, [row(TICKERS, 1, NOON + 700 * DAY)])
    warehouse.publish(home)
    with connected(home) as queries:
        length = value_accounts(queries, "USD")
        assert length is not None
        (points,) = value_lines(queries, length).values()
    assert 700 * DAY // length.us < len(points) <= POINTS
