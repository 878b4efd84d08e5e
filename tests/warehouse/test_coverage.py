"""Interval arithmetic against the plain set of integers that it stands for."""

import doctest
import importlib
import itertools
import time
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import warehouse
from schemas import StreamId
from tests.warehouse.tools import lost, store
from warehouse.coverage_table import missing_intervals, spans
from warehouse.intervals import Interval, Intervals, Unshown, add, gaps, subtract, union
from warehouse.state import StreamState

TOP = 40
_bounds = st.tuples(st.integers(0, TOP), st.integers(1, 12))
_plain = st.builds(lambda b: Interval(b[0], b[0] + b[1]), _bounds)
_plains = st.lists(_plain, max_size=8)


@st.composite
def _held(draw: st.DrawFn) -> tuple[Interval, frozenset[int]]:
    """An interval and the rows in it, its outermost ones remembered."""
    low, length = draw(_bounds)
    rows = draw(st.frozensets(st.integers(low, low + length - 1), max_size=5))
    first, last = (min(rows), max(rows)) if rows else (None, None)
    at = None if first is None else first * 10
    return Interval(low, low + length, first, last, at), rows


def _set(intervals: Intervals) -> set[int]:
    return {n for i in intervals for n in range(i.lower, i.upper)}


def _unshown(lost: list[Interval]) -> tuple[Unshown, ...]:
    return tuple(Unshown(i.lower, i.upper, 0, 0, lost=True) for i in union(lost))


def _well_formed(intervals: Intervals) -> None:
    for before, after in itertools.pairwise(intervals):
        assert before.upper < after.lower


def test_the_examples_in_the_docstrings_hold() -> None:
    # the package offers a function of the module's name
    result = doctest.testmod(importlib.import_module("warehouse.intervals"))
    assert result.attempted > 0 and result.failed == 0


@given(_plains, _plain)
def test_add_is_the_union_of_sets(intervals: list[Interval], new: Interval) -> None:
    before = union(intervals)
    after = add(before, new)
    _well_formed(after)
    assert _set(after) == _set(before) | _set((new,))
    assert add(after, new) == after


@given(_plains, st.randoms())
def test_union_does_not_depend_on_order(intervals: list[Interval], random: Random) -> None:
    shuffled = list(intervals)
    random.shuffle(shuffled)
    assert union(shuffled) == union(intervals)
    assert _set(union(intervals)) == _set(tuple(intervals))


@given(st.lists(_held(), min_size=1, max_size=8))
def test_the_rows_of_the_ends_that_remain_are_remembered(
    held: list[tuple[Interval, frozenset[int]]],
) -> None:
    """A row of an interval further inside may share its moment with the rows at the end."""
    for whole in union([i for i, _ in held]):
        parts = [i for i, _ in held if i.lower in whole]
        marked = [i for i in parts if i.first is not None]
        assert whole.first in [i.first for i in marked] or not marked
        assert whole.last in [i.last for i in marked] or not marked
        assert whole.first_at == (None if whole.first is None else whole.first * 10)
        if marked == parts:
            lowest = [i.first or 0 for i in parts if i.lower == whole.lower]
            highest = [i.last or 0 for i in parts if i.upper == whole.upper]
            assert (whole.first, whole.last) == (max(lowest), min(highest))


@given(st.lists(_held(), max_size=8), st.randoms(use_true_random=False))
def test_the_rows_that_union_remembers_do_not_depend_on_order(
    held: list[tuple[Interval, frozenset[int]]], random: Random
) -> None:
    """Nor on which of the intervals hold a row at all."""
    shuffled = [i for i, _ in held]
    random.shuffle(shuffled)
    assert union(shuffled) == union(i for i, _ in held)


def test_union_takes_time_in_proportion_to_the_number_of_intervals() -> None:
    began = time.perf_counter()
    assert len(union(Interval(3 * n, 3 * n + 1) for n in reversed(range(100_000)))) == 100_000
    assert time.perf_counter() - began < 5  # hours, were each compared with all others


def test_a_first_row_with_id_zero_counts() -> None:
    (joined,) = union([Interval(0, 5, 0, 4, 7), Interval(5, 9, 6, 8, 70)])
    assert (joined.first, joined.last, joined.first_at) == (0, 8, 7)


@given(_plains, _plains)
def test_subtract_is_the_difference_of_sets(kept: list[Interval], taken: list[Interval]) -> None:
    rest = subtract(union(kept), taken)
    assert _set(rest) == _set(tuple(kept)) - _set(tuple(taken))
    assert len(_set(rest)) == sum(i.upper - i.lower for i in rest)


@given(_plains, st.integers(0, TOP), st.none() | st.integers(0, TOP + 20))
def test_gaps_are_what_is_not_covered(
    intervals: list[Interval], lower: int, upper: int | None
) -> None:
    covered = union(intervals)
    found = gaps(covered, lower, upper)
    end = TOP + 40 if upper is None else upper
    missing = {n for g in found for n in range(g.lower, end if g.upper is None else g.upper)}
    assert missing == set(range(lower, end)) - _set(covered)
    assert sorted(found, key=lambda g: -g.lower) == list(found), "newest first"
    for gap in found:
        assert gap.below == next((i for i in reversed(covered) if i.upper <= gap.lower), None)
        if gap.upper is not None and gap.upper != upper:
            assert gap.above is not None and gap.above.lower == gap.upper


def test_an_interval_holds_something() -> None:
    assert 4 in Interval(4, 5) and 5 not in Interval(4, 5) and "4" not in Interval(4, 5)
    with pytest.raises(ValueError, match=r"\[4, 4\)"):
        Interval(4, 4)


@given(_plains, _plains, st.sampled_from(["id", "time", "none"]), st.none() | st.integers(0, TOP))
def test_the_spans_of_a_stream_tell_each_integer_once(
    complete: list[Interval], lost: list[Interval], unit: str, wanted: int | None
) -> None:
    state = StreamState(union(complete), _unshown(lost), unit, wanted_from=wanted)
    reported = [(n, name) for name, i in spans(state) for n in range(i.lower, i.upper)]
    assert len(reported) == len({n for n, _ in reported}), "nothing twice"
    by_state = {name: {n for n, s in reported if s == name} for name in ("complete", "lost", "gap")}
    assert by_state["complete"] == _set(state.complete)
    assert by_state["lost"] == _set(tuple(lost)) - _set(state.complete)
    if reported and unit != "none":
        numbers = [n for n, _ in reported]
        assert len(numbers) == max(numbers) - min(numbers) + 1, "everything between is reported"


def test_lost_rows_of_a_stream_that_counts_nothing_are_lost_by_id(home: Path) -> None:
    orders = StreamId("wex", "account_orders", account="main")
    state = StreamState(unshown=lost((7, 8), (10, 11)), unit="none")
    store(home, orders, [], state=state)
    warehouse.publish(home)
    query = "SELECT lower, upper, unit, state FROM coverage ORDER BY lower"
    found = [tuple(row.values()) for row in warehouse.sql(query, home=home).to_pylist()]
    assert found == [(7, 7, "id", "lost"), (10, 10, "id", "lost")]
    assert warehouse.verify(home).ok


def test_what_is_missing_reaches_back_to_what_is_wanted() -> None:
    time = StreamState((Interval(50, 60),), unit="time", wanted_from=10)
    assert missing_intervals(time) == (Interval(10, 50),)
    assert missing_intervals(replace(time, wanted_from=55)) == ()
    ids = StreamState((Interval(50, 60, 50, 59, 1_000),), unit="id", wanted_from=2_000)
    assert missing_intervals(ids) == (), "its first row is older than what is wanted"
    assert missing_intervals(replace(ids, wanted_from=500)) == (Interval(0, 50),)
