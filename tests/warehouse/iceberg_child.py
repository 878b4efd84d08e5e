"""Publishes into Iceberg that break off at every step; a program for ``test_iceberg_crash.py``.

``python -m tests.warehouse.iceberg_child FOLDER``: for each step a process of its own works on the
home ``FOLDER/home``, put there as it was before, and is killed at the step by SIGKILL. The homes as
the killed left them are ``FOLDER/<step>``: Iceberg names files by their whole path, so each of them
can be used under the name ``home`` only.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import getattr_static
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Transaction

import warehouse
from tests.warehouse import iceberg_tables as reading
from tests.warehouse.tools import DAY, NOON, TRADES, ids, row, store
from warehouse.iceberg import cleaning, commits, publish_iceberg

Place = tuple[Any, str, str]
STEPS: dict[str, Place] = {
    "noted": (commits, "_replace", "before"),
    "no-file-written": (commits, "write_source", "before"),
    "file-written": (commits, "write_source", "after"),
    "manifests-written": (Transaction, "commit_transaction", "before"),
    "metadata-written": (SqlCatalog, "_write_metadata", "after"),
    "committed": (SqlCatalog, "commit_table", "after"),
    "before-expiry": (commits, "expire", "before"),
    "expired": (cleaning, "_delete", "before"),
    "file-removed": (PyArrowFileIO, "delete", "after"),
    "cleaned": (commits, "expire", "after"),
    "rows-published": (commits, "_publish_rows", "after"),
    "unrecorded": (commits, "record_marks", "before"),
    "recorded": (commits, "record_marks", "after"),
}
"""Where a publish breaks off: a function, and whether before it or after it."""


def before(home: Path) -> None:
    """What was published before; its first snapshot is already expired by the next publish."""
    rows = [row(TRADES, k, NOON + k * DAY) for k in range(3)]
    store(home, TRADES, rows, state=ids((0, 3)))
    reading.publish(home)
    again = [row(TRADES, 10), row(TRADES, 11, NOON + DAY), row(TRADES, 12, NOON + 9 * DAY)]
    store(home, TRADES, again, state=ids((0, 3), (10, 13)))
    warehouse.publish(home)


def work(home: Path) -> None:
    """The publish that breaks off; it expires what is superseded at once."""
    publish_iceberg(home, reading.target_of(home, keep_hours=0))


@contextmanager
def broken_at(place: Place, fault: Callable[[], None]) -> Iterator[None]:
    """``fault`` is called before, or after, the first call of a function."""
    owner, name, when = place
    held, real = getattr_static(owner, name), getattr(owner, name)

    def wrapped(*args: Any, **options: Any) -> Any:
        if when == "before":
            fault()
        result = real(*args, **options)
        fault()
        return result

    setattr(owner, name, staticmethod(wrapped) if isinstance(held, staticmethod) else wrapped)
    try:
        yield
    finally:
        setattr(owner, name, held)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path) -> None:
    home = folder / "home"
    for step, place in STEPS.items():
        shutil.copytree(folder / "before", home, symlinks=True)
        pid = os.fork()  # nothing here has threads yet
        if pid == 0:
            try:
                with broken_at(place, _kill):
                    work(home)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            os._exit(3)
        status = os.waitpid(pid, 0)[1]
        assert os.WIFSIGNALED(status), f"{step} was not reached"
        home.rename(folder / step)


if __name__ == "__main__":
    pa.set_cpu_count(1)
    main(Path(sys.argv[1]))
