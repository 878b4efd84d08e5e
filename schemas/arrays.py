"""Arrow arrays of NumPy ones."""

from typing import Any

import numpy as np
import pyarrow as pa


def from_numpy(values: "np.ndarray[tuple[int], np.dtype[Any]]") -> pa.Array:
    """``values`` (int64 or bool, no nulls) as an Arrow array; integers share their memory.

    ``pa.array``, and ``take`` of NumPy indices, import ``numpy.ma`` first, to recognise masked
    arrays: 10 ms of each process that stores anything.
    """
    if values.dtype == np.bool_:
        bits = np.packbits(values, bitorder="little")
        return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])
    numbers = np.ascontiguousarray(values, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(numbers)])
