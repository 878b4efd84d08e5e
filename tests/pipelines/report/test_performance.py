"""What came in and went out is no performance; what prices and trades did is."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.report.performance import ALL, Performance, Point, measure, together, with_total

MONEY = st.decimals(min_value=1, max_value=10**9, places=4)


def points(*values: tuple[object, object]) -> list[Point]:
    """``(value, flow)`` at the times 1, 2, 3 …"""
    return [Point(i, Decimal(str(v)), Decimal(str(f))) for i, (v, f) in enumerate(values, 1)]


def measured(*values: tuple[object, object]) -> Performance:
    return measure(points(*values))


def test_deposits_and_withdrawals_are_no_performance() -> None:
    found = measured((100, 100), (150, 50), (30, -120))
    assert found.rate == found.gain == found.worst == 0
    assert found.flow == -70


def test_prices_are() -> None:
    found = measured((100, 0), (110, 0), (55, 0), (66, 0))
    assert found.rate == Decimal("-0.34")
    assert found.gain == -34
    assert (found.worst, found.peak, found.trough) == (Decimal("-0.5"), 2, 3)


def test_a_large_deposit_takes_part_from_its_interval_on() -> None:
    found = measured((10, 0), (1020, 1000))
    assert found.gain == 10
    assert float(found.rate) == pytest.approx(1020 / 1010 - 1)


def test_all_is_withdrawn_and_something_new_comes_in() -> None:
    found = measured((100, 0), (0, -110), (0, 0), (50, 50), (55, 0))
    assert found.gain == 15
    assert found.rate == Decimal("1.1") * Decimal("1.1") - 1


@given(st.lists(st.tuples(MONEY, MONEY, st.booleans()), min_size=1, max_size=20))
def test_gain_is_exact_and_a_drawdown_is_never_above_0(
    rows: list[tuple[Decimal, Decimal, bool]],
) -> None:
    found = measured(*((value, flow if comes else -flow) for value, flow, comes in rows))
    assert found.begin + found.flow + found.gain == found.end
    assert all(-1 <= step.drawdown <= 0 for step in found.steps)
    assert found.worst == min(step.drawdown for step in found.steps)
    assert found.peak <= found.trough


def test_all_accounts_together() -> None:
    first = [Point(1, Decimal(10)), Point(2, Decimal(4), Decimal(3), whole=False)]
    first.append(Point(3, Decimal(12), Decimal(8)))
    second = [Point(2, Decimal(1), Decimal(9)), Point(3, Decimal(2), Decimal(1))]
    second.append(Point(4, Decimal(3)))
    found = [(p.time, int(p.value), int(p.flow), p.whole) for p in together([first, second])]
    # the second begins with 1: that is an inflow, whatever flowed into it before
    assert found == [(1, 10, 10, True), (2, 5, 4, False), (3, 14, 9, True), (4, 15, 0, True)]
    assert list(with_total({"a": first, "b": second})) == [ALL, "a", "b"]
    assert list(with_total({"a": first})) == ["a"]


@pytest.mark.parametrize(("unpriced", "begin"), [(0, 0), (3, 3), (10, 10), (11, 0), (100, 0)])
def test_a_line_begins_where_all_has_a_price_if_that_is_soon(unpriced: int, begin: int) -> None:
    line = [Point(i, Decimal(1), whole=i >= unpriced) for i in range(100)]
    assert with_total({"a": line})["a"][0].time == begin


@pytest.mark.parametrize(("late", "begin"), [(10, 10), (11, 0)])
def test_all_accounts_begin_with_the_last_of_them_if_that_is_soon(late: int, begin: int) -> None:
    line = [Point(i, Decimal(1)) for i in range(100)]
    found = with_total({"a": line, "b": line[late:]})
    assert found[ALL][0].time == begin
    assert measure(found[ALL]).flow == (0 if begin else 1)
    assert measure(found[ALL]).gain == 0
