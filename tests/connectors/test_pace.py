"""Calls stay evenly spaced however late a busy machine wakes those that wait."""

import heapq
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from connectors.pace import Pace

SPACING = 500
LATE = st.integers(0, 3 * SPACING)


def depart(asked: list[int], late: list[int]) -> list[int]:
    """When calls go that ask at these times, each woken late by so much."""
    pace, gone = Pace(), []
    events = [(at, index, False) for index, at in enumerate(asked)]
    heapq.heapify(events)
    while events:
        now, index, was_waiting = heapq.heappop(events)
        moment, pace = (pace.go if was_waiting else pace.take)(now, SPACING)
        if moment == now:
            gone.append(now)
        else:
            heapq.heappush(events, (moment + late[index], index, True))
    return gone


def test_on_time_they_go_in_the_order_in_which_they_ask() -> None:
    assert depart([0, 1, 2, 700, 5000], [0] * 5) == [0, 500, 1000, 1500, 5000]


def test_a_late_one_moves_the_next() -> None:
    assert depart([0, 0, 0], [0, 400, 0]) == [0, 900, 1400]


@given(st.lists(st.tuples(st.integers(0, 5 * SPACING), LATE), max_size=12))
def test_there_is_never_a_burst(calls: list[tuple[int, int]]) -> None:
    asked, late = [at for at, _ in calls], [d for _, d in calls]
    gone = depart(asked, late)
    assert len(gone) == len(calls)
    assert all(b - a >= SPACING for a, b in pairwise(gone))


def test_a_call_that_left_late_counts_from_then() -> None:
    _, pace = Pace().take(0, SPACING)
    assert pace.sent(300).take(310, SPACING)[0] == 800
    assert pace.sent(300).go(500, SPACING)[0] == 800
