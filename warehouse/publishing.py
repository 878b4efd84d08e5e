"""Publish the lake's rows as tables of a DuckDB file, whole versions behind a symbolic link.

Every publish copies the newest version, applies the lake files that changed since, flushes the copy
to disk and points the link ``warehouse.duckdb`` to it. A live version is never opened for writing:
no reader blocks a load, and no load disturbs a reader.
"""

import os
import shutil
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from schemas import DATASETS, Dataset, StreamId, dataset
from warehouse import catalog, files
from warehouse.coverage_table import coverage_rows
from warehouse.duckdb_files import literal, readable, writable
from warehouse.errors import StorageError, from_os_error
from warehouse.home import home_of
from warehouse.locks import exclusive
from warehouse.metastore import Metastore
from warehouse.paths import period_bounds
from warehouse.template import LOADING, Config, template_database, update_catalog

LINK: Final = "warehouse.duckdb"
VERSIONS: Final = "versions"
_KEEP: Final = 3


@dataclass(frozen=True)
class Published:
    """What a publish did: ``changed`` is false when there was nothing to load."""

    path: Path
    changed: bool
    rows_before: dict[str, int]
    rows: dict[str, int]


@dataclass(frozen=True)
class _Group:
    """The files of one stream and period: loaded, and replaced, together."""

    dataset: Dataset
    stream: StreamId
    period: str
    paths: tuple[str, ...]


def publish(home: Path | str | None = None, *, rebuild: bool = False) -> Published:
    """Bring DuckDB up to the lake and the metastore. Waits while another process publishes.

    ``home``: else ``TIDEMARK_HOME``, else ``./data``. ``rebuild`` starts from nothing. A damaged
    version is rebuilt without being asked.
    Raises ``StorageError``; the version that was live stays live.
    """
    home = home_of(home)
    with closing(Metastore(home)) as metastore, exclusive(home, "publish"):
        try:
            return _with_little_memory(home, metastore, rebuild)
        except duckdb.Error as error:
            if rebuild or "No space left" in str(error):
                raise StorageError(f"cannot publish {home / LINK}: {error}") from error
            try:  # a damaged version or a lake file that vanished: build it from the lake
                return _with_little_memory(home, metastore, rebuild=True)
            except duckdb.Error as again:
                raise StorageError(f"cannot publish {home / LINK}: {again}") from again
        except OSError as error:
            raise from_os_error(error, "cannot publish", home / LINK) from error


def _with_little_memory(home: Path, metastore: Metastore, rebuild: bool) -> Published:
    try:
        return _publish(home, metastore, rebuild, LOADING)
    except duckdb.OutOfMemoryException:  # rows wider than usual: what DuckDB takes by itself
        return _publish(home, metastore, rebuild, {**LOADING, "memory_limit": "80%"})


def _publish(home: Path, metastore: Metastore, rebuild: bool, loading: Config) -> Published:
    link = home / LINK
    folder = home / VERSIONS
    folder.mkdir(parents=True, exist_ok=True)
    current = None if rebuild or not link.exists() else link.resolve()
    remove_leftovers(home)
    number = 1 + max(
        (int(p.stem.split("-")[-1]) for p in folder.glob("warehouse-*.duckdb")), default=0
    )
    target = folder / f"warehouse-{number:08d}.duckdb"
    building = target.with_suffix(".building")
    if current is not None and not is_outdated(current, metastore):
        counts = _counts(current)
        return Published(link, False, counts, counts)
    try:
        if current is not None:
            shutil.copyfile(current, building)
        else:
            building.write_bytes(template_database(folder))
        with writable(building) as place, duckdb.connect(str(place), config=loading) as db:
            db.execute("SET TimeZone = 'UTC'")
            db.execute("SET enable_progress_bar = false")
            before = dict.fromkeys(_counted(), 0)
            if current is not None:
                update_catalog(db)
                before = _row_counts(db)
            _apply(db, home, metastore)
            after = _row_counts(db)
            db.execute("CHECKPOINT")
        _fsync(building)
        os.replace(building, target)
        _point(link, target)
    except BaseException:
        with suppress(OSError):
            _remove(folder, f"{building.name}*")
        raise
    for old in sorted(folder.glob("warehouse-*.duckdb"))[:-_KEEP]:
        with suppress(OSError):
            old.unlink()
    return Published(link, True, before, after)


def _apply(db: duckdb.DuckDBPyConnection, home: Path, metastore: Metastore) -> None:
    """One transaction: changed groups, coverage, and the mark up to which changes are in."""
    identity = metastore.identity()
    mark, loaded = _mark(db, identity)
    # coverage first: rows committed while this runs may be in, but coverage never precedes rows
    state_mark, coverage = metastore.state_mark(), coverage_rows(metastore)
    groups, newest = _changed(metastore, mark)
    db.execute("BEGIN")
    for declared in DATASETS.values():
        mine = [g for g in groups if g.dataset is declared]
        if mine:
            _load(db, home, declared, mine, replace=bool(loaded))
    db.register("coverage_now", coverage)
    db.execute("DELETE FROM coverage")
    db.execute("INSERT INTO coverage SELECT * FROM coverage_now")
    db.unregister("coverage_now")
    db.execute("DELETE FROM _tidemark.loaded")
    db.execute("INSERT INTO _tidemark.loaded VALUES (?, ?, ?)", [newest, state_mark, identity])
    db.execute("COMMIT")


def _load(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    declared: Dataset,
    groups: Sequence[_Group],
    *,
    replace: bool,
) -> None:
    if replace:
        for group in groups:
            where, values = _where(declared, group)
            db.execute(f'DELETE FROM "{declared.name}" WHERE {where}', values)
    paths = [str(literal(home) / p) for g in groups for p in g.paths]
    if not paths:
        return
    hive = ", ".join(f"'{name}': VARCHAR" for name in declared.partition)
    columns = ", ".join(f'"{name}"' for name in declared.schema.names)
    db.execute(
        f'INSERT INTO "{declared.name}" SELECT {columns} FROM'
        f" read_parquet(?, hive_partitioning = true, hive_types = {{{hive}}})",
        [paths],
    )


def _where(declared: Dataset, group: _Group) -> tuple[str, list[object]]:
    """The rows that the files of ``group`` hold, and no others."""
    if declared.name == "quarantine":
        return "exchange = ? AND dataset = ?", [group.stream.exchange, group.stream.source]
    terms: list[str] = []
    values: list[object] = []
    for column in ("exchange", "symbol", "account", "timeframe"):
        value = getattr(group.stream, column)
        if value is not None:
            terms.append(f"{column} = ?")
            values.append(value)
    low, high = period_bounds(declared, group.period)
    terms.append(f"{declared.time_column} >= make_timestamptz(?)")
    terms.append(f"{declared.time_column} < make_timestamptz(?)")
    return " AND ".join(terms), [*values, low, high]


def _changed(metastore: Metastore, mark: int) -> tuple[list[_Group], int]:
    """Groups with a file written after ``mark``, and the newest change there is."""
    newest = metastore.newest_change()
    groups: dict[tuple[StreamId, str], list[str]] = {}
    for stream, period, path in metastore.changed_files(mark):
        groups.setdefault((stream, period), []).extend([path] if path else [])
    return [
        _Group(dataset(stream.dataset), stream, period, tuple(found))
        for (stream, period), found in groups.items()
    ], newest


def _mark(db: duckdb.DuckDBPyConnection, identity: int) -> tuple[int, bool]:
    """The newest change loaded, and whether anything is.

    After another metastore than this one, all that this one knows is loaded again.
    """
    row = db.execute("SELECT change, metastore FROM _tidemark.loaded").fetchone()
    if row is None:
        return 0, False
    return (row[0] if row[1] == identity else 0), True


def is_outdated(current: Path, metastore: Metastore) -> bool:
    """Whether the version ``current`` lacks anything that lake, metastore or program now have."""
    with readable(current) as place, duckdb.connect(str(place), read_only=True) as db:
        row = db.execute("SELECT * FROM _tidemark.loaded").fetchone()
        if not catalog.is_current(db):
            return True
    return row != (metastore.newest_change(), metastore.state_mark(), metastore.identity())


def _row_counts(db: duckdb.DuckDBPyConnection) -> dict[str, int]:
    names = _counted()
    counts = ", ".join(f'(SELECT count(*) FROM "{name}")' for name in names)
    row = db.execute(f"SELECT {counts}").fetchone()
    assert row is not None
    return dict(zip(names, row, strict=True))


def _counted() -> list[str]:
    return [*DATASETS, "coverage"]


def _counts(path: Path) -> dict[str, int]:
    with readable(path) as place, duckdb.connect(str(place), read_only=True) as db:
        return _row_counts(db)


def remove_superseded(home: Path) -> list[Path]:
    """Remove every version but the one that is live; the paths that were there.

    A session that has one of them open keeps it until it ends.
    """
    with exclusive(home, "publish"):
        live = (home / LINK).resolve()
        found = [p for p in (home / VERSIONS).glob("warehouse-*.duckdb") if p != live]
        if not live.exists():
            return []
        for path in found:
            path.unlink()
    return found


def remove_leftovers(home: Path) -> list[Path]:
    """Remove what a publish that broke off left: copies, links. To be called under its lock."""
    return [
        *_remove(home / VERSIONS, "*.building*"),
        *_remove(home, f".{LINK}.*.tmp"),
    ]


def _remove(folder: Path, pattern: str) -> list[Path]:
    """Remove a copy, its log, its folder of spilled data; the paths that were there."""
    found = list(folder.glob(pattern))
    for leftover in found:
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()
    return found


def _fsync(path: Path) -> None:
    with path.open("rb+") as handle:
        os.fsync(handle.fileno())


def _point(link: Path, target: Path) -> None:
    """Move the link in one step; relative, so that the whole home can be moved."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target.relative_to(link.parent))
    os.replace(temporary, link)
    files.sync_folder(target.parent)
    files.sync_folder(link.parent)
