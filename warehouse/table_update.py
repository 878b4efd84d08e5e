"""Bring the rows of a table up to lake files by comparing them: what is the same stays.

A load then writes what changed, whatever the files hold besides. Rows are compared by hashes of all
their columns, as ``tidemark verify`` compares them.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from schemas import Dataset, StreamId
from warehouse.duckdb_files import literal
from warehouse.metastore import FileRecord
from warehouse.paths import period_bounds
from warehouse.sound import Group, stream_columns

Stretch = tuple[int, int]
"""Times in microseconds, the end exclusive."""
_BOUNDS: Final = (("number", pa.int64()), ("low", pa.int64()), ("high", pa.int64()))


def where_of(declared: Dataset, stream: StreamId, period: str) -> tuple[str, list[object]]:
    """SQL and its values: the rows of one stream and period, and no others.

    Where streams share a part of the table: the rows of all of them.
    """
    if declared.name == "quarantine":
        return "exchange = ? AND dataset = ?", [stream.exchange, stream.source]
    given = stream_columns(declared, stream)
    low, high = period_bounds(declared, period)
    terms = [f"{column} = ?" for column in given]
    terms.append(f"{declared.time_column} >= make_timestamptz(?)")
    terms.append(f"{declared.time_column} < make_timestamptz(?)")
    return " AND ".join(terms), [*given.values(), low, high]


def insert(db: duckdb.DuckDBPyConnection, declared: Dataset, paths: Sequence[str]) -> None:
    """Load whole files."""
    if paths:
        db.execute(
            f'INSERT INTO "{declared.name}" SELECT {columns_of(declared)} FROM {_files(declared)}',
            [list(paths)],
        )


def columns_of(declared: Dataset) -> str:
    """The columns of a table, for SQL."""
    return ", ".join(f'"{name}"' for name in declared.schema.names)


def _files(declared: Dataset) -> str:
    hive = ", ".join(f"'{name}': VARCHAR" for name in declared.partition)
    return f"read_parquet(?, hive_partitioning = true, hive_types = {{{hive}}})"


# -- what to compare ------------------------------------------------------------------------------


def to_compare(
    declared: Dataset, period: str, found: Sequence[FileRecord], mark: int
) -> tuple[list[FileRecord], list[Stretch]]:
    """Of the files of one stream and period: those to compare with a table that has all up to
    ``mark``, and the stretches of time to compare.

    Those are all of the period but for the times of files that did not change. Such a file is
    compared all the same where another one that did change reaches into its times.
    """
    compared = [f for f in found if f.change > mark]
    others = [f for f in found if f.change <= mark]
    while met := [f for f in others if any(_meet(f, other) for other in compared)]:
        compared += met
        others = [f for f in others if f not in met]
    low, high = period_bounds(declared, period)
    stretches: list[Stretch] = []
    for file in sorted(others, key=lambda f: f.min_time or 0):
        stretches.append((low, file.min_time or 0))
        low = max(low, (file.max_time or 0) + 1)
    return compared, [(a, b) for a, b in (*stretches, (low, high)) if a < b]


def _meet(one: FileRecord, other: FileRecord) -> bool:
    """Whether the times of two files may overlap."""
    if one.min_time is None or one.max_time is None:
        return True
    if other.min_time is None or other.max_time is None:
        return True
    return one.min_time <= other.max_time and other.min_time <= one.max_time


# -- comparing ------------------------------------------------------------------------------------


def update(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    declared: Dataset,
    groups: Sequence[Group],
    mark: int,
) -> None:
    """Bring the rows of ``groups`` in a table that has all up to ``mark`` to those of their files.

    Inside the caller's transaction.
    """

    def columns(group: Group) -> tuple[str, ...]:
        return tuple(stream_columns(declared, group.stream))

    for _, alike in groupby(sorted(groups, key=columns), columns):
        _update(db, home, declared, list(alike), mark)


def _update(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    declared: Dataset,
    groups: Sequence[Group],
    mark: int,
) -> None:
    parts = [to_compare(declared, group.period, group.files, mark) for group in groups]
    paths = [[str(literal(home) / f.path) for f in compared] for compared, _ in parts]
    _hold(db, declared, groups, [stretches for _, stretches in parts])
    known = {n for (n,) in db.execute("SELECT DISTINCT number FROM held_rows").fetchall()}
    _compare(db, declared, [p for number in known for p in paths[number]])
    db.execute("DROP TABLE held_rows")
    whole = [p for number, found in enumerate(paths) if number not in known for p in found]
    for group, (compared, _) in zip(groups, parts, strict=True):
        if len(compared) < len(group.files) and not _has_all(db, declared, group):
            # a file that changed had rows among those of another one: all are loaded again
            where, values = where_of(declared, group.stream, group.period)
            db.execute(f'DELETE FROM "{declared.name}" WHERE {where}', values)
            every = [str(literal(home) / f.path) for f in group.files]
            whole = [p for p in whole if p not in every] + every
    insert(db, declared, whole)


def _hold(
    db: duckdb.DuckDBPyConnection,
    declared: Dataset,
    groups: Sequence[Group],
    stretches: Sequence[Sequence[Stretch]],
) -> None:
    """Make ``held_rows``: of each row that the table has in ``stretches`` the number of its group,
    its place in the table, and the hash of its columns.
    """
    names = [*stream_columns(declared, groups[0].stream)]
    rows = [
        (*stream_columns(declared, group.stream).values(), number, low, high)
        for number, (group, found) in enumerate(zip(groups, stretches, strict=True))
        for low, high in found
    ]
    bounds = [bound for found in stretches for stretch in found for bound in stretch] or [0]
    schema = pa.schema([*((name, pa.string()) for name in names), *_BOUNDS])
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)]
    db.register("stretches", pa.Table.from_arrays(arrays, schema=schema))
    same = "".join(f't."{name}" = s."{name}" AND ' for name in names)
    time = f't."{declared.time_column}"'
    hashed = ", ".join(f't."{name}"' for name in declared.schema.names)
    db.execute(
        f"CREATE TEMP TABLE held_rows AS SELECT s.number, t.rowid AS place, hash({hashed}) AS h"
        f' FROM "{declared.name}" t JOIN stretches s ON {same}'
        f" {time} >= make_timestamptz(s.low) AND {time} < make_timestamptz(s.high)"
        # by the hull of all stretches whole row groups are passed over
        f" WHERE {time} >= make_timestamptz(?) AND {time} < make_timestamptz(?)",
        [min(bounds), max(bounds)],
    )
    db.unregister("stretches")


def _compare(db: duckdb.DuckDBPyConnection, declared: Dataset, paths: Sequence[str]) -> None:
    """Delete held rows that no file has, and insert rows of files that are not held."""
    stale = "SELECT place FROM held_rows"
    if paths:
        packed = ", ".join(f'"{name}" := "{name}"' for name in declared.schema.names)
        # the files are read once: a pull may put another one in its place meanwhile
        db.execute(
            "CREATE TEMP TABLE file_rows AS"
            f" SELECT h, CASE WHEN place IS NULL THEN struct_pack({packed}) END AS fresh"
            f" FROM (SELECT *, hash({columns_of(declared)}) AS h FROM {_files(declared)})"
            " LEFT JOIN held_rows USING (h)",
            [list(paths)],
        )
        stale += " WHERE h NOT IN (SELECT h FROM file_rows)"
    db.execute(f'DELETE FROM "{declared.name}" WHERE rowid IN ({stale})')
    if paths:
        fresh = ", ".join(f'fresh."{name}"' for name in declared.schema.names)
        db.execute(
            f'INSERT INTO "{declared.name}" SELECT {fresh} FROM file_rows WHERE fresh IS NOT NULL'
        )
        db.execute("DROP TABLE file_rows")


def _has_all(db: duckdb.DuckDBPyConnection, declared: Dataset, group: Group) -> bool:
    """Whether the table has as many rows of ``group`` as its files."""
    where, values = where_of(declared, group.stream, group.period)
    found = db.execute(f'SELECT count(*) FROM "{declared.name}" WHERE {where}', values).fetchone()
    return found == (sum(f.rows for f in group.files),)
