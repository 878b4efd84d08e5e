"""The programs that race. Each moves every trade of one market out of the same server.

Not imported together: each runs in a process of its own that loads nothing of the others.
"""

import importlib
from typing import Final, cast

import pyarrow

from bench.contestants.base import Contestant

MODULES: Final[dict[str, str]] = {
    "tidemark": "bench.contestants.tidemark",
    "dlt": "bench.contestants.dlt_merge",
    "pandas": "bench.contestants.pandas_script",
    "fetch-and-parse": "bench.contestants.fetch_parse",
    "dlt-arrow": "bench.contestants.dlt_arrow",
    "connector": "bench.contestants.connector",
}
"""In the order of a round; those not in ``DEFAULT`` run only when asked for."""

DEFAULT: Final = ("tidemark", "dlt", "pandas", "fetch-and-parse")


LATE: Final = ("httpcore", "pyarrow.compute", "pyarrow.dataset", "pyarrow.parquet")
"""What libraries import at their first use."""


def load(name: str) -> type[Contestant]:
    """The class of the contestant ``name``, with all that it would import in its pull."""
    module = importlib.import_module(MODULES[name])
    for late in LATE:
        importlib.import_module(late)
    pyarrow.array([])  # where nothing spares it, pyarrow imports all of pandas (0.2 s) here
    return cast(type[Contestant], module.RACER)
