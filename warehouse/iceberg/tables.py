"""The Iceberg tables: schemas and partitions from the declarations, the catalog, its errors."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    ValidationException,
)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table as IcebergTable
from pyiceberg.transforms import (
    DayTransform,
    IdentityTransform,
    MonthTransform,
    Transform,
    YearTransform,
)
from pyiceberg.types import (
    BooleanType,
    DecimalType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from schemas import Dataset, Period, Table
from warehouse.errors import StorageError, from_os_error
from warehouse.files import make_folder
from warehouse.iceberg.target import CATALOG, FILE, IcebergTarget
from warehouse.paths import QUARANTINE
from warehouse.sound import Busy

T = TypeVar("T")
R = TypeVar("R")

_THREADS: Final = 4
REBUILD: Final = "Fix: `tidemark rebuild` writes the Iceberg tables again, from the lake"
TYPES: Final[dict[str, IcebergType]] = {
    "string": StringType(),
    "timestamp[us, tz=UTC]": TimestamptzType(),
    "decimal128(38, 12)": DecimalType(38, 12),
    "decimal128(38, 18)": DecimalType(38, 18),
    "bool": BooleanType(),
    "int32": IntegerType(),
    "int64": LongType(),
}
"""The Iceberg type of a column, by its Arrow type."""
TRANSFORMS: Final[dict[Period, Transform[int, int]]] = {
    Period.DAY: DayTransform(),
    Period.MONTH: MonthTransform(),
    Period.YEAR: YearTransform(),
}
MANIFEST_BYTES: Final = 1024 * 1024
_PROPERTIES: Final = {
    "format-version": "2",
    # one committer holds the lock: another one is a mistake, and is reported
    "commit.retry.num-retries": "0",
    # a change rewrites the manifests that name the replaced files: small ones cost little
    "commit.manifest.target-size-bytes": str(MANIFEST_BYTES),
    "commit.manifest-merge.enabled": "true",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
}


@contextmanager
def opened(target: IcebergTarget) -> Iterator[Catalog]:
    """The catalog of ``target``, with its namespace. Raises ``StorageError``, without secrets."""
    with errors(target, "cannot use the Iceberg catalog"):
        place = make_url(target.catalog)
        if place.get_backend_name() == "sqlite" and place.database:
            _make_folder(Path(place.database).parent)
        if target.warehouse.startswith(FILE):
            _make_folder(Path(target.warehouse.removeprefix(FILE)))
        catalog = SqlCatalog(
            CATALOG,
            **{**target.storage, "uri": target.catalog, "warehouse": target.warehouse},
        )
    with closing(catalog):
        with (
            errors(target, "cannot use the Iceberg catalog"),
            suppress(NamespaceAlreadyExistsError),
        ):
            catalog.create_namespace(target.namespace)
        yield catalog


@contextmanager
def errors(target: IcebergTarget, doing: str) -> Iterator[None]:
    """Raise what pyiceberg, SQLAlchemy and Arrow raise as ``StorageError``, without secrets."""
    try:
        yield
    except (StorageError, Busy):
        raise
    except (CommitFailedException, ValidationException) as error:
        raise StorageError(
            f"{doing}: another program changed the table meanwhile ({_said(target, error)}). "
            "Fix: let one home publish into a namespace (TIDEMARK_ICEBERG_NAMESPACE), retry"
        ) from None
    except SQLAlchemyError as error:
        # the error itself repeats statements with their values
        cause = getattr(error, "orig", None) or error
        raise StorageError(
            f"{doing}: {_said(target, cause)}. Fix: check TIDEMARK_ICEBERG_CATALOG, and that the "
            "database can be reached"
        ) from None
    except Exception as error:  # of any storage: pyiceberg passes on what its file system raises
        raise StorageError(
            f"{doing}: {_said(target, error)}. Fix: check TIDEMARK_ICEBERG_WAREHOUSE, its keys and "
            "that it can be reached; if files are damaged or gone: `tidemark rebuild`"
        ) from None


def _said(target: IcebergTarget, error: BaseException) -> str:
    text = " ".join((str(error) or type(error).__name__).split())
    for secret in sorted(target.secrets, key=len, reverse=True):  # one may begin another
        text = text.replace(secret, "***")
    return text[:300]


def _make_folder(folder: Path) -> None:
    try:
        make_folder(folder)
    except OSError as error:
        raise from_os_error(error, "cannot create", folder) from error


def in_threads(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """The results of ``work`` in order; after an exception what was not begun is left out."""
    with ThreadPoolExecutor(_THREADS) as pool:
        begun = [pool.submit(work, item) for item in items]
        try:
            return [one.result() for one in begun]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


# -- tables ---------------------------------------------------------------------------------------


def load(catalog: Catalog, target: IcebergTarget, declared: Table) -> IcebergTable:
    """The table of ``declared``, created if there is none. Raises ``StorageError``."""
    name = (target.namespace, declared.name)
    try:
        table = catalog.load_table(name)
    except NoSuchTableError:
        return create(catalog, target, declared)
    if not table.location().startswith(f"{target.warehouse}/"):
        # of a home that was copied: what is written and removed there is another home's
        raise StorageError(
            f"the Iceberg table {declared.name} lies at {table.location()}, not below "
            f"{target.warehouse}. {REBUILD}"
        )
    wanted, held = schema_of(declared), table.schema()
    if {f.name: f.field_type for f in wanted.fields} == {f.name: f.field_type for f in held.fields}:
        return table
    with errors(target, f"the Iceberg table {declared.name} has other columns than declared"):
        with table.update_schema() as update:  # columns that are new are null in older rows
            update.union_by_name(wanted)
        if len(table.schema().fields) != len(wanted.fields):
            raise StorageError(
                f"the Iceberg table {declared.name} has other columns than declared. {REBUILD}"
            )
    return table


def create(catalog: Catalog, target: IcebergTarget, declared: Table) -> IcebergTable:
    """A new table. Its place is its own: another catalog may know files of an earlier one."""
    return catalog.create_table(
        (target.namespace, declared.name),
        schema_of(declared),
        f"{target.warehouse}/{target.namespace}/{declared.name}-{uuid.uuid4().hex[:8]}",
        spec_of(declared),
        properties={**_PROPERTIES, "comment": declared.description},
    )


def schema_of(declared: Table) -> Schema:
    """The Iceberg schema of a table: the columns of DuckDB, with their meaning."""
    key = declared.key if isinstance(declared, Dataset) else ()
    fields = [
        NestedField(
            number, c.name, TYPES[str(c.type)], required=not c.is_nullable, doc=c.description
        )
        for number, c in enumerate(declared.columns, start=1)
    ]
    ids = [field.field_id for field in fields if field.name in key]
    return Schema(*fields, identifier_field_ids=ids)


def partition_columns(declared: Table) -> tuple[str, ...]:
    """The columns whose values are constant in a partition."""
    if not isinstance(declared, Dataset):
        return ("dataset",)
    if declared.name == QUARANTINE:
        return (*declared.partition, "dataset")
    return (*declared.partition, *declared.stream_columns)


def spec_of(declared: Table) -> PartitionSpec:
    """The partitions of a table: a lake file belongs to one of them as a whole."""
    numbers = {c.name: number for number, c in enumerate(declared.columns, start=1)}
    transforms: list[tuple[str, str, Transform[Any, Any]]] = [
        (name, name, IdentityTransform()) for name in partition_columns(declared)
    ]
    if isinstance(declared, Dataset) and declared.period is not Period.ALL:
        time, unit = declared.time_column, declared.period
        transforms.append((time, f"{time}_{unit.value}", TRANSFORMS[unit]))
    return PartitionSpec(
        *(
            PartitionField(numbers[column], 1000 + place, transform, name)
            for place, (column, name, transform) in enumerate(transforms)
        )
    )
