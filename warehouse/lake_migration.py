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
import pyarrow.parquet as pq

from schemas import DATASETS, StreamId, dataset
from warehouse import files, paths
from warehouse.errors import StorageError
from warehouse.locks import exclusive, exclusive_if_free
from warehouse.metastore import FileRecord, Metastore
from warehouse.regrouping import fitting, quarantine, regroup
from warehouse.store import stream_lock

SCHEMAS: Final = zlib.crc32(
    "\n".join(f"{name} {d.file_schema}" for name, d in DATASETS.items()).encode()
)
"""Distinguishes these declarations from others."""


def migrate_lake(home: Path, metastore: Metastore, *, wait: bool = False) -> int:
    """Rewrite every file of another schema; how many there were. Once done, this costs nothing.

    Without ``wait`` streams that are written just now are left for the next time. Raises
    ``StorageError``.
    """
    found, left = regroup(home, metastore), False
    if metastore.lake_schemas() == SCHEMAS:
        return found
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
        rows, odd = fitting(declared, held)
        try:
            rows = files.conformed(declared, rows)
        except (ValueError, pa.ArrowException):  # of columns that no version had
            is_whole = False
            continue
        quarantine(home, metastore, stream, odd)
        digest = files.write(declared, home, item.path, rows)
        if record is not None:  # what is not recorded is found and adopted later
            described = files.describe(declared, home, item.path, item.period, rows, digest)
            written.append(described)
    if written:
        mtime = files.sync_folder(home / paths.stream_folder(stream))
        metastore.record_files(stream, written, [(paths.folder_mark(stream), mtime)])
    return is_whole
