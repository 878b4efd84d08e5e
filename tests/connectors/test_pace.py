"""Calls stay evenly spaced however late a busy machine wakes those that wait."""

import heapq
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.pace import SECOND, Allowance, Pace, Spacing

SPACING = Spacing(500)
LATE = st.integers(0, 1500)


def depart(asked: list[int], late: list[int], spacing: Spacing = SPACING) -> list[int]:
    """When calls go that ask at these times, each woken late by so much."""
    pace, gone = Pace(), []
    events = [(at, index, False) for index, at in enumerate(asked)]
    heapq.heapify(events)
    while events:
        now, index, was_waiting = heapq.heappop(events)
        moment, pace = (pace.go if was_waiting else pace.take)(now, spacing)
        if moment == now:
            gone.append(now)
        else:
            heapq.heappush(events, (moment + late[index], index, True))
    return gone


def test_on_time_they_go_in_the_order_in_which_they_ask() -> None:
    assert depart([0, 1, 2, 700, 5000], [0] * 5) == [0, 500, 1000, 1500, 5000]


def test_a_late_one_moves_the_next() -> None:
    assert depart([0, 0, 0], [0, 400, 0]) == [0, 900, 1400]


@given(st.lists(st.tuples(st.integers(0, 2500), LATE), max_size=12))
def test_there_is_never_a_burst(calls: list[tuple[int, int]]) -> None:
    asked, late = [at for at, _ in calls], [d for _, d in calls]
    gone = depart(asked, late)
    assert len(gone) == len(calls)
    assert all(b - a >= SPACING.every for a, b in pairwise(gone))


@pytest.mark.parametrize(("per_second", "cost", "late_us"), [(100, 1, 39_500), (50, 1, 29_000)])
def test_a_little_lateness_moves_nobody(per_second: int, cost: int, late_us: int) -> None:
    spacing = Allowance(per_second).spacing(cost, 1.05)
    assert spacing.late == pytest.approx(late_us * 1000, abs=1)
    gone = depart([0] * 4, [0, spacing.late, 0, 0], spacing)
    assert gone == sorted([0, spacing.every + spacing.late, 2 * spacing.every, 3 * spacing.every])


def test_few_calls_a_second_may_not_be_late() -> None:
    assert [Allowance(10).spacing(1, 1.05).late, Allowance(100).spacing().late] == [0, 0]


@given(
    st.sampled_from([21, 25, 50, 100, 240]),
    st.lists(st.tuples(st.integers(0, SECOND // 2), st.integers(0, SECOND // 10)), max_size=300),
)
def test_no_second_has_more_calls_than_allowed(rate: int, calls: list[tuple[int, int]]) -> None:
    spacing = Allowance(rate).spacing(1, 1.05)
    gone = depart([at for at, _ in calls], [late for _, late in calls], spacing)
    assert all(after - first >= SECOND for first, after in zip(gone, gone[rate:], strict=False))


def test_a_call_that_left_late_counts_from_then() -> None:
    _, pace = Pace().take(0, SPACING)
    assert pace.sent(300, SPACING).take(310, SPACING)[0] == 800
    assert pace.sent(300, SPACING).go(500, SPACING)[0] == 800


def test_a_burst_goes_at_once_and_then_what_comes_back() -> None:
    allowance = Allowance(per_second=0.5, burst=3)  # a unit comes back every two seconds
    spacing = allowance.spacing()
    pace, moments = Pace(), []
    for _ in range(6):
        moment, pace = pace.take(0, spacing)
        moments.append(moment // SECOND)
    assert moments == [0, 0, 0, 0, 2, 4]
    dear, _ = pace.take(0, allowance.spacing(4))
    assert dear == 6 * SECOND  # when it may go depends on what was spent, not on its own cost


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=30))
def test_no_more_than_the_burst_is_outstanding(calls: list[tuple[int, int]]) -> None:
    """Against a counter that falls with time, as an exchange keeps it."""
    allowance = Allowance(per_second=2, burst=10)
    pace, spent, at = Pace(), 0.0, 0
    for later, cost in calls:
        asked = at + later * SECOND // 10
        moment, pace = pace.take(asked, allowance.spacing(cost))
        spent = max(0.0, spent - allowance.per_second * (moment - at) / SECOND)
        assert spent <= allowance.burst + 1e-6
        spent, at = spent + cost, moment


def test_nothing_goes_while_the_exchange_asks_for_a_rest() -> None:
    pace = Pace().hold(3500)
    assert pace.take(0, SPACING)[0] == 3500
    assert pace.take(0, Spacing(500, slack=5000))[0] == 3500
    assert pace.go(0, SPACING)[0] == 3500
    assert pace.hold(3).take(0, SPACING)[0] == 3500
