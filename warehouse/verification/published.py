"""Compare the published DuckDB file with the lake: columns, counts and checksums by partition.

A checksum is the sum of 64-bit hashes of all rows, independent of their order. DuckDB computes both
sides, each from its own rows.
"""

from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final

import duckdb

from schemas import COVERAGE, DATASETS, TABLES, Dataset, Period, StreamId
from warehouse import paths
from warehouse.catalog import TYPES
from warehouse.coverage_table import coverage_rows
from warehouse.duckdb_files import readable
from warehouse.loading import is_outdated
from warehouse.locks import exclusive
from warehouse.metastore import Metastore
from warehouse.paths import LINK
from warehouse.verification.report import Verification
from warehouse.verification.rows import Facts, hash_of

FIX: Final = "`tidemark rebuild`"

Group = tuple[str, str, str, str, str]
"""dataset, exchange, symbol or account (or quarantined dataset), timeframe, period."""
Sums = dict[Group, tuple[int, int]]


class Compared(Enum):
    """How far a comparison went."""

    ALL = auto()
    BEHIND = auto()
    """Lake or metastore hold what was not published yet: nothing was compared."""
    UNREADABLE = auto()
    """The file is lost or damaged."""


def compare(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    metastore: Metastore,
    facts: Mapping[StreamId, Facts],
    report: Verification,
    *,
    large: Set[str],
    current: bool,
) -> Compared:
    """Findings wherever DuckDB and the lake differ. Raises ``duckdb.Error`` for a damaged file.

    ``large``: the tables that are to be views. ``current``: not where the published file is behind.
    """
    # no other version is published meanwhile
    with exclusive(home, "publish"), readable(home / LINK) as place:
        path = str(place).replace("'", "''")
        db.execute(f"ATTACH '{path}' AS published (READ_ONLY)")
        try:
            if current and _is_behind(db, metastore, large):
                return Compared.BEHIND
            sound = _check_columns(db, report)
            _check_rows(db, metastore, facts, sound, report)
            if "coverage" in sound:
                _check_coverage(db, metastore, report)
        finally:
            db.execute("DETACH published")
    return Compared.ALL


def _is_behind(db: duckdb.DuckDBPyConnection, metastore: Metastore, large: Set[str]) -> bool:
    db.execute("USE published")
    try:
        return is_outdated(db, metastore, large)
    finally:
        db.execute("USE memory")


def _check_columns(db: duckdb.DuckDBPyConnection, report: Verification) -> list[str]:
    """Names of the tables whose columns are as contracted."""
    sound = []
    for name, table in TABLES.items():
        found: list[tuple[str, str]] = []
        with suppress(duckdb.CatalogException):  # duckdb_columns() would resolve every view
            columns = db.execute(f'FROM published.main."{name}" LIMIT 0').description or []
            found = [(column, str(kind)) for column, kind, *_ in columns]
        wanted = [(f.name, _duck_type(f.type)) for f in table.schema]
        report.count("duckdb", tables=1)
        if found == wanted:
            sound.append(name)
        elif not found:
            report.error("duckdb", f"{LINK} {name}", "the table is missing", FIX)
        else:
            wrong = ", ".join(f"{n} {t}" for n, t in found if (n, t) not in wanted)
            missing = ", ".join(f"{n} {t}" for n, t in wanted if (n, t) not in found)
            what = f"has other columns ({wrong or 'order'}) than contracted ({missing or 'order'})"
            report.error("duckdb", f"{LINK} {name}", what, FIX)
    return sound


def _duck_type(arrow: object) -> str:
    name = TYPES[str(arrow)]
    return {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}.get(name, name)


def _check_rows(
    db: duckdb.DuckDBPyConnection,
    metastore: Metastore,
    facts: Mapping[StreamId, Facts],
    sound: Sequence[str],
    report: Verification,
) -> None:
    row = db.execute("SELECT change FROM published._tidemark.loaded").fetchone()
    loaded = int(row[0]) if row else 0
    filled = _filled(db, sound)
    held = {
        name: sums_of(db, f'published."{name}"', DATASETS[name]) if name in filled else {}
        for name in DATASETS
        if name in sound
    }
    PublishedCopy("DuckDB", LINK, "duckdb", FIX).compare(metastore, facts, held, loaded, report)


@dataclass(frozen=True)
class PublishedCopy:
    """A published copy of the lake: what it is, its name, its check, and what mends it."""

    title: str
    name: str
    check: str
    fix: str

    def compare(
        self,
        metastore: Metastore,
        facts: Mapping[StreamId, Facts],
        tables: Mapping[str, Sums],
        loaded: int,
        report: Verification,
    ) -> None:
        """Findings wherever the sums of ``tables`` are not those of the lake files.

        ``loaded``: the copy holds all up to this change.
        """
        expected, owners, unknown = _lake_sums(facts)
        newest = max((c for f in facts.values() for c in f.changes.values()), default=0)
        for name, held in tables.items():
            mine = {g: s for g, s in expected.items() if g[0] == name}
            for group in sorted((mine.keys() | held.keys()) - unknown):
                lake, copy = mine.get(group, (0, 0)), held.get(group, (0, 0))
                report.count(self.check, partitions=1, rows=copy[0])
                if lake == copy:
                    continue
                where = f"{self.name} {_name(group)}"
                if _moved_on(metastore, owners.get(group, []), group[4], newest, loaded):
                    report.note(self.check, where, "was written while this ran: not compared")
                    continue
                what = f"{copy[0]} rows, the lake holds {lake[0]}"
                if lake[0] == copy[0]:
                    what = f"{copy[0]} rows like in the lake, but with other values"
                report.error(self.check, where, what, self.fix)

    def compare_coverage(
        self, held: Set[tuple[Any, ...]], wanted: Set[tuple[Any, ...]], report: Verification
    ) -> None:
        """Findings for rows of ``coverage`` that only one side has."""
        for row in sorted(held ^ wanted)[:10]:
            side = self.title if row in held else "the metastore"
            exchange, dataset, stream, low, high, unit, state, _ = row
            report.error(
                self.check,
                f"{self.name} coverage of {exchange}/{dataset} {stream}",
                f"only {side} says that {low}..{high} ({unit}) is {state}",
                self.fix,
            )


def _filled(db: duckdb.DuckDBPyConnection, names: Sequence[str]) -> set[str]:
    """The tables with a row. They are read for it: a count may come from the file's statistics."""
    looks = [f"SELECT '{n}' WHERE EXISTS (FROM published.main.\"{n}\")" for n in names]
    return (
        {name for (name,) in db.execute(" UNION ALL ".join(looks)).fetchall()} if looks else set()
    )


def _lake_sums(
    facts: Mapping[StreamId, Facts],
) -> tuple[Sums, dict[Group, list[Facts]], set[Group]]:
    """Sums of the files by group, whose files they are, and groups with a file that is damaged."""
    sums: Sums = {}
    owners: dict[Group, list[Facts]] = {}
    unknown: set[Group] = set()
    for held in facts.values():
        for path, (rows, checksum) in held.sums.items():
            group = _group_of(held, held.records[path].period)
            before = sums.get(group, (0, 0))
            sums[group] = (before[0] + rows, before[1] + checksum)
            owners.setdefault(group, []).append(held)
        for path in held.bad - held.sums.keys():  # named already: there is nothing to compare with
            lake_path = paths.parse(path)
            if lake_path is not None:
                unknown.add(_group_of(held, lake_path.period))
    return {g: s for g, s in sums.items() if s[0]}, owners, unknown


def _group_of(held: Facts, period: str) -> Group:
    stream = held.stream
    fields = {"symbol": stream.symbol, "account": stream.account}
    part = fields.get(held.declared.partition[-1]) or stream.source or ""
    timeframe = (stream.timeframe or "") if held.declared.stream_columns else ""
    return held.declared.name, stream.exchange, part, timeframe, period


def sums_of(db: duckdb.DuckDBPyConnection, relation: str, declared: Dataset) -> Sums:
    """Rows and checksum of each group that ``relation`` (SQL) holds."""
    part = "''"
    if declared.name == "quarantine":
        part = "dataset"
    elif declared.partition[1:]:
        part = declared.partition[1]
    timeframe = declared.stream_columns[0] if declared.stream_columns else "''"
    period = "0"
    if declared.period is not Period.ALL:
        period = f"epoch_us(date_trunc('{declared.period.value}', {declared.time_column}))"
    rows = db.execute(
        f"SELECT exchange, {part}, {timeframe}, {period}, count(*), {hash_of(declared)}"
        f" FROM {relation} GROUP BY 1, 2, 3, 4"
    ).fetchall()
    return {
        (declared.name, exchange, owner, frame, paths.period_of(declared, start)): (count, checksum)
        for exchange, owner, frame, start, count, checksum in rows
    }


def _moved_on(
    metastore: Metastore, owners: Sequence[Facts], period: str, newest: int, loaded: int
) -> bool:
    """Whether a pull wrote into the group after its files were read here."""
    if not owners:  # perhaps of a stream that is new
        return metastore.newest_change() > newest
    for held in owners:
        change = max((r.change for r in metastore.files(held.stream, period)), default=0)
        if change > min(held.changes.get(period, 0), loaded):
            return True
    return False


def _check_coverage(
    db: duckdb.DuckDBPyConnection, metastore: Metastore, report: Verification
) -> None:
    loaded = db.execute("SELECT state FROM published._tidemark.loaded").fetchone()
    columns = ", ".join(COVERAGE.schema.names)
    held = set(db.execute(f"SELECT {columns} FROM published.coverage").fetchall())
    wanted = {tuple(r.values()) for r in coverage_rows(metastore).to_pylist()}
    report.count("published_coverage", intervals=len(wanted))
    if held == wanted:
        return
    if loaded is None or loaded[0] != metastore.state_mark():
        report.note("published_coverage", LINK, "coverage was written while this ran: not compared")
        return
    PublishedCopy("DuckDB", LINK, "published_coverage", FIX).compare_coverage(held, wanted, report)


def _name(group: Group) -> str:
    dataset, exchange, part, timeframe, period = group
    stream = ":".join(filter(None, (part, timeframe)))
    return " ".join(filter(None, (f"{exchange}/{dataset}", stream, period)))
