"""Compare the Iceberg tables with the lake: columns, counts and checksums by stream and period.

Every data file of the current snapshots is read. DuckDB computes the checksums of both sides, each
from its own rows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.table import FileScanTask
from pyiceberg.table import Table as IcebergTable

from schemas import COVERAGE, TABLES, Dataset, StreamId, Table
from warehouse.coverage_table import coverage_rows
from warehouse.errors import StorageError
from warehouse.iceberg.contents import held_files
from warehouse.iceberg.marks import known_marks
from warehouse.iceberg.publishing import LOCK
from warehouse.iceberg.tables import errors, opened, schema_of
from warehouse.iceberg.target import IcebergTarget
from warehouse.locks import exclusive
from warehouse.metastore import Metastore
from warehouse.verification.published import PublishedCopy, Sums, sums_of
from warehouse.verification.report import Verification, short
from warehouse.verification.rows import Facts

CHECK: Final = "iceberg"
FIX: Final = "`tidemark rebuild`"
_COPY: Final = PublishedCopy("Iceberg", "iceberg", CHECK, FIX)


def compare_iceberg(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    metastore: Metastore,
    target: IcebergTarget,
    facts: Mapping[StreamId, Facts],
    report: Verification,
) -> None:
    """Findings wherever the Iceberg tables and the lake differ; they were just published."""
    with exclusive(home, LOCK), opened(target) as catalog:  # nothing is published meanwhile
        loaded, tables = metastore.newest_change(), dict[str, Sums]()
        for declared in TABLES.values():
            where = f"iceberg {target.namespace}.{declared.name}"
            try:
                with errors(target, "cannot read the table"):
                    table = catalog.load_table((target.namespace, declared.name))
                    _check_columns(table, declared, where, report)
                    if isinstance(declared, Dataset):
                        tables[declared.name] = _sums(db, table, declared)
                    else:
                        _check_coverage(metastore, target, table, report)
            except StorageError as error:
                report.error(CHECK, where, short(error), FIX)
        _COPY.compare(metastore, facts, tables, loaded, report)


def _check_columns(table: IcebergTable, declared: Table, where: str, report: Verification) -> None:
    report.count(CHECK, tables=1)
    held = {f.name: (f.field_type, f.required) for f in table.schema().fields}
    wanted = {f.name: (f.field_type, f.required) for f in schema_of(declared).fields}
    if held != wanted:
        names = sorted(n for n in held.keys() | wanted.keys() if held.get(n) != wanted.get(n))
        report.error(CHECK, where, f"has other columns than contracted: {', '.join(names)}", FIX)


def _sums(db: duckdb.DuckDBPyConnection, table: IcebergTable, declared: Dataset) -> Sums:
    sums: Sums = {}
    for held in held_files(table, declared):
        db.register("data_file", _read(table, declared, held))
        for group, (rows, checksum) in sums_of(db, "data_file", declared).items():
            before = sums.get(group, (0, 0))
            sums[group] = (before[0] + rows, before[1] + checksum)
        db.unregister("data_file")
    return sums


def _read(table: IcebergTable, declared: Table, held: FileScanTask) -> pa.Table:
    """The rows of a data file as readers see them: a column of theirs is known by its number.

    Raises ``StorageError`` where rows of it are deleted, which no publish does.
    """
    name = held.file.file_path
    if held.delete_files:
        raise StorageError(f"another program deleted rows of {name}")
    with table.io.new_input(name).open() as source:
        found = pq.ParquetFile(source, page_checksum_verification=True).read()
    numbered = {_number(field): found.column(place) for place, field in enumerate(found.schema)}
    columns = [numbered.get(table.schema().find_field(c.name).field_id) for c in declared.columns]
    arrays = [
        pa.nulls(found.num_rows, field.type) if column is None else column
        for column, field in zip(columns, declared.schema, strict=True)
    ]
    return pa.table(arrays, declared.schema.names)


def _number(field: pa.Field) -> int:
    return int((field.metadata or {}).get(b"PARQUET:field_id", -1))


def _check_coverage(
    metastore: Metastore, target: IcebergTarget, table: IcebergTable, report: Verification
) -> None:
    # not the mark of its newest snapshot: where no row of coverage differs, there is no new one
    if known_marks(metastore, target).state != metastore.state_mark():
        report.note(CHECK, "iceberg coverage", "was written while this ran: not compared")
        return
    held: set[tuple[Any, ...]] = set()
    for one in held_files(table, COVERAGE):
        held |= {tuple(row.values()) for row in _read(table, COVERAGE, one).to_pylist()}
    wanted = {tuple(row.values()) for row in coverage_rows(metastore).to_pylist()}
    report.count(CHECK, intervals=len(wanted))
    _COPY.compare_coverage(held, wanted, report)
