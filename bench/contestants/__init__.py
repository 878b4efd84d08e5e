"""The programs that race. Each moves every trade of one market out of the same server.

Not imported together: each runs in a process of its own that loads nothing of the others.
"""

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, cast

import pyarrow

from bench.contestants.base import Contestant
from bench.races import RACES

MODULES: Final[dict[str, str]] = {
    "tidemark": "bench.contestants.tidemark",
    "dlt": "bench.contestants.dlt_merge",
    "pandas": "bench.contestants.pandas_script",
    "fetch-and-parse": "bench.contestants.fetch_parse",
    "dlt-arrow": "bench.contestants.dlt_arrow",
    "connector": "bench.contestants.connector",
}
"""In the order of a round; those not in ``DEFAULT`` run only when asked for."""

DIALECTS: Final[dict[str, str]] = {
    "tidemark": "bench.contestants.tidemark",
    "dlt": "bench.contestants.dlt_dialects",
}
"""Those of ``python -m bench.dialects``; each takes a race."""

DEFAULT: Final = ("tidemark", "dlt", "pandas", "fetch-and-parse")

LATE: Final = ("httpcore", "pyarrow.compute", "pyarrow.dataset", "pyarrow.parquet")
"""What libraries import at their first use."""


def load(name: str) -> Callable[[str, Path], Contestant]:
    """What makes the contestant ``name``, with all that it would import in its pull.

    ``name``: of ``MODULES``, or a race and one of ``DIALECTS``: ``kraken-trades/dlt``.
    """
    race, _, contestant = name.rpartition("/")
    module = importlib.import_module((DIALECTS if race else MODULES)[contestant])
    for late in LATE:
        importlib.import_module(late)
    pyarrow.array([])  # where nothing spares it, pyarrow imports all of pandas (0.2 s) here
    make = partial(module.RACER, race=RACES[race]) if race else module.RACER
    return cast(Callable[[str, Path], Contestant], make)
