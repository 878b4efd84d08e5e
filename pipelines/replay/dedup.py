"""Which rows were met before, where many responses hold the same ones."""

from typing import Any, Final

import numpy as np
import pyarrow as pa

from schemas import Dataset
from warehouse.ids import is_integer
from warehouse.merge import row_keys

_RECENT: Final = 200_000


class Dedup:
    """The keys met so far: of several responses that hold a row, the first one counts."""

    def __init__(self, declared: Dataset) -> None:
        self._declared = declared
        self._recent: set[Any] = set()
        self._older = np.empty(0, dtype=np.int64)
        """Sorted: a set of as many numbers would take ten times the memory."""

    def first(self, table: pa.Table) -> pa.Array:
        """Row by row, whether its key was not met before. They are remembered."""
        (keys,) = row_keys(self._declared, table)
        values = keys.to_pylist()
        fresh = np.array([value not in self._recent for value in values], dtype=bool)
        if pa.types.is_integer(keys.type):
            return pa.array(fresh & self._is_new_number(values), pa.bool_())
        # ids as text: an integer among them may have come before in a page of integers alone
        numbers = [int(v) if isinstance(v, str) and is_integer(v) else None for v in values]
        again = [n is not None and self._has_number(n) for n in numbers]
        self._recent.update(v for v, n in zip(values, numbers, strict=True) if n is None)
        self._recent.update(n for n in numbers if n is not None)
        return pa.array(fresh & ~np.array(again, dtype=bool), pa.bool_())

    def _is_new_number(self, values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        numbers = np.array(values, dtype=np.int64)
        fresh = np.ones(len(numbers), dtype=bool)
        if len(self._older):
            at = np.minimum(np.searchsorted(self._older, numbers), len(self._older) - 1)
            fresh = self._older[at] != numbers
        self._recent.update(values)
        if len(self._recent) > _RECENT:
            recent = [value for value in self._recent if isinstance(value, int)]
            self._older = np.union1d(self._older, np.array(recent, dtype=np.int64))
            self._recent.difference_update(recent)
        return fresh

    def _has_number(self, number: int) -> bool:
        at = int(np.searchsorted(self._older, number))
        older = at < len(self._older) and self._older[at] == number
        return bool(older) or number in self._recent
