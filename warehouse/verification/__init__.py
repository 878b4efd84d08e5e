"""Verify from the rows themselves that lake, metastore and DuckDB agree.

``report``     checks, figures, findings
``contents``   every file against its hash; what is damaged is restored
``rows``       every file of a stream, from end to end
``values``     what the contract says of single rows
``recorded``   the metastore against the rows
``published``  DuckDB against the lake
``iceberg``    the Iceberg tables against the lake
``rebuilt``    candles built again from trades
``archive``    the raw response archive

Nothing in the metastore is trusted but what its checksums prove. Each stream is read under its
lock, so that pulls may run at the same time: one waits for the other.
"""

import tempfile
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

import duckdb

from schemas import DATASETS, StreamId
from schemas.wording import count
from warehouse import heal, paths
from warehouse.duckdb_files import Config
from warehouse.errors import StorageError, from_os_error
from warehouse.home import home_of
from warehouse.iceberg import IcebergTarget, publish_iceberg
from warehouse.lake_migration import migrate_lake
from warehouse.linked import large_datasets
from warehouse.metastore import Metastore
from warehouse.metastore_backend import is_postgres
from warehouse.metastore_file import FILE_NAME
from warehouse.paths import LINK
from warehouse.publishing import publish
from warehouse.restore import PublishedRows
from warehouse.store import stream_lock
from warehouse.verification.archive import check_archive
from warehouse.verification.contents import ContentCheck
from warehouse.verification.published import Compared, compare
from warehouse.verification.rebuilt import compare_candles
from warehouse.verification.recorded import check_stream
from warehouse.verification.report import CHECKS, Finding, Verification
from warehouse.verification.rows import Facts, scan
from warehouse.verification.values import macros

__all__ = ["CHECKS", "Finding", "Verification", "rebuild", "verify"]

Progress = Callable[[int, int, StreamId], None]
"""Called before each stream: its number, how many there are, and which it is."""
_LIMITS: Final[Config] = {
    "memory_limit": "384MB",
    "threads": 2,
}


def verify(
    home: Path | str | None = None,
    on_progress: Progress | None = None,
    iceberg: IcebergTarget | None = None,
    *,
    views_above: int = 0,
) -> Verification:
    """Check everything in ``home``, repair what is safe, and report both.

    ``iceberg``: the second publish target, if there is one. ``views_above``: as of
    :func:`warehouse.publish`. Raises ``StorageError`` where the home itself cannot be used.
    """
    return _run(home_of(home), on_progress, iceberg, views_above, repair=False)


def rebuild(
    home: Path | str | None = None,
    on_progress: Progress | None = None,
    iceberg: IcebergTarget | None = None,
    *,
    views_above: int = 0,
) -> Verification:
    """DuckDB (and Iceberg) from the lake, from nothing; the metastore's records from the files.

    Coverage of rows that are not there is invalidated. A lost metastore is created again. Raises
    ``StorageError`` where the home itself cannot be used.
    """
    return _run(home_of(home), on_progress, iceberg, views_above, repair=True)


def _run(
    home: Path,
    on_progress: Progress | None,
    iceberg: IcebergTarget | None,
    views_above: int,
    *,
    repair: bool,
) -> Verification:
    report = Verification()
    lake = any(True for _ in paths.walk(home))
    damage = heal.metastore_damage(home)
    if not lake and damage in ("missing", "empty"):
        return report
    kept = 0
    if damage is not None:
        kept = _new_metastore(home, damage, report)
    metastore = Metastore(home)
    _drop_damaged_rows(metastore, report)
    for name in heal.clean_up(home):
        report.healed("duckdb", name, "left by a publish that broke off: removed")
    migrated = migrate_lake(home, metastore, wait=True)
    if migrated:
        report.healed(
            "files", paths.LAKE, f"{count(migrated, 'file')} of an older schema: written again"
        )
    with _engine() as db:
        facts = _check_lake(db, home, metastore, on_progress, report, repair=repair)
        if damage is not None and not kept:
            _summarise_adopted(home, facts, report)
        check_archive(home, metastore, report, repair=repair)
        if report.of("error", "coverage") and not _has_sane_intervals(metastore):
            return report
        rebuilt = repair or damage is not None
        _check_published(db, home, metastore, facts, report, views_above, repair=rebuilt)
        if iceberg is not None:
            _check_iceberg(db, home, metastore, iceberg, facts, report, repair=rebuilt)
    compare_candles(home, metastore, facts, report)
    return report


def _new_metastore(home: Path, damage: str, report: Verification) -> int:
    """Put another metastore in place of one that cannot be used; how many rows it has of it."""
    # an empty one may be another process's, about to be created: it is used as it is
    moved = None if damage == "empty" else heal.set_aside(home)
    kept = heal.salvage(home, moved) if moved is not None else 0
    where = f" (kept as {moved.name})" if moved else ""
    what = (
        f"created again from the lake and {kept:,} of its rows that are whole. What the others"
        " said, `tidemark pull` proves again"
        if kept
        else "created again from the lake. Rows stay; nothing counts as complete"
        " or lost, and how the exchanges page is unknown, until `tidemark pull` proves it again"
    )
    report.healed("coverage", _name(home), f"was {damage}{where}: {what}")
    return kept


def _name(home: Path) -> str:
    """What findings call the metastore."""
    return "metastore in PostgreSQL" if is_postgres(home) else FILE_NAME


def _drop_damaged_rows(metastore: Metastore, report: Verification) -> None:
    dropped = metastore.drop_damaged_rows()
    if dropped:
        tables = ", ".join(f"{table} {number}" for table, number in dropped.items())
        report.healed(
            "coverage",
            _name(metastore.home),
            f"damaged rows dropped ({tables}): rows of the lake stay, and what these said of them "
            "`tidemark pull` proves again",
        )


def _summarise_adopted(home: Path, facts: dict[StreamId, Facts], report: Verification) -> None:
    """One line instead of one per stream where all are adopted."""
    adopted = {str(stream) for stream in facts}
    report.findings = [
        f
        for f in report.findings
        if not (f.kind == "healed" and f.check == "records" and f.where in adopted)
    ]
    files = sum(len(f.records.keys() - f.bad) for f in facts.values())
    report.healed(
        "records", _name(home), f"{count(len(facts), 'stream')}, {count(files, 'file')} registered"
    )


def _check_lake(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    metastore: Metastore,
    on_progress: Progress | None,
    report: Verification,
    *,
    repair: bool,
) -> dict[StreamId, Facts]:
    streams = metastore.all_streams()
    for path, found in paths.walk(home):
        if found is not None:
            streams.add(found.stream)
        elif path.endswith(".parquet"):
            what = "is no file of Tidemark's, and readers of the lake see its rows"
            report.error("files", path, what, "move it out of the lake")
        else:
            report.note("files", path, "is no file of Tidemark's")
    facts: dict[StreamId, Facts] = {}
    newest_times = metastore.newest_times()
    ordered = sorted(streams, key=lambda s: (s.dataset == "quarantine", str(s)))
    with PublishedRows(home, metastore) as published:
        check = ContentCheck(home, metastore, published, report, repair=repair)
        for number, stream in enumerate(ordered):
            if stream.dataset not in DATASETS:
                report.error(
                    "coverage", stream, "the metastore names an unknown dataset", "update Tidemark"
                )
                continue
            if on_progress is not None:
                on_progress(number, len(ordered), stream)
            with stream_lock(home, stream):
                whole = []
                for item in paths.of_stream(home, stream):
                    if item.temporary:
                        _remove(home / item.path)
                        report.healed("files", item.path, "left by a broken-off write: removed")
                    else:
                        whole.append(item)
                newest = newest_times.get(stream.exchange, 0)
                facts[stream] = scan(db, home, stream, check.check(stream, whole), newest, report)
                check_stream(home, metastore, facts[stream], report, repair=repair)
    return facts


def _check_published(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    metastore: Metastore,
    facts: dict[StreamId, Facts],
    report: Verification,
    views_above: int,
    *,
    repair: bool,
) -> None:
    def publish_as(was: str, *, rebuild: bool = False) -> None:
        _publish(home, report, was, views_above, rebuild=rebuild)

    def compared(*, current: bool = False) -> Compared:
        large = large_datasets(home, metastore, views_above)
        return _compare(db, home, metastore, facts, report, large, current=current)

    if repair:
        publish_as("rebuilt from the lake", rebuild=True)
    else:
        found = compared(current=True)
        if found is Compared.ALL:
            return
        if found is Compared.BEHIND:
            publish_as("was behind: brought up to lake and metastore")
        else:
            publish_as("was lost or damaged: built from the lake", rebuild=True)
    for attempt in range(2):
        if compared() is Compared.ALL:
            return
        if not attempt:
            publish_as("was damaged: built from the lake", rebuild=True)
    report.error("duckdb", LINK, "cannot be read", "`tidemark rebuild`")


def _publish(
    home: Path, report: Verification, was: str, views_above: int, *, rebuild: bool
) -> None:
    try:
        done = publish(home, rebuild=rebuild, views_above=views_above)
    except StorageError as error:
        report.error("duckdb", LINK, str(error), "repair what is named above first")
        return
    rows = sum(n for name, n in done.rows.items() if name != "coverage")
    report.healed("duckdb", LINK, f"{was} ({count(rows, 'row')})")


def _check_iceberg(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    metastore: Metastore,
    target: IcebergTarget,
    facts: dict[StreamId, Facts],
    report: Verification,
    *,
    repair: bool,
) -> None:
    where = f"iceberg {target.namespace}"
    try:
        changed = publish_iceberg(home, target, rebuild=repair)
        if changed:
            was = "rebuilt from the lake" if repair else "was behind: brought up to the lake"
            report.healed("iceberg", where, f"{was} ({', '.join(changed)})")
        from warehouse.verification.iceberg import compare_iceberg  # pyiceberg

        compare_iceberg(db, home, metastore, target, facts, report)
    except StorageError as error:
        what, _, fix = str(error).partition(". Fix: ")
        report.error("iceberg", where, what, fix or "repair what is named above first")


def _compare(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    metastore: Metastore,
    facts: dict[StreamId, Facts],
    report: Verification,
    large: Set[str],
    *,
    current: bool,
) -> Compared:
    """Compare every value of DuckDB with the lake; nothing is reported unless it goes to the end.

    ``current``: not where lake or metastore hold what was not published yet.
    """
    # an engine that met damage is of no use any more: whose damage it was, another one tells
    for engine in (nullcontext(db), _engine()):
        found = Verification()
        with suppress(duckdb.Error), engine as sound:
            compared = compare(sound, home, metastore, facts, found, large=large, current=current)
            report.findings += found.findings
            for check, figures in found.figures.items():
                report.count(check, **figures)
            return compared
    return Compared.UNREADABLE


def _has_sane_intervals(metastore: Metastore) -> bool:
    with metastore.reading() as db:
        row = db.execute(
            "SELECT count(*) FROM (SELECT lower, upper FROM intervals"
            " UNION ALL SELECT lower, upper FROM unshown) AS spans WHERE lower >= upper"
        ).fetchone()
    return not row[0]


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise from_os_error(error, "cannot remove", path) from error


@contextmanager
def _engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB in memory, bounded; what does not fit is spilled to a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="tidemark-") as spill:
        config = {**_LIMITS, "temp_directory": spill}
        with duckdb.connect(":memory:", config=config) as db:
            db.execute("SET TimeZone = 'UTC'")
            db.execute("SET enable_progress_bar = false")
            for statement in macros():
                db.execute(statement)
            yield db
