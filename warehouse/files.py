"""Where lake files lie, and how one is read and replaced.

A file appears under its name only whole and on disk: written under a temporary name that no
``*.parquet`` pattern matches, flushed, then renamed. Readers never see a torn file.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas import Dataset, Period
from warehouse.costs import costs
from warehouse.errors import StorageError, from_os_error
from warehouse.ledger import FileRecord, StreamId

LAKE: Final = "lake"
PARTIAL: Final = "partial"
"""Files being written lie beside the lake: a reader that lists its folders meets none of them."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GROUP_ROWS: Final = 128 * 1024
_GROUP_BYTES: Final = 16 * 1024 * 1024
_FORMATS: Final = {Period.DAY: "%Y-%m-%d", Period.MONTH: "%Y-%m", Period.YEAR: "%Y"}


def stream_folder(dataset: Dataset, stream: StreamId) -> str:
    """The folder of a stream's files, relative to the home: hive directories."""
    values = {"exchange": stream.exchange, "symbol": stream.part, "account": stream.part}
    parts = [f"{name}={quote(values[name], safe='')}" for name in dataset.partition]
    return "/".join([LAKE, dataset.name, *parts])


def stem(dataset: Dataset, stream: StreamId, period: str, segment: int) -> str:
    """File name without ``.parquet``: ``2024-08-08``, ``5m-2024-08``, ``2024-08-08.001``."""
    prefix = f"{stream.timeframe}-" if dataset.stream_columns and stream.timeframe else ""
    if dataset.period is Period.ALL:
        prefix, period = "", quote(stream.stream, safe="")
    return f"{prefix}{period}" + (f".{segment:03d}" if segment else "")


def period_of(dataset: Dataset, time_us: int) -> str:
    """The period that a row of this time (microseconds) belongs to."""
    if dataset.period is Period.ALL:
        return "all"
    return (_EPOCH + timedelta(microseconds=time_us)).strftime(_FORMATS[dataset.period])


def period_bounds(dataset: Dataset, period: str) -> tuple[int, int]:
    """``[start, end)`` of a period in microseconds."""
    if dataset.period is Period.ALL:
        return -(2**62), 2**62
    start = datetime.strptime(period, _FORMATS[dataset.period]).replace(tzinfo=UTC)
    if dataset.period is Period.DAY:
        end = start + timedelta(days=1)
    elif dataset.period is Period.MONTH:
        end = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    else:
        end = start.replace(year=start.year + 1)
    return _us(start), _us(end)


def period_of_name(dataset: Dataset, stream: StreamId, name: str) -> str | None:
    """The period of a file (or temporary file) called ``name``; ``None`` if not of this stream."""
    text = name.removeprefix(".").removesuffix(".tmp").removesuffix(".parquet")
    if dataset.period is Period.ALL:
        mine = quote(stream.stream, safe="")
        rest = text.removeprefix(mine)  # then a segment's or a process's number, if anything
        return "all" if text.startswith(mine) and re.fullmatch(r"(\.\d+)*", rest) else None
    if dataset.stream_columns:
        prefix = f"{stream.timeframe}-"
        if not text.startswith(prefix):
            return None
        text = text.removeprefix(prefix)
    period = text.partition(".")[0]
    try:
        datetime.strptime(period, _FORMATS[dataset.period]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return period


def file_rows(dataset: Dataset, received: Sequence[pa.Table], came: int) -> pa.Table:
    """Rows of ``dataset.connector_schema`` as they lie in its files; other columns are dropped.

    ``came``: when they were received, in microseconds. What is ``computed`` is worked out.
    """
    schema = dataset.file_schema
    if not received:
        return schema.empty_table()
    told = [n for n in schema.names if n in dataset.connector_schema.names]
    rows = pa.concat_tables([t.select(told) for t in received])
    at = pa.scalar(came, pa.int64()).cast(schema.field("ingested_at").type)
    rows = rows.append_column("ingested_at", pa.repeat(at, rows.num_rows))
    if "cost" in dataset.computed:
        rows = rows.append_column("cost", costs(rows.column("price"), rows.column("amount")))
    return rows.select(schema.names).cast(schema)


def read(dataset: Dataset, path: Path, columns: list[str] | None = None) -> pa.Table:
    """One lake file, of ``dataset.file_schema``. A damaged one is a ``StorageError``."""
    try:
        # opened by handle: by path pyarrow would add the hive directories as columns
        with pa.OSFile(str(path)) as source:
            table = pq.read_table(source, columns=columns)
        return table.cast(dataset.file_schema) if columns is None else table
    except FileNotFoundError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:  # ValueError: other columns
        raise StorageError(
            f"cannot read {path}: {error}. Restore it from a backup, or move it away and pull again"
        ) from error


def write(dataset: Dataset, path: Path, table: pa.Table) -> None:
    """Put ``table`` under ``path``, whole, on disk, in place of what was there.

    The rename itself is on disk after :func:`sync_folder`.
    """
    temporary = _temporary(dataset, path)
    times = [f.name for f in table.schema if pa.types.is_timestamp(f.type)]
    ids = [dataset.integer_id] if dataset.integer_id else []
    encoding = dict.fromkeys(times, "DELTA_BINARY_PACKED") | dict.fromkeys(ids, "DELTA_BYTE_ARRAY")
    # a product of two columns hardly repeats: a dictionary would only make it larger
    plain = {*encoding, "cost"}
    try:
        make_folder(path.parent)
        temporary.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as sink:
            pq.write_table(
                table,
                sink,
                compression="zstd",
                compression_level=1,
                column_encoding=encoding,
                use_dictionary=[n for n in table.column_names if n not in plain],
                write_statistics=True,
                row_group_size=_group_rows(table),
            )
            sink.flush()
            os.fsync(sink.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise from_os_error(error, "cannot write", path) from error
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _group_rows(table: pa.Table) -> int:
    """Rows of a row group: readers hold one in memory as a whole."""
    per_row: int = table.nbytes // max(1, table.num_rows)
    return max(1, min(_GROUP_ROWS, _GROUP_BYTES // max(1, per_row)))


def partial_folder(dataset: Dataset, stream: StreamId) -> str:
    """The folder of a stream's files while they are written, relative to the home."""
    return PARTIAL + stream_folder(dataset, stream).removeprefix(LAKE)


def _temporary(dataset: Dataset, path: Path) -> Path:
    lake = path.parents[len(dataset.partition) + 1]
    folder = lake.parent / PARTIAL / path.parent.relative_to(lake)
    return folder / f".{path.stem}.{os.getpid()}.tmp"


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


def describe(dataset: Dataset, home: Path, path: str, period: str, table: pa.Table) -> FileRecord:
    """The ledger's record of a file that holds ``table``."""
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
    )


def key_numbers(dataset: Dataset, table: pa.Table) -> pa.ChunkedArray | None:
    """The row keys as int64 (ids or microseconds); ``None`` for text keys."""
    if dataset.integer_id:
        return pc.cast(table.column(dataset.integer_id), pa.int64())
    if dataset.snapshot or dataset.key[-1] == dataset.time_column:
        return pc.cast(table.column(dataset.time_column), pa.int64())
    return None


def lake_files(home: Path, dataset: str) -> Iterator[Path]:
    """Every file of a dataset, as any reader finds them."""
    yield from sorted((home / LAKE / dataset).rglob("*.parquet"))


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
