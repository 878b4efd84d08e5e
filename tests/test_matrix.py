"""What is left out of ``make test`` leaves no case of a list untried."""

import pytest

from tests.matrix import combined, crossed, thinned


@pytest.mark.parametrize("shift", [0, 1, 5])
def test_each_row_and_each_column_is_tried(shift: int) -> None:
    for height in range(1, 9):
        for width in range(1, 12):
            pairs = crossed(range(height), range(width), shift)
            assert len(pairs) == height * width
            quick = [pair.values for pair in pairs if not pair.marks]
            assert {row for row, _ in quick} == {*range(height)}
            assert {column for _, column in quick} == {*range(width)}
            assert len(quick) <= height + width


def test_each_habit_is_tried_with_others_and_alone() -> None:
    cases = combined([{"a": 1}, {"b": 2}, {"a": 3, "c": 4}], 2)
    assert [case.values for case in cases if not case.marks] == [
        ({"a": 3, "c": 4},),
        ({"b": 2},),
    ]
    assert [case.values for case in cases if case.marks] == [({"a": 1},)]


def test_the_first_case_is_always_tried() -> None:
    cases = thinned(["a", ("b",), "c", "d"], 3)
    assert [case.values for case in cases if not case.marks] == [("a",), ("d",)]
    assert [case.values for case in cases if case.marks] == [("b",), ("c",)]
