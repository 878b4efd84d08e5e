"""What is known of the streams of a home: coverage and status, from the metastore alone."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from schemas import StreamId
from warehouse.coverage_table import coverage_rows, spans
from warehouse.home import home_of
from warehouse.metastore import Metastore
from warehouse.metastore_backend import has_metastore, is_postgres
from warehouse.metastore_file import FILE_NAME, OLDER_NAME
from warehouse.state import StreamState


@dataclass(frozen=True)
class StreamStatus:
    """One stream as ``tidemark status`` shows it. Times in microseconds since 1970."""

    stream: StreamId
    state: StreamState
    rows: int
    files: int
    oldest_at: int | None
    newest_at: int | None
    gaps: int
    lost: int


def has_data(home: Path | str | None = None) -> bool:
    """Whether anything was ever collected in this home."""
    return has_metastore(home_of(home))


def coverage(home: Path | str | None = None) -> pa.Table:
    """The ``coverage`` table as the metastore has it now (published or not)."""
    with _metastore(home_of(home)) as metastore:
        return coverage_rows(metastore)


def status(home: Path | str | None = None) -> list[StreamStatus]:
    """Every stream (quarantine streams too) with rows, files, span and holes."""
    result = []
    with _metastore(home_of(home)) as metastore:
        known = metastore.states()
        for stream, rows, files, oldest, newest in metastore.totals():
            state, _ = known.get(stream, (StreamState(), 0))
            states = [name for name, _ in spans(state)]
            gaps, lost = states.count("gap"), states.count("lost")
            result.append(StreamStatus(stream, state, rows, files, oldest, newest, gaps, lost))
    return result


@contextmanager
def _metastore(home: Path) -> Iterator[Metastore]:
    """The metastore for reading; of a home that cannot be written, a copy: SQLite needs to lock."""
    with ExitStack() as stack:
        if not os.access(home, os.W_OK) and not is_postgres(home):
            copied = Path(stack.enter_context(TemporaryDirectory(prefix="tidemark-")))
            for name in (FILE_NAME, f"{FILE_NAME}-wal", OLDER_NAME, f"{OLDER_NAME}-wal"):
                with suppress(FileNotFoundError):
                    shutil.copyfile(home / name, copied / name)
            home = copied
        yield stack.enter_context(closing(Metastore(home)))
