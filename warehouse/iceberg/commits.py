"""Bring the Iceberg tables up to the lake: one transaction for each table that changed.

It replaces the data files of every changed stream and period. Its snapshot says up to which change
of the metastore it holds all. Where that is what the metastore recorded, the next publish looks at
what changed since; else at the names of all data files, and writes what is missing, whatever an
earlier publish reached.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Transaction
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import ancestors_of

from schemas import COVERAGE, DATASETS, TABLES, Dataset, Table
from warehouse import files
from warehouse.coverage_table import coverage_rows
from warehouse.errors import StorageError, from_os_error
from warehouse.iceberg.cleaning import expire, sweep
from warehouse.iceberg.contents import (
    Source,
    held_files,
    key_held,
    key_of,
    partition_held,
    sources,
    write_rows,
    write_source,
)
from warehouse.iceberg.marks import Marks, record_marks
from warehouse.iceberg.publishing import UNFINISHED
from warehouse.iceberg.tables import MANIFEST_BYTES, create, errors, in_threads, load, opened
from warehouse.iceberg.target import IcebergTarget
from warehouse.metastore import FileRecord, Metastore
from warehouse.sound import Busy, Group, sound

T = TypeVar("T")

CHANGE: Final = "tidemark.change"
"""Property of a snapshot: the table holds everything up to this change of the metastore."""
METASTORE: Final = "tidemark.metastore"
"""Property of a snapshot: the identity of that metastore."""
_BATCH: Final = 2_000
"""Data files of one snapshot: a later change rewrites the manifests that name replaced files."""
_MANY_MANIFESTS: Final = 30
_NAMED: Final = 3
"""How many tables a message names."""


class _Transaction(Transaction):
    """A transaction that computes the table's metadata once for each change.

    pyiceberg's own copies them, with all snapshots, at each of twenty looks of a commit.
    """

    _computed: tuple[object, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """The metadata with the changes so far; not to be changed."""
        if self._computed is None or self._computed[0] is not self._updates:
            self._computed = self._updates, super().table_metadata
        return self._computed[1]


@dataclass(frozen=True)
class _Work:
    home: Path
    metastore: Metastore
    target: IcebergTarget
    catalog: Catalog
    known: Marks
    rebuild: bool

    @property
    def since(self) -> int:
        """All tables hold everything up to this change."""
        return 0 if self.rebuild else self.known.change


def bring_up_to_date(
    home: Path, metastore: Metastore, target: IcebergTarget, known: Marks, *, rebuild: bool
) -> list[str]:
    """Publish what changed; the names of the tables that did.

    The caller holds the lock. Raises ``StorageError``, which names the tables that failed.
    """
    # coverage first: rows committed while this runs may be in, but coverage never precedes rows
    state, coverage = metastore.state_mark(), coverage_rows(metastore)
    newest = metastore.newest_change()  # before the files: what comes in between is published again
    with opened(target) as catalog:
        work = _Work(home, metastore, target, catalog, known, rebuild)
        if not _is_as_left(work):
            known = Marks()
            work = replace(work, known=known)
        _remove_leftovers(work)
        news = metastore.changed_files(work.since) if work.since else {}
        groups = [Group(*of, tuple(files)) for of, files in news.items()]
        names = {g.stream.dataset for g in groups} if work.since else DATASETS.keys()
        changed, left, failed, marks = [], [], dict[str, str](), dict(known.tables)
        for declared in (DATASETS[name] for name in DATASETS if name in names):
            mine = [g for g in groups if g.stream.dataset == declared.name]
            try:
                with errors(target, "cannot publish"):
                    did, marks[declared.name] = _publish_rows(work, declared, mine, newest)
                    changed += [declared.name] if did else []
            except Busy:
                left.append(declared.name)
            except StorageError as error:
                left.append(declared.name)
                failed[declared.name] = str(error)
        try:
            with errors(target, "cannot publish"):
                did, marks[COVERAGE.name] = _publish_coverage(work, coverage, state, left)
                changed += [COVERAGE.name] if did else []
        except StorageError as error:
            failed[COVERAGE.name] = str(error)
    marked = Marks(work.since if left else newest, known.state if left or failed else state, marks)
    record_marks(metastore, target, marked)
    if failed:
        others = (
            "" if failed.keys() >= {*names, COVERAGE.name} else ". All other tables are published"
        )
        raise StorageError(f"Iceberg: {_named(failed)}{others}")
    return changed


def _named(failed: Mapping[str, str]) -> str:
    """The tables that failed: together where one fix mends them, with the problem of the first."""
    alike: dict[str, list[str]] = {}
    for name, problem in failed.items():
        alike.setdefault(problem.partition(". Fix: ")[2] or problem, []).append(name)
    return "; ".join(f"{_some(names)} ({failed[names[0]]})" for names in alike.values())


def _some(names: Sequence[str]) -> str:
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more tables"


def _is_as_left(work: _Work) -> bool:
    """Whether ``coverage``, which nearly every publish changes, is as the last one left it.

    Else the home was put back to an earlier time, or that publish broke off: any table may hold
    more than is known. Raises ``StorageError`` for the tables of another home.
    """
    try:
        with errors(work.target, "cannot publish"):
            table = work.catalog.load_table((work.target.namespace, COVERAGE.name))
    except StorageError:
        return True  # whoever publishes it says what is wrong
    _check_owner(work, table)
    return mark_of(table, work.metastore.identity()) == work.known.tables.get(COVERAGE.name)


def _publish_rows(
    work: _Work, declared: Dataset, changed: Sequence[Group], newest: int
) -> tuple[bool, int]:
    """Bring one table up to its lake files; whether that changed it, and the mark it has then."""
    table = _table(work, declared)
    mark = mark_of(table, work.metastore.identity())
    # else a publish broke off after its commit, or the home or the table is one of another time
    is_known = not work.rebuild and mark == work.known.tables.get(declared.name)
    if is_known and mark == newest:
        return False, mark
    # a partition of an account's rows has files of several streams
    partly = is_known and work.since > 0 and not declared.is_account
    if not partly:
        found = work.metastore.groups(declared.name)
        changed = [Group(*of, tuple(files)) for of, files in found.items()]
    held = held_files(table, declared, changed if partly else None)
    keys = frozenset() if work.rebuild else {key_held(file) for file in held}
    whole = [_sound(work, group, keys) for group in changed]
    wanted = {source.key: source for source in sources(work.home, whole)}

    def write(source: Source) -> DataFile:
        return write_source(table, declared, work.home, source)

    new = [source for key, source in wanted.items() if key not in keys]
    gone = _superfluous(held, wanted.keys() & keys)
    return _commit(work, table, gone, new, write, newest)


def _sound(work: _Work, group: Group, keys: Set[str]) -> Group:
    """``group``, of which the files to be written are whole. Raises ``StorageError``, ``Busy``."""

    def to_write(found: Sequence[FileRecord]) -> list[FileRecord]:
        now = replace(group, files=tuple(found))
        return [source.file for source in sources(work.home, [now]) if source.key not in keys]

    return sound(work.home, work.metastore, group, to_write)


def _publish_coverage(
    work: _Work, coverage: pa.Table, state: int, left: Sequence[str]
) -> tuple[bool, int]:
    """Bring ``coverage`` up to the metastore, but for the datasets ``left`` as they were."""
    table = _table(work, COVERAGE)
    mark = mark_of(table, work.metastore.identity())
    if not work.rebuild and mark == state == work.known.tables.get(COVERAGE.name):
        return False, mark
    parts: dict[str, pa.Table] = {}
    for name in sorted(set(coverage.column("dataset").to_pylist()) - set(left)):
        rows = coverage.filter(pc.equal(coverage.column("dataset"), name))
        parts[key_of(name, hashlib.sha256(files.encoded(COVERAGE, rows)).hexdigest())] = rows
    held = [file for file in held_files(table, COVERAGE) if partition_held(file)[0] not in left]
    keys = frozenset() if work.rebuild else {key_held(file) for file in held}

    def write(key: str) -> DataFile:
        return write_rows(table, COVERAGE, parts[key], key)

    new = [key for key in parts if key not in keys]
    gone = _superfluous(held, parts.keys() & keys)
    # of those left, the next publish brings it up
    return _commit(work, table, gone, new, write, mark if left else state)


def _superfluous(held: Sequence[FileScanTask], kept: Set[str]) -> list[DataFile]:
    """The files of which none of ``kept`` is the key; of two with one key, the second."""
    first = {key_held(one): one for one in reversed(held)}
    return [
        one.file for one in held if key_held(one) not in kept or first[key_held(one)] is not one
    ]


def _commit(
    work: _Work,
    table: IcebergTable,
    gone: Sequence[DataFile],
    new: Sequence[T],
    write: Callable[[T], DataFile],
    mark: int,
) -> tuple[bool, int]:
    """Replace the data files ``gone`` by what ``write`` makes of ``new``, in one transaction."""
    identity = work.metastore.identity()
    if gone or new or _is_of_another(work, table):
        with _unfinished(work, table):
            written = in_threads(write, new)
            _replace(table, gone, written, {CHANGE: str(mark), METASTORE: str(identity)})
            expire(table, work.target.keep_hours)
    return bool(gone or new), mark_of(table, identity)


def _replace(
    table: IcebergTable,
    gone: Sequence[DataFile],
    written: Sequence[DataFile],
    properties: Mapping[str, str],
) -> None:
    transaction = _Transaction(table)
    for start in range(0, max(1, len(written)), _BATCH):
        update = transaction.update_snapshot(snapshot_properties=dict(properties))
        with update.overwrite() as snapshot:
            for file in () if start else gone:
                snapshot.delete_data_file(file)
            for file in written[start : start + _BATCH]:
                snapshot.append_data_file(file)
    held = transaction.table_metadata.current_snapshot()
    manifests = held.manifests(table.io) if held is not None else []
    if sum(m.manifest_length < MANIFEST_BYTES // 2 for m in manifests) > _MANY_MANIFESTS:
        update = transaction.update_snapshot(snapshot_properties=dict(properties))
        with update.merge_append():
            pass  # nothing is added: small manifests become few
    transaction.commit_transaction()


# -- tables, and what a publish that broke off left -----------------------------------------------


def mark_of(table: IcebergTable, identity: int) -> int:
    """Up to which change of the metastore ``identity`` the table holds all; 0: not known."""
    return next((mark for owner, mark in _publishes(table) if owner == str(identity)), 0)


def _publishes(table: IcebergTable) -> Iterator[tuple[str, int]]:
    """Metastore and change of each publish into the table that is still known, the newest first."""
    for snapshot in ancestors_of(table.current_snapshot(), table.metadata):
        said = snapshot.summary
        if said is not None and said[METASTORE]:
            yield said[METASTORE], int(said[CHANGE] or 0)


def _check_owner(work: _Work, table: IcebergTable) -> None:
    """Raise ``StorageError`` for the table of another home, which only ``rebuild`` takes over."""
    if not work.rebuild and _is_of_another(work, table):
        raise StorageError(
            f"the tables of the namespace {work.target.namespace} are another home's. Fix: a "
            "namespace for each home (TIDEMARK_ICEBERG_NAMESPACE); if this one lost its metastore: "
            "`tidemark rebuild`"
        )


def _is_of_another(work: _Work, table: IcebergTable) -> bool:
    owner, _ = next(_publishes(table), (None, 0))
    return owner not in (None, str(work.metastore.identity()))


def _table(work: _Work, declared: Table) -> IcebergTable:
    try:
        table = load(work.catalog, work.target, declared)
    except Exception:  # whatever damaged metadata raise
        if not work.rebuild:
            raise
    else:
        _check_owner(work, table)
        return table
    with suppress(NoSuchTableError):
        work.catalog.drop_table((work.target.namespace, declared.name))
    return create(work.catalog, work.target, declared)


@contextmanager
def _unfinished(work: _Work, table: IcebergTable) -> Iterator[None]:
    """Note that ``table`` is written: unless the block ends well, leftovers are looked for."""
    path = work.home / UNFINISHED
    try:
        files.make_folder(path.parent)
        path.write_text(f"{work.target.number} {table.name()[-1]}", encoding="utf-8")
    except OSError as error:
        raise from_os_error(error, "cannot write", path) from error
    yield
    try:
        path.unlink()
    except OSError as error:
        raise from_os_error(error, "cannot remove", path) from error


def _remove_leftovers(work: _Work) -> None:
    """Remove the files that a publish wrote that broke off; with ``rebuild``, of every table."""
    path = work.home / UNFINISHED
    number, _, name = (
        path.read_text(encoding="utf-8").partition(" ") if path.exists() else ("",) * 3
    )
    names = {name} if number == str(work.target.number) else set()
    for declared in TABLES.values() if work.rebuild else map(TABLES.get, names):
        if declared is not None:
            with errors(work.target, "cannot clean up"):
                sweep(_table(work, declared))
    path.unlink(missing_ok=True)
