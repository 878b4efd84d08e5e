"""The Iceberg tables of a home, as a plain reader sees them."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
)
from pyiceberg.table import Table, Transaction
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _FastAppendFiles

import warehouse
from schemas import TABLES
from tests.warehouse.tools import bag
from warehouse.iceberg import IcebergTarget, publish_iceberg
from warehouse.iceberg.target import CATALOG


def target_of(home: Path, keep_hours: float = 24) -> IcebergTarget:
    """A catalog and a folder in the home, as by default."""
    return IcebergTarget(
        f"sqlite:///{home}/iceberg/catalog.sqlite",
        f"file://{home}/iceberg/warehouse",
        keep_hours=keep_hours,
    )


def publish(home: Path, target: IcebergTarget | None = None) -> list[str]:
    """Publish into both targets; the Iceberg tables that changed."""
    warehouse.publish(home)
    return publish_iceberg(home, target or target_of(home))


@contextmanager
def catalog_of(target: IcebergTarget) -> Iterator[SqlCatalog]:
    """The catalog, as any program opens it that knows the address."""
    properties = {**target.storage, "uri": target.catalog, "warehouse": target.warehouse}
    with closing(SqlCatalog(CATALOG, **properties)) as catalog:
        yield catalog


@contextmanager
def iceberg_table(target: IcebergTarget, name: str) -> Iterator[Table]:
    """One table. It can be read as long as the block runs."""
    with catalog_of(target) as catalog:
        yield catalog.load_table((target.namespace, name))


def rows(target: IcebergTarget, name: str) -> pa.Table:
    """All rows of a table."""
    with iceberg_table(target, name) as table:
        return table.scan().to_arrow().select(TABLES[name].schema.names)


def assert_same(
    home: Path, target: IcebergTarget | None = None, names: Iterable[str] = tuple(TABLES)
) -> None:
    """The Iceberg tables have just the rows of the DuckDB tables, times of storing included."""
    target = target or target_of(home)
    with catalog_of(target) as catalog, warehouse.connect(home) as db:
        for name in names:
            held = catalog.load_table((target.namespace, name)).scan().to_arrow()
            expected = db.sql(f'FROM "{name}"').to_arrow_table()
            columns = TABLES[name].schema.names
            assert bag(held.select(columns).to_pylist()) == bag(expected.to_pylist()), name


def snapshots(target: IcebergTarget, name: str) -> int:
    """How many snapshots a table has."""
    with iceberg_table(target, name) as table:
        return len(table.snapshots())


def files_below(home: Path) -> set[str]:
    """Every file below the warehouse in the home, as Iceberg names it."""
    found = (home / "iceberg" / "warehouse").rglob("*")
    return {f"file://{path}" for path in found if path.is_file()}


def files_named(target: IcebergTarget) -> set[str]:
    """Every file that a table or one of its snapshots names."""
    found: set[str] = set()
    with catalog_of(target) as catalog:
        for identifier in catalog.list_tables(target.namespace):
            table = catalog.load_table(identifier)
            log = table.metadata.metadata_log
            found |= {table.metadata_location, *(entry.metadata_file for entry in log)}
            for snapshot in table.snapshots():
                found.add(snapshot.manifest_list)
                for manifest in snapshot.manifests(table.io):
                    found.add(manifest.manifest_path)
                    entries = manifest.fetch_manifest_entry(table.io)
                    found |= {entry.data_file.file_path for entry in entries}
    return found


def delete_first_row(table: Table) -> None:
    """What engines that merge on read do: the data file stays, a file of deletions is added."""
    data = next(iter(table.scan().plan_files())).file
    path = f"{table.location()}/data/deletions.parquet"
    fields = [("file_path", pa.string(), "2147483546"), ("pos", pa.int64(), "2147483545")]
    schema = pa.schema(
        [pa.field(n, t, False, {b"PARQUET:field_id": number.encode()}) for n, t, number in fields]
    )
    with table.io.new_output(path).create() as sink:
        pq.write_table(pa.table([[data.file_path], [0]], schema=schema), sink)
    deletions = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=data.partition,
        record_count=1,
        file_size_in_bytes=len(table.io.new_input(path)),
    )
    with table.transaction() as transaction:
        _Deletions(table, deletions, transaction).commit()


class _Deletions(_FastAppendFiles):
    """Adds one file of deletions: pyiceberg has no words for that."""

    def __init__(self, table: Table, deletions: DataFile, transaction: Transaction) -> None:
        super().__init__(Operation.DELETE, transaction, table.io)
        self._table, self._deletions = table, deletions

    def _manifests(self) -> list[ManifestFile]:
        sink = self._table.io.new_output(f"{self._table.location()}/metadata/deletions.avro")
        added = ManifestEntry.from_args(
            status=ManifestEntryStatus.ADDED,
            snapshot_id=self.snapshot_id,
            data_file=self._deletions,
        )
        with _DeletionsWriter(
            self._table.spec(), self._table.schema(), sink, self.snapshot_id, "null"
        ) as writer:
            writer.add(added)
        return [*super()._manifests(), writer.to_manifest_file()]


class _DeletionsWriter(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}
