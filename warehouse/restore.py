"""Put damaged and missing lake files right from the published copy, if it holds what was written.

A file is damaged where its content is not what its record says was written. What the published copy
holds is believed: it was loaded from the file before the damage, and DuckDB proves its blocks. The
damaged file is kept in ``damaged/``, so that nothing is overwritten for good.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from schemas import StreamId, dataset
from warehouse import catalog, files, paths
from warehouse.clock import stamp
from warehouse.duckdb_files import open_read_only
from warehouse.errors import StorageError, from_os_error
from warehouse.linked import linked
from warehouse.merge import in_order, row_keys
from warehouse.metastore import FileRecord, Metastore
from warehouse.recovery import same_span
from warehouse.table_update import where_of
from warehouse.versions import Versions

DAMAGED: Final = "damaged"
"""The folder of the home that keeps damaged files as they were found."""


class PublishedRows:
    """The rows of lake files, as the published versions of DuckDB hold them; for reading."""

    def __init__(self, home: Path, metastore: Metastore) -> None:
        self._home = home
        self._metastore = metastore
        self._open: list[tuple[duckdb.DuckDBPyConnection, int]] | None = None

    def __enter__(self) -> "PublishedRows":
        return self

    def __exit__(self, *_: object) -> None:
        for db, _change in self._open or []:
            with suppress(duckdb.Error):
                db.close()

    def of(self, stream: StreamId, record: FileRecord) -> pa.Table | None:
        """All rows that ``record`` says were written; ``None`` where no version holds just them."""
        for db, change in self._versions():
            if change < record.change:
                continue
            table = self._rows(db, stream, record)
            if table is not None and same_span(dataset(stream.dataset), table, record):
                return table
        return None

    def some_of(self, stream: StreamId, record: FileRecord) -> pa.Table | None:
        """What the newest version that can be read holds of the file's rows, be it fewer."""
        for db, _ in self._versions():
            table = self._rows(db, stream, record)
            if table is not None:
                return table
        return None

    def _versions(self) -> list[tuple[duckdb.DuckDBPyConnection, int]]:
        """Every version that can be read and is of this metastore, with the change it is up to."""
        if self._open is None:
            self._open = list(self._opened())
        return self._open

    def _opened(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, int]]:
        identity = self._metastore.identity()
        for path in reversed(Versions(self._home).all()):
            try:
                db = open_read_only(path)
                rows = db.execute("SELECT change, metastore FROM _tidemark.loaded").fetchall()
            except duckdb.Error:  # damaged, or of a version that had other tables
                continue
            if rows and rows[0][1] == identity:
                yield db, int(rows[0][0])

    def _rows(
        self, db: duckdb.DuckDBPyConnection, stream: StreamId, record: FileRecord
    ) -> pa.Table | None:
        """The rows of the file's group that no other file of the group holds, in order."""
        declared = dataset(stream.dataset)
        if declared.name in catalog.views_held(db):
            # what the view shows is the damaged file itself, unless the link has other bytes
            link = linked(self._home, record)
            return None if link is None else files.read(declared, link)
        where, values = where_of(declared, stream, record.period)
        try:
            held = db.sql(f'FROM "{declared.name}"').columns  # fewer in an older version
            columns = ", ".join(f'"{n}"' for n in declared.file_schema.names if n in held)
            query = f'SELECT {columns} FROM "{declared.name}" WHERE {where}'
            table: pa.Table = db.sql(query, params=values).to_arrow_table()
            table = files.conformed(declared, table)
        except (duckdb.Error, pa.ArrowException, ValueError):
            return None
        for other in self._others(stream, record):
            low, high = record.min_key, record.max_key
            if None not in (low, high, other.min_key, other.max_key) and (
                (other.max_key or 0) < (low or 0) or (high or 0) < (other.min_key or 0)
            ):
                numbers = files.key_numbers(declared, table)
                if numbers is not None:
                    table = table.filter(
                        pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
                    )
                    continue
            try:
                held = files.read(declared, self._home / other.path)
            except (OSError, StorageError):
                return None  # nothing tells whose rows are whose
            keys, theirs = row_keys(declared, table, held)
            table = table.filter(pc.invert(pc.is_in(keys, value_set=theirs)))
        return in_order(declared, table) if table.num_rows else table

    def _others(self, stream: StreamId, record: FileRecord) -> list[FileRecord]:
        """The other files whose rows lie with those of ``record`` in one part of a table."""
        streams = [stream]
        if dataset(stream.dataset).shares_parts:
            streams = [s for s in self._metastore.all_streams() if _part(s) == _part(stream)]
        found = [f for s in streams for f in self._metastore.files(s, record.period)]
        return [f for f in found if f.path != record.path]


def put_back(
    home: Path, metastore: Metastore, stream: StreamId, record: FileRecord, rows: pa.Table
) -> FileRecord:
    """Write ``rows`` as the file ``record``; what lies there is kept in ``damaged/``.

    The caller holds the stream's lock. Raises ``StorageError``.
    """
    declared = dataset(stream.dataset)
    if (home / record.path).exists():
        keep(home, record.path)
    digest = files.write(declared, home, record.path, rows)
    described = files.describe(declared, home, record.path, record.period, rows, digest)
    folder = home / paths.stream_folder(stream)
    marks = [(paths.folder_mark(stream), files.sync_folder(folder))]
    metastore.record_files(stream, [described], marks)
    return described


def keep(home: Path, path: str, *, move: bool = False) -> str:
    """Keep a file of the home in ``damaged/``; where, relative to the home.

    ``move``: it leaves its place. Raises ``StorageError``.
    """
    kept = f"{DAMAGED}/{path}.{stamp()}"
    source, target = home / path, home / kept
    try:
        files.make_folder(target.parent)
        if move:
            with files.placing(home, path):
                os.replace(source, target)
            files.sync_folder(source.parent)
        else:
            shutil.copy2(source, target)
    except FileNotFoundError:
        return kept
    except OSError as error:
        raise from_os_error(error, "cannot keep", source) from error
    return kept


def _part(stream: StreamId) -> StreamId:
    """What streams have in common that share a part of a table."""
    if stream.source:
        return StreamId(stream.exchange, stream.dataset, source=stream.source)
    return replace(stream, symbol=None)
