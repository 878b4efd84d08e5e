"""Read the files of one stream from end to end: schema, order, keys, values, checksums.

Memory is bounded: one file's keys at a time in Arrow, the rest as aggregates in DuckDB, which
spills to disk. Nothing in the metastore is trusted here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas import DATASETS, Dataset, StreamId
from schemas.wording import count
from warehouse import files
from warehouse.costs import cost
from warehouse.duckdb_files import literal
from warehouse.merge import order_columns, row_keys
from warehouse.metastore import FileRecord
from warehouse.paths import LakePath, period_bounds
from warehouse.verification.contents import Contents
from warehouse.verification.report import Verification, short
from warehouse.verification.values import PRODUCT, conditions, irregular

FIX: Final = (
    "restore the file from a backup; or move it out of the lake, then run `tidemark rebuild` "
    "(which invalidates coverage without rows) and `tidemark pull` (which fetches it again)"
)
_BATCH: Final = 500
"""Files in one query."""


@dataclass
class Facts:
    """What the files of one stream hold. ``sums``: rows and checksum of each readable file."""

    stream: StreamId
    records: dict[str, FileRecord] = field(default_factory=dict)
    sums: dict[str, tuple[int, int]] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)
    open_candles: list[int] = field(default_factory=list)
    changes: dict[str, int] = field(default_factory=dict)
    """Per period: the newest change that the metastore knew when the files were read."""

    @property
    def declared(self) -> Dataset:
        """The stream's dataset."""
        return DATASETS[self.stream.dataset]


def scan(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    stream: StreamId,
    contents: Contents,
    seen_at: int,
    report: Verification,
) -> Facts:
    """Read all files of ``stream``; findings go to ``report``, the rest is returned."""
    facts = Facts(stream, bad=set(contents.damaged))
    report.count("files", files=len(contents.files) + len(contents.damaged))
    for path in contents.files:
        record = _read_keys(home, facts, path, contents.digests[path.path], report)
        if record is not None:
            facts.records[path.path] = record
    readable = list(facts.records)
    for start in range(0, len(readable), _BATCH):
        _read_values(db, home, facts, readable[start : start + _BATCH], seen_at, report)
    _across_files(db, home, facts, report)
    rows = sum(n for n, _ in facts.sums.values())
    report.count("files", rows=rows, bytes=sum(r.bytes for r in facts.records.values()))
    report.count("files", streams=1)
    report.count("keys", rows=rows)
    report.count("rows", rows=rows)
    report.count("values", rows=rows)
    return facts


def hash_of(declared: Dataset) -> str:
    """SQL: a number per row of the columns that a file holds; summed, it depends on no order."""
    columns = ", ".join(f'"{name}"' for name in declared.file_schema.names)
    return f"sum(hash({columns})::HUGEINT)"


def parquet(home: Path, paths: Sequence[str]) -> str:
    """SQL: the rows of some lake files, with ``filename``, as the files themselves hold them."""
    listed = ", ".join("'" + str(literal(home) / p).replace("'", "''") + "'" for p in paths)
    return f"read_parquet([{listed}], hive_partitioning = false, filename = true)"


def _read_keys(
    home: Path, facts: Facts, path: LakePath, digest: str, report: Verification
) -> FileRecord | None:
    """Schema, order, keys and period of one file; its record, or ``None`` if it is unusable."""
    declared, full = facts.declared, home / path.path
    wanted = dict.fromkeys([*declared.order, *declared.key, declared.time_column])
    names = [n for n in wanted if n in declared.file_schema.names]
    try:
        with pa.OSFile(str(full)) as source, pq.ParquetFile(source) as file:
            problem = _schema_problem(declared, file.schema_arrow)
            if problem is None:
                table = file.read(columns=names)
                record = files.describe(declared, home, path.path, path.period, table, digest)
    except (OSError, ValueError, pa.ArrowException) as error:
        problem = f"cannot be read ({short(error)})"
    if problem is not None:
        facts.bad.add(path.path)
        report.error("files", path.path, problem, FIX)
        return None
    if not table.num_rows:
        return record
    low, high = period_bounds(declared, path.period)
    least, greatest = record.min_time, record.max_time
    if least is None or greatest is None or least < low or greatest >= high:
        facts.bad.add(path.path)
        report.error("rows", path.path, f"holds rows outside of {path.period}", FIX)
    if not _in_order(declared, table):
        facts.bad.add(path.path)
        report.error("rows", path.path, f"is not in order of {', '.join(declared.order)}", FIX)
    repeated = table.num_rows - _distinct(declared, table)
    if repeated:
        facts.bad.add(path.path)
        report.error("keys", path.path, f"{count(repeated, 'row')} whose key it holds before", FIX)
    return record


def _schema_problem(declared: Dataset, found: pa.Schema) -> str | None:
    wanted = declared.file_schema
    if found.names != wanted.names:
        return f"has the columns {', '.join(found.names)} instead of {', '.join(wanted.names)}"
    wrong = [
        f"{f.name} is {f.type} instead of {w.type}"
        for f, w in zip(found, wanted, strict=True)
        if f.type != w.type
    ]
    return "; ".join(wrong) or None


def _in_order(declared: Dataset, table: pa.Table) -> bool:
    tied = pa.array(np.ones(max(0, table.num_rows - 1), bool))
    for chunked in order_columns(declared, table):
        column = chunked.combine_chunks()
        before, after = column.slice(0, len(tied)), column.slice(1)
        if pc.any(pc.and_(tied, pc.greater(before, after))).as_py():
            return False
        tied = pc.and_(tied, pc.equal(before, after))
    return True


def _distinct(declared: Dataset, table: pa.Table) -> int:
    in_file = [n for n in declared.key if n not in (*declared.partition, *declared.stream_columns)]
    numbers = files.key_numbers(declared, table)
    if numbers is not None and len(in_file) == 1:
        return len(np.unique(numbers.to_numpy()))
    (keys,) = row_keys(declared, table)
    return int(pc.count_distinct(keys).as_py())


def _read_values(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    facts: Facts,
    paths: Sequence[str],
    seen_at: int,
    report: Verification,
) -> None:
    declared = facts.declared
    bad = conditions(declared, facts.stream, seen_at)
    product = any("product" in condition for condition in bad.values())
    source = parquet(home, paths)
    if product:
        source = f"(SELECT *, {PRODUCT} AS product FROM {source})"
    counts = "".join(f", count(*) FILTER ({condition})" for condition in bad.values())
    too_large = ", count(*) FILTER (product IS NULL)" if product else ""
    query = (
        f"SELECT filename, count(*), {hash_of(declared)}{counts}{too_large}"
        f" FROM {source} GROUP BY filename"
    )
    try:
        rows = db.execute(query).fetchall()
    except duckdb.Error as error:
        if len(paths) == 1:
            facts.bad.add(paths[0])
            facts.records.pop(paths[0])
            report.error("files", paths[0], f"cannot be read ({short(error)})", FIX)
            return
        for path in paths:  # find out which of them it is
            _read_values(db, home, facts, [path], seen_at, report)
        return
    for filename, rows_held, checksum, *wrong in rows:
        path = Path(filename).relative_to(literal(home)).as_posix()
        facts.sums[path] = (rows_held, checksum)
        if product and wrong.pop():
            _check_large_costs(db, home, facts, path, report)
        for (meaning, condition), number in zip(bad.items(), wrong, strict=True):
            if number:
                facts.bad.add(path)
                example = _example(db, home, facts, path, condition, product)
                report.error(
                    "values", path, f"{count(number, 'row')} where {meaning}{example}", FIX
                )
    if declared.name == "candles":
        found = db.execute(
            f"SELECT epoch_us(timestamp) FROM {parquet(home, paths)} WHERE NOT is_final"
        ).fetchall()
        facts.open_candles += [t for (t,) in found]
        odd = f"SELECT count(*) FROM {parquet(home, paths)} WHERE {irregular(facts.stream)}"
        report.count("values", irregular=db.execute(odd).fetchall()[0][0])


def _example(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    facts: Facts,
    path: str,
    condition: str,
    product: bool,
) -> str:
    names = [n for n in facts.declared.key if n in facts.declared.file_schema.names]
    columns = ", ".join(f'"{n}"::VARCHAR' for n in names)
    more = f", {PRODUCT} AS product" if product else ""
    row = db.execute(
        f"SELECT {columns} FROM (SELECT *{more} FROM {parquet(home, [path])})"
        f" WHERE {condition} ORDER BY ALL LIMIT 1"
    ).fetchone()
    if row is None:
        return ""
    return f" (first: {', '.join(f'{n} {v}' for n, v in zip(names, row, strict=True))})"


def _check_large_costs(
    db: duckdb.DuckDBPyConnection, home: Path, facts: Facts, path: str, report: Verification
) -> None:
    """Rows whose product has more digits than DuckDB multiplies: one by one, exactly."""
    cursor = db.execute(
        f"SELECT price, amount, cost FROM {parquet(home, [path])} WHERE {PRODUCT} IS NULL"
    )
    wrong = 0
    for price, amount, stored in cursor.fetchall():
        if price is not None and amount is not None:
            wrong += stored != cost(price, amount)
    if wrong:
        facts.bad.add(path)
        report.error("values", path, f"{count(wrong, 'row')} where cost is not price * amount", FIX)


def _across_files(
    db: duckdb.DuckDBPyConnection, home: Path, facts: Facts, report: Verification
) -> None:
    """Keys held by two files. Files whose key ranges do not meet cannot share one."""
    declared = facts.declared
    suspects = _meeting(list(facts.records.values()), by_time=declared.time_column in declared.key)
    if not suspects:
        return
    names = [f'"{n}"' for n in declared.key if n in declared.file_schema.names]
    found = db.execute(
        f"SELECT {', '.join(f'{n}::VARCHAR' for n in names)}, list(DISTINCT filename)"
        f" FROM {parquet(home, suspects)} GROUP BY {', '.join(names)}"
        " HAVING count(DISTINCT filename) > 1 ORDER BY ALL"
    ).fetchmany(1000)
    pairs: dict[tuple[str, ...], list[str]] = {}
    for *key, holders in found:
        where = tuple(sorted(Path(f).relative_to(literal(home)).as_posix() for f in holders))
        pairs.setdefault(where, []).append(" ".join(key))
    for where, keys in pairs.items():
        facts.bad |= set(where)
        report.error(
            "keys",
            " and ".join(where),
            f"{count(len(keys), 'key')} in both (first: {keys[0]})",
            FIX,
        )


def _meeting(records: Sequence[FileRecord], *, by_time: bool) -> list[str]:
    """Paths of files whose key ranges overlap another's. ``by_time``: the time is in the key."""
    held = [r for r in records if r.rows]
    if by_time:
        times = [replace(r, min_key=r.min_time, max_key=r.max_time) for r in held]
        held = [r for r in times if r.min_key is not None]
    if any(r.min_key is None for r in held):
        return [r.path for r in held] if len(held) > 1 else []
    ordered = sorted(held, key=lambda r: (r.min_key or 0, r.max_key or 0))
    found: set[str] = set()
    top: FileRecord | None = None
    for record in ordered:
        if top is not None and (record.min_key or 0) <= (top.max_key or 0):
            found |= {top.path, record.path}
        if top is None or (record.max_key or 0) > (top.max_key or 0):
            top = record
    return sorted(found)
