"""Load changed lake files into a version of the DuckDB file.

A table that cannot be loaded keeps the rows that it has, with their coverage; the other tables are
loaded, and the next publish tries it again. A lake file that does not hold what was written is
never loaded.
"""

from collections.abc import Sequence, Set
from contextlib import suppress
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from schemas import DATASETS, TABLES, Dataset, dataset
from warehouse import catalog, files, linked, published
from warehouse.coverage_table import coverage_rows
from warehouse.duckdb_files import literal, open_read_only
from warehouse.errors import StorageError
from warehouse.lake_migration import SCHEMAS, is_older
from warehouse.metastore import FileRecord, Metastore
from warehouse.paths import LakePath
from warehouse.published import Published
from warehouse.sound import Busy, Group, sound, stream_columns
from warehouse.table_update import columns_of, insert, to_compare, update, where_of
from warehouse.template import LOADING, create_table, update_catalog
from warehouse.versions import Start, Versions

_MUCH: Final = 64 * 1024 * 1024
_OF_THE_COPY: Final = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.SerializationException,
)
"""What DuckDB raises for a file of its own that is damaged, or a disk that is full."""


def bring_up_to_date(
    home: Path,
    versions: Versions,
    metastore: Metastore,
    starts: Sequence[Start],
    large: Set[str] = frozenset(),
) -> Published:
    """Publish what changed, out of the first of ``starts`` that can be used.

    ``large``: the datasets that are to be views on lake files. The caller holds the lock
    ``publish``. Raises ``StorageError``, ``OSError``.
    """
    for start in starts:
        try:
            done = _publish(home, versions, metastore, start, large)
        except duckdb.Error as error:
            if start is Start.NOTHING or "No space left" in str(error):
                raise StorageError(f"cannot publish {versions.link}: {error}") from error
            continue  # a damaged version: try the next, in the end the lake alone
        if done is not None:
            return done
    raise AssertionError("unreachable")


def _publish(
    home: Path, versions: Versions, metastore: Metastore, start: Start, large: Set[str]
) -> Published | None:
    """Publish what changed; ``None`` where that needs another start."""
    before = dict.fromkeys(TABLES, 0)
    live = versions.live()
    if start is not Start.NOTHING and live is not None:
        with open_read_only(live) as db:
            with suppress(duckdb.CatalogException):  # an older version lacks some tables
                before = _row_counts(db)
            marks = metastore.newest_change(), metastore.state_mark()
            is_current = not is_outdated(db, metastore, large, marks)
        if is_current:
            published.record(metastore, live, large, *marks, before)
            return Published(versions.link, False, before, before)
    with versions.building(start) as built:
        if built is None:
            return None
        db, building = built
        db.execute("SET TimeZone = 'UTC'")
        db.execute("SET enable_progress_bar = false")
        if start is Start.OLDER and not _is_of(db, metastore):
            return None  # the live version may have rows that this metastore does not know
        if start is not Start.NOTHING:
            if _is_mostly_free(db):
                return None
            update_catalog(db)
        changed, left, failed, marks = _apply(db, home, metastore, large)
        after = _row_counts(db)
        links = [path for (path,) in db.execute("SELECT path FROM _tidemark.view_links").fetchall()]
        db.execute("CHECKPOINT")
    if left and start is Start.OLDER:  # the live version has newer rows of those tables
        return None
    changed = changed or start is Start.NOTHING
    if changed:  # else it has nothing that the live version lacks
        live = versions.publish(building, links)
        published.record(metastore, live, large, *marks, after)
    if failed:
        names = "; ".join(f"{name} ({problem})" for name, problem in failed.items())
        raise StorageError(f"cannot publish {names}. All other tables are published")
    return Published(versions.link, changed, before, after)


def _apply(
    db: duckdb.DuckDBPyConnection, home: Path, metastore: Metastore, large: Set[str]
) -> tuple[bool, list[str], dict[str, str], tuple[int, int]]:
    """Load what changed, table by table.

    Gives whether anything did, the tables that were not loaded, why, of those that failed, and up
    to which changes of files and of coverage all is in.

    Coverage and the mark up to which changes are in come last; the coverage of a table that was not
    loaded stays with its rows as they are.
    """
    identity = metastore.identity()
    mark, loaded = _mark(db, identity)
    # coverage first: rows committed while this runs may be in, but coverage never precedes rows
    state_mark, coverage = metastore.state_mark(), coverage_rows(metastore)
    newest = metastore.newest_change()  # before the files: what comes in between is loaded again
    groups = [Group(*of, tuple(found)) for of, found in metastore.changed_files(mark).items()]
    left: list[str] = []
    failed: dict[str, str] = {}
    turned = _turned(db, home, large)
    tables = sorted({g.stream.dataset for g in groups} | turned, key=list(DATASETS).index)
    for name in tables:
        mine = [g for g in groups if g.stream.dataset == name]
        if name in large or name in turned:
            mine = [Group(*of, tuple(found)) for of, found in metastore.groups(name).items()]
        try:
            if name in large:
                _view(db, home, metastore, DATASETS[name], mine)
            else:
                is_new = not loaded or name in turned
                _load(db, home, metastore, DATASETS[name], mine, mark, is_loaded=not is_new)
        except Busy:
            left.append(name)
        except _OF_THE_COPY:
            raise
        except (duckdb.Error, StorageError) as error:
            left.append(name)
            failed[name] = " ".join(str(error).split())
    if left:
        newest = mark  # the next publish loads them
    db.register("coverage_now", coverage)
    db.execute("BEGIN")
    db.execute("DELETE FROM coverage WHERE NOT list_contains(?, dataset)", [left])
    db.execute(
        "INSERT INTO coverage SELECT * FROM coverage_now WHERE NOT list_contains(?, dataset)",
        [left],
    )
    db.execute("DELETE FROM _tidemark.loaded")
    db.execute("INSERT INTO _tidemark.loaded VALUES (?, ?, ?)", [newest, state_mark, identity])
    db.execute("COMMIT")
    db.unregister("coverage_now")
    return len(left) < max(1, len(tables)), left, failed, (newest, state_mark)


def _load(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    metastore: Metastore,
    declared: Dataset,
    groups: Sequence[Group],
    mark: int,
    *,
    is_loaded: bool,
) -> None:
    """Let the table hold the rows of ``groups`` as their files do. ``mark``: what it has already.

    Rows that the table has already stay where they are: a load writes what changed, not the files
    that hold it. Where streams share parts of the table, and where an older version wrote a file,
    the whole groups are replaced.
    """
    sound = [_sound(home, metastore, declared, group, mark) for group in groups]
    older: list[tuple[Group, FileRecord]] = []
    if metastore.lake_schemas() != SCHEMAS:  # of streams that were written when it was migrated
        older = [(g, f) for g in sound for f in g.files if is_older(home, _lake_path(g, f))]
    odd = {(group.stream, group.period) for group, _ in older}
    whole = [
        group
        for group in sound
        if not is_loaded or declared.shares_parts or (group.stream, group.period) in odd
    ]
    compared = [group for group in sound if group not in whole]
    paths = [str(literal(home) / f.path) for g in whole for f in g.files if (g, f) not in older]
    for memory in (LOADING["memory_limit"], "80%"):  # wide rows: what DuckDB takes by itself
        db.execute(f"SET memory_limit = '{memory}'")
        db.execute("BEGIN")
        try:
            if declared.name in catalog.views_held(db):
                _forget_view(db, declared)
                db.execute(create_table(declared.name))
                for comment in catalog.table_comments(declared, is_view=False):
                    db.execute(comment)
            for group in whole if is_loaded else ():
                where, values = where_of(declared, group.stream, group.period)
                db.execute(f'DELETE FROM "{declared.name}" WHERE {where}', values)
            update(db, home, declared, compared, mark)
            insert(db, declared, paths)
            for group, file in older:
                db.register("older_rows", _whole_rows(home, group, file))
                columns = columns_of(declared)
                db.execute(f'INSERT INTO "{declared.name}" SELECT {columns} FROM older_rows')
                db.unregister("older_rows")
            db.execute("COMMIT")
            return
        except duckdb.Error as error:
            with suppress(duckdb.Error):
                db.execute("ROLLBACK")
            if memory == "80%" or not isinstance(error, duckdb.OutOfMemoryException):
                raise


def _turned(db: duckdb.DuckDBPyConnection, home: Path, large: Set[str]) -> set[str]:
    """The tables to be views that are none here, or of a home elsewhere; views to be tables."""
    held, place = catalog.views_held(db), str(home.absolute())
    here = {name for name, (_, where) in held.items() if where == place}
    return {*(large - here), *(held.keys() - large)}


def _view(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    metastore: Metastore,
    declared: Dataset,
    groups: Sequence[Group],
) -> None:
    """Let the table be a view on the files of ``groups``, which are all. Raises as ``_load``."""

    def unlinked(found: Sequence[FileRecord]) -> Sequence[FileRecord]:
        return [file for file in found if not (home / linked.link_path(file)).exists()]

    whole = [sound(home, metastore, group, unlinked) for group in groups]
    held = [file for group in whole for file in group.files]
    links, rows = linked.link(home, held), sum(file.rows for file in held)
    db.execute("BEGIN")
    try:
        if declared.name in catalog.views_held(db):
            _forget_view(db, declared)
        else:
            db.execute(f'DROP TABLE main."{declared.name}"')
        db.execute(linked.view_of(home, declared, links))
        for comment in catalog.table_comments(declared, is_view=True):
            db.execute(comment)
        place = str(home.absolute())
        db.execute(
            "INSERT INTO _tidemark.view_tables VALUES (?, ?, ?)", [declared.name, rows, place]
        )
        db.execute(
            "INSERT INTO _tidemark.view_links SELECT ?, unnest(?::VARCHAR[])",
            [declared.name, links],
        )
        db.execute("COMMIT")
    except duckdb.Error:
        with suppress(duckdb.Error):
            db.execute("ROLLBACK")
        raise


def _forget_view(db: duckdb.DuckDBPyConnection, declared: Dataset) -> None:
    db.execute(f'DROP VIEW main."{declared.name}"')
    for table in ("view_tables", "view_links"):
        db.execute(f"DELETE FROM _tidemark.{table} WHERE dataset = ?", [declared.name])


def _lake_path(group: Group, file: FileRecord) -> LakePath:
    return LakePath(file.path, group.stream, group.period, temporary=False)


def _whole_rows(home: Path, group: Group, file: FileRecord) -> pa.Table:
    """The rows of a file that an older version wrote, with those columns that its path names."""
    declared = dataset(group.stream.dataset)
    rows = files.read(declared, home / file.path)
    return files.with_path_columns(declared, rows, stream_columns(declared, group.stream))


def _sound(home: Path, metastore: Metastore, declared: Dataset, group: Group, mark: int) -> Group:
    """``group`` as the metastore has it now; what a table that has all up to ``mark`` needs of it
    is as it was written. Raises ``StorageError``, ``Busy``.
    """

    def read(found: Sequence[FileRecord]) -> Sequence[FileRecord]:
        if declared.shares_parts:
            return found
        return to_compare(declared, group.period, found, mark)[0]

    return sound(home, metastore, group, read)


def _mark(db: duckdb.DuckDBPyConnection, identity: int) -> tuple[int, bool]:
    """The newest change loaded, and whether anything is.

    After another metastore than this one, all that this one knows is loaded again.
    """
    rows = db.execute("SELECT change, metastore FROM _tidemark.loaded").fetchall()
    if not rows:
        return 0, False
    return (rows[0][0] if rows[0][1] == identity else 0), True


def is_outdated(
    db: duckdb.DuckDBPyConnection,
    metastore: Metastore,
    large: Set[str],
    marks: tuple[int, int] | None = None,
) -> bool:
    """Whether a version lacks anything that lake, metastore or program now have.

    ``large``: the datasets that are to be views. ``marks``: of the newest change of files and of
    coverage, where they are known.
    """
    marks = marks or (metastore.newest_change(), metastore.state_mark())
    row = db.execute("SELECT * FROM _tidemark.loaded").fetchone()
    if row != (*marks, metastore.identity()) or not catalog.is_current(db):
        return True
    return bool(_turned(db, metastore.home, large))


def _is_of(db: duckdb.DuckDBPyConnection, metastore: Metastore) -> bool:
    """Whether all rows of ``db`` were loaded by ``metastore``, or before it by another one."""
    row = db.execute("SELECT metastore FROM _tidemark.loaded").fetchone()
    return row == (metastore.identity(),)


def _is_mostly_free(db: duckdb.DuckDBPyConnection) -> bool:
    """Whether more than half of a file, and not little, is blocks that hold nothing any more.

    DuckDB uses them for new rows, and gives none back.
    """
    sizes = db.execute(
        "SELECT block_size, total_blocks, free_blocks FROM pragma_database_size()"
    ).fetchone()
    size, total, free = sizes or (0, 0, 0)
    return bool(free * 2 > total and free * size > _MUCH)


def _row_counts(db: duckdb.DuckDBPyConnection) -> dict[str, int]:
    views = {name: rows for name, (rows, _) in catalog.views_held(db).items()}
    counts = ", ".join(f'(SELECT count(*) FROM "{name}")' for name in TABLES if name not in views)
    found = db.execute(f"SELECT {counts}").fetchone() or ()
    counted = iter(found)
    return {name: views[name] if name in views else next(counted) for name in TABLES}
