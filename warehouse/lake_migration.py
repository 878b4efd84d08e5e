"""Rewrite the lake's files that an older version wrote, where datasets are declared otherwise now.

Columns that were declared later are null, decimals get more places. Each file is replaced whole,
under the stream's lock, and recorded; a crash leaves some files for the next time. A file that is
damaged stays as it is: ``tidemark verify`` says so, and restores it if it can.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas import DATASETS, Dataset, StreamId, dataset
from warehouse import files, paths
from warehouse.errors import StorageError
from warehouse.locks import exclusive, exclusive_if_free
from warehouse.metastore import FileRecord, Metastore
from warehouse.paths import quarantine_of
from warehouse.quarantine import contradictions, quarantine_rows
from warehouse.state import StreamState
from warehouse.store import StreamWriter, stream_lock

SCHEMAS: Final = zlib.crc32(
    "\n".join(f"{name} {d.file_schema}" for name, d in DATASETS.items()).encode()
)
"""Distinguishes these declarations from others."""


def migrate_lake(home: Path, metastore: Metastore, *, wait: bool = False) -> int:
    """Rewrite every file of another schema; how many there were. Once done, this costs nothing.

    Without ``wait`` streams that are written just now are left for the next time. Raises
    ``StorageError``.
    """
    if metastore.lake_schemas() == SCHEMAS:
        return 0
    found, left = 0, False
    with exclusive(home, "lake-migration"):
        for stream in sorted({f.stream for _, f in paths.walk(home) if f is not None}, key=str):
            older = [p for p in paths.of_stream(home, stream) if is_older(home, p)]
            if not older:
                continue
            if wait:
                with stream_lock(home, stream):
                    left |= not _migrate(home, metastore, stream, older)
            else:
                with exclusive_if_free(home, *paths.lock_name(stream)) as held:
                    left |= not (held and _migrate(home, metastore, stream, older))
            found += len(older)
        if not left:
            metastore.record_lake_schemas(SCHEMAS)
    return found


def is_older(home: Path, item: paths.LakePath) -> bool:
    """Whether a file can be read and has another schema than its dataset is declared with."""
    try:
        found = pq.read_schema(home / item.path).remove_metadata()
    except (OSError, pa.ArrowException):
        return False
    return not item.temporary and not found.equals(dataset(item.stream.dataset).file_schema)


def _migrate(
    home: Path, metastore: Metastore, stream: StreamId, older: Sequence[paths.LakePath]
) -> bool:
    """Rewrite files of ``stream``, of which the caller holds the lock; whether all could be."""
    declared = dataset(stream.dataset)
    known = {record.path: record for record in metastore.files(stream)}
    written: list[FileRecord] = []
    is_whole = True
    for item in older:
        record = known.get(item.path)
        try:
            if record is not None:
                files.check(home / item.path, record.digest)
            held = files.read_untrusted(declared, home / item.path)
        except StorageError:
            is_whole = False
            continue
        rows, odd = _fitting(declared, held)
        try:
            rows = files.conformed(declared, rows)
        except (ValueError, pa.ArrowException):  # of columns that no version had
            is_whole = False
            continue
        _quarantine(home, metastore, stream, odd)
        digest = files.write(declared, home, item.path, rows)
        if record is not None:  # what is not recorded is found and adopted later
            described = files.describe(declared, home, item.path, item.period, rows, digest)
            written.append(described)
    if written:
        mtime = files.sync_folder(home / paths.stream_folder(stream))
        metastore.record_files(stream, written, [(paths.folder_mark(stream), mtime)])
    return is_whole


def _fitting(declared: Dataset, held: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows whose decimals fit the declared types, and the others."""
    fits = pa.chunked_array([pa.repeat(True, held.num_rows)])
    for field in declared.file_schema:
        if pa.types.is_decimal(field.type) and field.name in held.column_names:
            column = held.column(field.name)
            limit = pa.scalar(10.0 ** (field.type.precision - field.type.scale))
            small = pc.less(pc.abs(column.cast(pa.float64())), limit)
            fits = pc.and_(fits, pc.fill_null(small, True))
    return held.filter(fits), held.filter(pc.invert(fits))


def _quarantine(home: Path, metastore: Metastore, stream: StreamId, odd: pa.Table) -> None:
    if odd.num_rows:
        reason = "an amount does not fit decimal(38, 18)"
        rows = quarantine_rows(stream, contradictions(odd, reason))
        writer = StreamWriter(home, metastore, quarantine_of(stream))
        writer.commit([rows], StreamState(unit="none"))
