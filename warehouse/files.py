"""Read, replace and describe lake files.

A file is written under a temporary name that no ``*.parquet`` pattern matches, flushed to disk,
then renamed. Readers never see a torn file. Its pages carry checksums, and its record in the
metastore the hash of its content.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas import Dataset, Table
from warehouse.costs import costs
from warehouse.errors import StorageError, from_os_error
from warehouse.home import metastore_url
from warehouse.ids import integers
from warehouse.locks import guarded
from warehouse.metastore import FileRecord
from warehouse.paths import lock_name, parse, temporary_path

FIX: Final = "Fix: run `tidemark verify`: it restores the file if a published copy holds its rows"
_GROUP_ROWS: Final = 128 * 1024
_GROUP_BYTES: Final = 16 * 1024 * 1024


def file_rows(dataset: Dataset, received: Sequence[pa.Table], came: int) -> pa.Table:
    """Rows of ``dataset.connector_schema`` as rows of its files; other columns are dropped.

    ``came``: when they were received, in microseconds. ``computed`` columns are filled in.
    """
    schema = dataset.file_schema
    if not received:
        return schema.empty_table()
    sent = [n for n in schema.names if n in dataset.connector_schema.names]
    rows = pa.concat_tables([t.select(sent) for t in received])
    at = pa.scalar(came, pa.int64()).cast(schema.field("ingested_at").type)
    rows = rows.append_column("ingested_at", pa.repeat(at, rows.num_rows))
    if "cost" in dataset.computed:
        rows = rows.append_column("cost", costs(rows.column("price"), rows.column("amount")))
    # whether a value may be missing is for the rules to say
    return rows.select(schema.names).cast(pa.schema([f.with_nullable(True) for f in schema]))


def read(dataset: Dataset, path: Path, columns: list[str] | None = None) -> pa.Table:
    """One lake file, of ``dataset.file_schema``; some ``columns`` of it, if they are named.

    One that an older version wrote is read as if it were written now. A damaged one is a
    ``StorageError``.
    """
    try:
        # opened by handle: by path pyarrow would add the hive directories as columns
        with (
            pa.OSFile(str(path)) as source,
            pq.ParquetFile(source, page_checksum_verification=True) as file,
        ):
            held = file.schema_arrow.names
            table = file.read(None if columns is None else [n for n in columns if n in held])
        return conformed(dataset, table, columns)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:  # ValueError: other columns
        raise StorageError(f"cannot read {path}: {error}. {FIX}") from error


def conformed(dataset: Dataset, table: pa.Table, columns: list[str] | None = None) -> pa.Table:
    """``table`` as the dataset declares it (or ``columns`` of it).

    Nullable columns that were declared after it was written are null, decimals get more places.
    Raises ``ValueError`` or ``ArrowException`` where that is not all that differs.
    """
    schema = dataset.file_schema
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    held = table.column_names
    if held == schema.names:
        return table.cast(schema)
    unknown = [name for name in held if name not in schema.names]
    missing = [f.name for f in schema if f.name not in held and not f.nullable]
    if unknown or missing:
        raise ValueError(f"it has the columns {', '.join(held)}, not {', '.join(schema.names)}")
    arrays = [
        table.column(f.name) if f.name in held else pa.nulls(table.num_rows, f.type) for f in schema
    ]
    return pa.table(arrays, names=schema.names).cast(schema)


def read_untrusted(dataset: Dataset, path: Path) -> pa.Table:
    """A whole lake file of which no hash is known: it must agree with itself.

    Its pages have their checksums, and its statistics, which readers believe, are those of its
    rows. Of the schema that it has. Raises ``StorageError`` for one that does not, ``OSError``.
    """
    try:
        with (
            pa.OSFile(str(path)) as source,
            pq.ParquetFile(source, page_checksum_verification=True) as file,
        ):
            groups = [file.read_row_group(n) for n in range(file.num_row_groups)]
            table = pa.concat_tables(groups) if groups else file.schema_arrow.empty_table()
            stated = [file.metadata.row_group(n) for n in range(file.num_row_groups)]
            types = [file.schema.column(n).physical_type for n in range(len(file.schema))]
            sound = file.metadata.num_rows == table.num_rows and all(
                states.num_rows == group.num_rows and _has_its_statistics(states, group, types)
                for states, group in zip(stated, groups, strict=True)
            )
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever a parser raises for bytes that are no Parquet file
        raise StorageError(f"cannot read {path}: {error}. {FIX}") from error
    if not sound:
        raise StorageError(f"{path} is damaged: its statistics differ from its rows. {FIX}")
    return table


def of_schema(dataset: Dataset, table: pa.Table, path: Path) -> pa.Table:
    """The rows of the file at ``path`` as the dataset declares them. Raises ``StorageError``."""
    try:
        return conformed(dataset, table)
    except (ValueError, pa.ArrowException) as error:
        raise StorageError(f"cannot read {path}: {error}. {FIX}") from error


def _has_its_statistics(
    stated: "pq.RowGroupMetaData", group: pa.Table, types: Sequence[str]
) -> bool:
    """``types``: the physical type of each column in the schema of the file."""
    for number, column in enumerate(group.columns):
        states = stated.column(number)
        # pyarrow ends the process where it is asked for the statistics of another type
        if states.physical_type != types[number]:
            return False
        bounds = states.statistics
        if bounds is None:
            continue
        if bounds.has_null_count and bounds.null_count != column.null_count:
            return False
        ends = pc.min_max(column).as_py()
        if bounds.has_min_max and (bounds.min, bounds.max) != (ends["min"], ends["max"]):
            return False
    return True


def digest_of(path: Path) -> str:
    """SHA-256 of the content of a file, in hexadecimal. Raises ``OSError``."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def check(path: Path, digest: str) -> None:
    """Raise ``StorageError`` where the file does not have the recorded ``digest`` (if any).

    Damage must not be copied: whoever puts a file's rows elsewhere asks first. A file that is gone
    passes: whoever reads it next finds out.
    """
    try:
        if digest and digest_of(path) != digest:
            raise StorageError(f"{path} is damaged: it does not hold what was written. {FIX}")
    except FileNotFoundError:
        return
    except OSError as error:
        raise from_os_error(error, "cannot read", path) from error


def with_path_columns(dataset: Dataset, rows: pa.Table, values: Mapping[str, str]) -> pa.Table:
    """The rows of a file with the columns that its path names, in the order of the table."""
    for name in dataset.partition:
        rows = rows.append_column(name, pa.repeat(values[name], rows.num_rows))
    return rows.select(dataset.schema.names)


def encoded(dataset: Table, table: pa.Table, *, delta: bool = True) -> pa.Buffer:
    """``table`` as the content of a Parquet file.

    ``delta``: ids and times in delta encodings, which are smaller; not every reader has them.
    """
    times = [f.name for f in table.schema if pa.types.is_timestamp(f.type)]
    ids = [dataset.id_column] if isinstance(dataset, Dataset) and dataset.id_column else []
    encoding = dict.fromkeys(times, "DELTA_BINARY_PACKED") | dict.fromkeys(ids, "DELTA_BYTE_ARRAY")
    if not delta:
        encoding = dict.fromkeys(encoding, "PLAIN")
    # a product of two columns hardly repeats: a dictionary would only make it larger
    plain = {*encoding, "cost"}
    content = pa.BufferOutputStream()
    pq.write_table(
        table,
        content,
        compression="zstd",
        compression_level=1,
        column_encoding=encoding,
        use_dictionary=[n for n in table.column_names if n not in plain],
        write_statistics=True,
        write_page_checksum=True,
        row_group_size=_group_rows(table),
    )
    return content.getvalue()


def write(dataset: Dataset, home: Path, relative: str, table: pa.Table) -> str:
    """Put ``table`` under ``home / relative``, whole, on disk, in place of what was there.

    Returns the digest of the file. The rename itself is on disk after :func:`sync_folder`.
    """
    path, temporary = home / relative, home / temporary_path(relative)
    data = encoded(dataset, table)
    try:
        make_folder(path.parent)
        temporary.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as sink:
            sink.write(data)
            sink.flush()
            os.fsync(sink.fileno())
        with placing(home, relative):
            os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise from_os_error(error, "cannot write", path) from error
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return hashlib.sha256(data).hexdigest()


def placing(home: Path, relative: str) -> AbstractContextManager[None]:
    """Within it, the lake file ``relative`` may be replaced or removed.

    Raises ``StorageError`` where the lock of its stream, held here, is another's by now. Only a
    lease of PostgreSQL is ever lost; see ``warehouse.leases`` for what is guaranteed.
    """
    found = parse(relative) if metastore_url() else None
    return nullcontext() if found is None else guarded(home, *lock_name(found.stream))


def _group_rows(table: pa.Table) -> int:
    """Rows of a row group: readers hold one in memory as a whole."""
    per_row: int = table.nbytes // max(1, table.num_rows)
    return max(1, min(_GROUP_ROWS, _GROUP_BYTES // max(1, per_row)))


def make_folder(folder: Path) -> None:
    """Create ``folder`` and put its name, and its parents', on disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def put(path: Path, data: bytes) -> None:
    """Put a few bytes that may be lost into ``path``, whole: nothing waits for the disk.

    Raises ``OSError``.
    """
    partial = beside(path)
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def beside(path: Path) -> Path:
    """The name under which this process writes what is to become ``path``."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def sync_folder(folder: Path) -> int:
    """Put the folder's renames on disk; its mtime in nanoseconds afterwards."""
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
            return os.fstat(handle).st_mtime_ns
        finally:
            os.close(handle)
    except OSError as error:
        raise from_os_error(error, "cannot write", folder) from error


def describe(
    dataset: Dataset, home: Path, path: str, period: str, table: pa.Table, digest: str
) -> FileRecord:
    """The metastore's record of a file that holds ``table`` and has this ``digest``."""
    keys = key_numbers(dataset, table)
    key = pc.min_max(keys).as_py() if keys is not None else {"min": None, "max": None}
    time = pc.min_max(pc.cast(table.column(dataset.time_column), pa.int64())).as_py()
    stat = (home / path).stat()
    return FileRecord(
        path,
        period,
        table.num_rows,
        stat.st_size,
        stat.st_mtime_ns,
        key["min"],
        key["max"],
        time["min"],
        time["max"],
        digest=digest,
    )


def key_numbers(dataset: Dataset, table: pa.Table) -> pa.ChunkedArray | None:
    """The row keys as int64: ids, or microseconds. ``None`` where an id is no integer."""
    if dataset.id_column:
        return integers(table.column(dataset.id_column))
    if dataset.snapshot or dataset.naming_column == dataset.time_column:
        return pc.cast(table.column(dataset.time_column), pa.int64())
    return None
