"""Cases of one law: all of them for ``make torture``, some of them for ``make test``."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

TORTURE = pytest.mark.torture


def crossed(rows: Sequence[Any], columns: Sequence[Any], shift: int = 0) -> "list[ParameterSet]":
    """A parameter set for each pair; those off the diagonals are marked ``torture``.

    Each row and each column is in at least one pair that is not. ``shift`` moves the diagonals,
    so that two tests of the same lists try different pairs.
    """
    step = min(len(rows), len(columns))
    return [
        pytest.param(row, column, marks=TORTURE if (i - j - shift) % step else ())
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    ]


def combined(habits: Sequence[dict[str, Any]], groups: int) -> "list[ParameterSet]":
    """Every ``groups``-th of ``habits`` at once; each alone, for ``torture``, tells which it is."""
    merged = [
        {key: value for one in habits[n::groups] for key, value in one.items()}
        for n in range(groups)
    ]
    return [
        *(pytest.param(one) for one in merged),
        *(pytest.param(one, marks=TORTURE) for one in habits if one not in merged),
    ]


def thinned(cases: Iterable[Any], every: int) -> "list[ParameterSet]":
    """``cases`` of one law: the first and each ``every``-th after it; the rest for ``torture``."""
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)), marks=TORTURE if n % every else ()
        )
        for n, case in enumerate(cases)
    ]


def named(habits: Mapping[str, object]) -> str:
    """The name of a case: the same in every process, in whatever order a set has its members."""
    return ", ".join(
        f"{key}={sorted(value) if isinstance(value, frozenset) else value}"
        for key, value in habits.items()
    )
