"""Where an export goes: a file that appears only whole, or standard output."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from pipelines.writing import whole_file

STDOUT: Final = "-"


@contextmanager
def writing(out: str) -> Iterator[IO[str]]:
    """Text into the file ``out``, or to standard output where it is ``-``."""
    if out == STDOUT:
        yield sys.stdout
        return
    with whole_file(Path(out), "w", encoding="utf-8", newline="") as file:
        yield file


@contextmanager
def writing_bytes(out: str) -> Iterator[IO[bytes]]:
    """Bytes into the file ``out``."""
    with whole_file(Path(out), "wb") as file:
        yield file
