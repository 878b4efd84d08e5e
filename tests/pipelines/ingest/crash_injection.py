"""A pull that dies at one of its steps, inside this process.

From that step on nothing reaches the disk or the metastore: every further step dies too, so that
no handler that unwinds leaves anything that SIGKILL would not have left.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from warehouse.metastore import Metastore

STEPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (os, ("fsync", "replace", "mkdir")),
    (Metastore, ("record", "adopt", "record_files", "_write_files")),
    (shutil, ("copyfile",)),
    (Path, ("symlink_to", "unlink")),
)


class Killed(BaseException):
    """The process is dead."""


class CrashInjection:
    """``with CrashInjection(n) as crash: …`` survives ``n`` steps; ``taken`` names them."""

    def __init__(self, lives: int) -> None:
        self.lives = lives
        self.taken: list[str] = []
        self.dead = False
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> "CrashInjection":
        for owner, names in STEPS:
            for name in names:
                self._patch.setattr(owner, name, self._around(name, getattr(owner, name)))
        self._patch.setattr(pq, "write_table", self._torn(pq.write_table))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._patch.undo()
        return kind is Killed

    def _step(self, name: str) -> None:
        if self.dead or len(self.taken) == self.lives:
            self.dead = True
            raise Killed(name)
        self.taken.append(name)

    def _around(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            self._step(f"before {name}")
            result = real(*args, **options)
            self._step(f"after {name}")
            return result

        return wrapped

    def _torn(self, real: Callable[..., None]) -> Callable[..., None]:
        """Half of a Parquet file, and then the rest."""

        def wrapped(table: pa.Table, sink: Any, **options: Any) -> None:
            buffer = pa.BufferOutputStream()
            real(table, buffer, **options)
            whole = buffer.getvalue().to_pybytes()
            sink.write(whole[: len(whole) // 2])
            self._step("half a file")
            sink.write(whole[len(whole) // 2 :])

        return wrapped
