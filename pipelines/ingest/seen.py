"""Which rows were met already, when many answers hold the same ones."""

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas import Dataset
from warehouse.merge import row_keys

_RECENT: Final = 200_000


class Seen:
    """The keys met so far: of several answers that hold a row, the first one met counts."""

    def __init__(self, declared: Dataset) -> None:
        mine = {*declared.key} - {*declared.partition} - {*declared.stream_columns}
        self._declared = declared
        self._as_number = mine == {declared.integer_id}
        self._recent: set[Any] = set()
        self._older = np.empty(0, dtype=np.int64)
        """Sorted: a set of as many numbers would take ten times the memory."""

    def first(self, table: pa.Table) -> pa.Array:
        """Row by row, whether its key was not met before. They are noted."""
        keys = row_keys(self._declared, table)
        if self._as_number:
            keys = pc.cast(keys, pa.int64())
        values = keys.to_pylist()
        fresh = np.array([value not in self._recent for value in values], dtype=bool)
        if len(self._older) and values:
            numbers = np.array(values, dtype=np.int64)
            at = np.minimum(np.searchsorted(self._older, numbers), len(self._older) - 1)
            fresh &= self._older[at] != numbers
        self._recent.update(values)
        if len(self._recent) > _RECENT and pa.types.is_integer(keys.type):
            recent = np.fromiter(self._recent, np.int64, len(self._recent))
            self._older = np.union1d(self._older, recent)
            self._recent.clear()
        return pa.array(fresh, pa.bool_())
