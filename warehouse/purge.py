"""Delete everything of one stream, for good: rows, quarantine, raw responses and their records."""

import shutil
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from schemas import StreamId
from warehouse import raw
from warehouse.errors import from_os_error
from warehouse.files import placing, sync_folder
from warehouse.metastore import Metastore
from warehouse.paths import of_stream, stream_folder
from warehouse.store import stream_lock


@dataclass(frozen=True)
class Held:
    """What is stored of one stream. ``raw_bytes``: of the archived responses."""

    files: int
    bytes: int
    raw_files: int
    raw_bytes: int


def held(home: Path, stream: StreamId) -> Held:
    """What :func:`purge` would delete of ``stream``."""
    own = [home / found.path for found in of_stream(home, stream)]
    archived = _raw_files(home, stream)
    return Held(len(own), _size(own), len(archived), _size(archived))


def purge(home: Path, stream: StreamId) -> None:
    """Delete ``stream``; its quarantine is a stream of its own. Waits for a pull of it.

    The record goes first: a crash leaves rows that nothing claims as complete, and the next call
    deletes them. The published DuckDB file has the rows until the next publish. Raises
    ``StorageError``.
    """
    with stream_lock(home, stream), closing(Metastore(home)) as metastore:
        metastore.drop_coverage(stream)
        try:
            for found in of_stream(home, stream):
                with placing(home, found.path):
                    (home / found.path).unlink(missing_ok=True)
            folder = home / stream_folder(stream)
            if folder.is_dir():
                sync_folder(folder)
        except OSError as error:
            raise from_os_error(error, "cannot remove", home / stream_folder(stream)) from error
        metastore.forget(stream)
    if stream.source is None and raw.folder(home, stream).is_dir():
        with raw.lock(home, stream):
            try:
                shutil.rmtree(raw.folder(home, stream))
            except OSError as error:
                raise from_os_error(error, "cannot remove", raw.folder(home, stream)) from error


def _raw_files(home: Path, stream: StreamId) -> list[Path]:
    if stream.source is not None:  # the responses of a quarantine are its stream's
        return []
    return [path for path in raw.folder(home, stream).rglob("*") if path.is_file()]


def _size(files: list[Path]) -> int:
    total = 0
    for file in files:
        with suppress(FileNotFoundError):
            total += file.stat().st_size
    return total
