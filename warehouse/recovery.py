"""Recover from a crash between lake and metastore: adopt whole files, remove temporary ones.

Runs when a stream is opened, and only if its folder changed since the stream's last commit.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from schemas import Dataset, StreamId, dataset
from schemas.declare import UNSETTLED
from warehouse import files, paths
from warehouse.errors import from_os_error
from warehouse.ids import integer_ids
from warehouse.invalidate import invalidate, shrank
from warehouse.metastore import FileRecord, Metastore
from warehouse.paths import QUARANTINE
from warehouse.state import StreamState


def recover(home: Path, metastore: Metastore, stream: StreamId) -> None:
    """Make the metastore's files of ``stream`` those on disk. The caller holds the stream's lock.

    Raises ``StorageError`` for a folder or file that cannot be read.
    """
    folder = home / paths.stream_folder(stream)
    try:
        _recover(home, metastore, stream, folder)
    except OSError as error:
        raise from_os_error(error, "cannot read", folder) from error


_Read = Callable[[FileRecord, list[str]], pa.Table]
"""Reads some columns of a file."""


def fresh_state(declared: Dataset, records: Sequence[FileRecord], read: _Read) -> StreamState:
    """The state of a stream of which only the rows are known: without coverage."""
    has_integer_ids = declared.id_column and all(r.min_key is not None for r in records if r.rows)
    unit = "id" if has_integer_ids else "time"
    if declared.snapshot or declared.name == QUARANTINE:
        unit = "none"
    newest = max((r.max_time for r in records if r.max_time is not None), default=None)
    return StreamState(
        unit=unit, newest_at=newest, unsettled=unsettled_rows(declared, records, read)
    )


def unsettled_rows(declared: Dataset, records: Sequence[FileRecord], read: _Read) -> frozenset[int]:
    """Ids of rows whose state may still change; those that are no integers are left out."""
    if "status" not in declared.file_schema.names:
        return frozenset()
    found: set[int] = set()
    for record in records:
        table = read(record, [declared.naming_column, "status"])
        still = pc.is_in(table.column("status"), value_set=pa.array(UNSETTLED))
        found |= {*integer_ids(table.column(declared.naming_column).filter(still)).to_pylist()}
    return frozenset(found)


def same_span(declared: Dataset, table: pa.Table, record: FileRecord) -> bool:
    """Whether ``table`` has as many rows as ``record`` says, with the same ends."""
    keys = files.key_numbers(declared, table)
    key = pc.min_max(keys).as_py() if keys is not None else {"min": None, "max": None}
    time = pc.min_max(pc.cast(table.column(declared.time_column), pa.int64())).as_py()
    span = (table.num_rows, key["min"], key["max"], time["min"], time["max"])
    return span == record.span


def is_newer(table: pa.Table, before: FileRecord, path: Path) -> bool:
    """Whether a file holds rows newer than its record, as a commit that broke off leaves it."""
    mtime = path.stat().st_mtime_ns
    newest = pc.max(table.column("ingested_at")).value if table.num_rows else 0
    return bool(before.mtime_ns != mtime and before.mtime_ns // 1000 < newest)


def is_changed(path: Path, record: FileRecord) -> bool:
    """Whether the file is another than the one recorded."""
    stat = path.stat()
    return stat.st_size != record.bytes or stat.st_mtime_ns != record.mtime_ns


def _recover(home: Path, metastore: Metastore, stream: StreamId, folder: Path) -> None:
    mark = paths.folder_mark(stream)
    try:
        mtime = folder.stat().st_mtime_ns
    except FileNotFoundError:
        _remove_partial(home, stream)
        known = metastore.files(stream)
        if known:
            _take_back(home, metastore, stream, known, [])
            metastore.adopt(stream, [], [(mark, 0)])
        return
    _remove_partial(home, stream)
    if metastore.folder_mtime(mark) == mtime:
        return
    recorded = {f.path: f for f in metastore.files(stream)}
    found: list[FileRecord] = []
    for item in paths.of_stream(home, stream):
        if item.temporary:
            continue
        record = recorded.get(item.path)
        if record is None or is_changed(home / item.path, record):
            record = _described(home, stream, item, record)
        found.append(record)
    folders = [(mark, folder.stat().st_mtime_ns)]
    _take_back(home, metastore, stream, recorded.values(), found)
    if {f.path for f in found} != set(recorded) or any(recorded[f.path] != f for f in found):
        metastore.adopt(stream, found, folders)
    else:
        metastore.record_files(stream, [], folders)


def _described(
    home: Path, stream: StreamId, item: paths.LakePath, known: FileRecord | None
) -> FileRecord:
    """The record of a file that is not as recorded: a crash came before, or it was copied."""
    path = home / item.path
    digest = files.digest_of(path)
    if known is not None and digest == known.digest:
        return replace(known, mtime_ns=path.stat().st_mtime_ns)
    declared = dataset(stream.dataset)
    table = files.of_schema(declared, files.read_untrusted(declared, path), path)
    return files.describe(declared, home, item.path, item.period, table, digest)


def _remove_partial(home: Path, stream: StreamId) -> None:
    if (home / paths.partial_folder(stream)).is_dir():
        for item in paths.of_stream(home, stream, temporary=True):
            with files.placing(home, item.path):
                (home / item.path).unlink(missing_ok=True)


def _take_back(
    home: Path,
    metastore: Metastore,
    stream: StreamId,
    known: Iterable[FileRecord],
    found: Sequence[FileRecord],
) -> None:
    """Invalidate the coverage of files that are gone, or that hold fewer rows."""
    now = {f.path: f for f in found}
    gone = [f for f in known if shrank(f, now.get(f.path))]
    if gone:
        lacking = {f.path for f in gone}
        left = [f for f in found if f.path not in lacking]
        state = invalidate(home, stream, metastore.state(stream), gone, left)
        metastore.record(stream, state)
