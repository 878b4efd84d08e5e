"""Which data files an Iceberg table has, which it should have, and how one is written.

A data file holds the rows of one lake file, with the columns that its path names. Its name begins
with a key of that file's path and content. So a table is brought up to date by comparing names:
whatever a publish that broke off left, no row is published twice, and what is there is not written
again.
"""

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.expressions import (
    AlwaysTrue,
    And,
    BooleanExpression,
    EqualTo,
    GreaterThanOrEqual,
    LessThan,
    Or,
)
from pyiceberg.io.pyarrow import parquet_file_to_data_file, schema_to_pyarrow
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask
from pyiceberg.table import Table as IcebergTable
from pyiceberg.types import TimestamptzType

from schemas import Dataset, Period, Table
from schemas.times import to_datetime
from warehouse import files
from warehouse.iceberg.tables import TRANSFORMS, partition_columns
from warehouse.metastore import FileRecord
from warehouse.paths import QUARANTINE, period_bounds
from warehouse.sound import Busy, Group, stream_columns

Partition = tuple[object, ...]
"""The values of a partition, in the order of the table's partition spec."""
_KEY: Final = 24
_FEW: Final = 20
"""So many partitions are looked up one by one; of more, all files are listed."""


@dataclass(frozen=True)
class Source:
    """Rows to publish: a lake file of ``group``; ``key`` names its path and content."""

    key: str
    group: Group
    file: FileRecord


def key_of(path: str, digest: str) -> str:
    """What the name of a data file begins with that holds the rows of this lake file."""
    return hashlib.sha256(f"{path}\0{digest}".encode()).hexdigest()[:_KEY]


def key_held(held: FileScanTask) -> str:
    """The key in the name of a data file; of one that another program wrote, anything.

    None where another program deleted rows of it: it is no longer the lake file.
    """
    return "" if held.delete_files else held.file.file_path.rpartition("/")[2].partition("-")[0]


def partition_of(declared: Dataset, group: Group) -> Partition:
    """The partition of all rows of ``group``."""
    named = stream_columns(declared, group.stream)
    if declared.name == QUARANTINE:
        named["dataset"] = group.stream.source or ""
    values: list[object] = [named[column] for column in partition_columns(declared)]
    if declared.period is not Period.ALL:
        low, _ = period_bounds(declared, group.period)
        values.append(TRANSFORMS[declared.period].transform(TimestamptzType())(low))
    return tuple(values)


def partition_held(held: FileScanTask) -> Partition:
    """The partition of a data file, comparable with :func:`partition_of`."""
    record = held.file.partition
    return tuple(record[place] for place in range(len(record)))


def held_files(
    table: IcebergTable, declared: Table, groups: Sequence[Group] | None = None
) -> list[FileScanTask]:
    """The data files of the current snapshot, and what is deleted of each.

    With ``groups``: those of their partitions.
    """
    wanted: BooleanExpression = AlwaysTrue()
    if groups is not None and isinstance(declared, Dataset) and 0 < len(groups) <= _FEW:
        terms = [_rows_of(declared, group) for group in groups]
        wanted = Or(*terms) if len(terms) > 1 else terms[0]
    found = list(table.scan(row_filter=wanted).plan_files())
    if groups is None or not isinstance(declared, Dataset):
        return found
    partitions = {partition_of(declared, group) for group in groups}
    return [file for file in found if partition_held(file) in partitions]


def _rows_of(declared: Dataset, group: Group) -> BooleanExpression:
    values = dict(zip(partition_columns(declared), partition_of(declared, group), strict=False))
    terms = [_term(EqualTo, name, str(value)) for name, value in values.items()]
    if declared.period is not Period.ALL:
        low, high = period_bounds(declared, group.period)
        terms.append(_term(GreaterThanOrEqual, declared.time_column, to_datetime(low).isoformat()))
        terms.append(_term(LessThan, declared.time_column, to_datetime(high).isoformat()))
    return And(*terms) if len(terms) > 1 else terms[0]


def _term(kind: Any, column: str, value: str) -> BooleanExpression:
    """A comparison; what type checkers know of its class is not how it is made."""
    made: BooleanExpression = kind(column, value)
    return made


def sources(home: Path, groups: Iterable[Group]) -> list[Source]:
    """What the data files of ``groups`` are to hold."""
    return [
        Source(key_of(file.path, file.digest or files.digest_of(home / file.path)), group, file)
        for group in groups
        for file in group.files
        if file.rows
    ]


def write_source(table: IcebergTable, declared: Dataset, home: Path, source: Source) -> DataFile:
    """Write the rows of a lake file as a data file that no snapshot has yet.

    Raises ``Busy`` where the lake file is another one now.
    """
    path = home / source.file.path
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise Busy from None
    digest = hashlib.sha256(content).hexdigest()
    if key_of(source.file.path, digest) != source.key:
        raise Busy
    with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
        rows = files.conformed(declared, file.read())
    named = stream_columns(declared, source.group.stream)
    return write_rows(table, declared, files.with_path_columns(declared, rows, named), source.key)


def write_rows(table: IcebergTable, declared: Table, rows: pa.Table, key: str) -> DataFile:
    """Write ``rows`` of one partition as a data file that no snapshot has yet."""
    schema = schema_to_pyarrow(table.schema())
    fields = {f.name: f for f in schema}  # columns that came later are the last of an older table
    numbered = rows.cast(
        pa.schema(
            [
                fields[n].remove_metadata().with_metadata(_number(fields[n]))
                for n in rows.schema.names
            ]
        )
    )
    path = f"{table.location()}/data/{key[:2]}/{key}-{uuid.uuid4().hex[:8]}.parquet"
    with table.io.new_output(path).create(overwrite=True) as stream:  # its name is new
        # Iceberg's fast reader in Spark knows no delta encodings
        stream.write(files.encoded(declared, numbered, delta=False))
    return parquet_file_to_data_file(table.io, table.metadata, path)


def _number(field: pa.Field) -> Mapping[Any, Any]:
    """The field's number; its meaning is in the table's schema already."""
    return {b"PARQUET:field_id": field.metadata[b"PARQUET:field_id"]}
