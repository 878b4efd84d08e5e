"""Verify from the rows themselves that lake, metastore and DuckDB agree.

``report``     checks, figures, findings
``rows``       every file of a stream, from end to end
``values``     what the contract says of single rows
``recorded``   the metastore against the rows
``published``  DuckDB against the lake
``rebuilt``    candles built again from trades

Nothing in the metastore is trusted. Each stream is read under its lock, so that pulls may run at
the same time: one waits for the other.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from schemas import DATASETS, StreamId
from warehouse import heal, paths
from warehouse.errors import StorageError, from_os_error
from warehouse.home import home_of
from warehouse.metastore import FILE_NAME, Metastore
from warehouse.publishing import LINK, Published, publish
from warehouse.store import stream_lock
from warehouse.verification.published import compare, is_behind, is_sound
from warehouse.verification.rebuilt import compare_candles
from warehouse.verification.recorded import check_stream
from warehouse.verification.report import CHECKS, Finding, Verification
from warehouse.verification.rows import Facts, scan

__all__ = ["CHECKS", "Finding", "Verification", "rebuild", "verify"]

Progress = Callable[[int, int, StreamId], None]
"""Called before each stream: its number, how many there are, and which it is."""
_LIMITS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "memory_limit": "384MB",
    "threads": 2,
}


def verify(home: Path | str | None = None, on_progress: Progress | None = None) -> Verification:
    """Check everything in ``home``, repair what is safe, and report both.

    Raises ``StorageError`` where the home itself cannot be used.
    """
    return _run(home_of(home), on_progress, repair=False)


def rebuild(home: Path | str | None = None, on_progress: Progress | None = None) -> Verification:
    """DuckDB from the lake, from nothing; the metastore's records from the files.

    Coverage of rows that are not there is invalidated. A lost metastore is created again. Raises
    ``StorageError`` where the home itself cannot be used.
    """
    return _run(home_of(home), on_progress, repair=True)


def _run(home: Path, on_progress: Progress | None, *, repair: bool) -> Verification:
    report = Verification()
    lake = any(True for _ in paths.walk(home))
    damage = heal.metastore_damage(home)
    if not lake and damage in ("missing", "empty"):
        return report
    if damage is not None:
        _new_metastore(home, damage, report)
    metastore = Metastore(home)
    for name in heal.clean_up(home):
        report.healed("duckdb", name, "left by a publish that broke off: removed")
    facts = _check_lake(home, metastore, on_progress, report, repair=repair)
    if damage is not None:
        _summarise_adopted(facts, report)
    if report.of("error", "claims") and not _has_sane_intervals(metastore):
        return report
    with _engine() as db:
        try:
            _check_published(
                db, home, metastore, facts, report, repair=repair or damage is not None
            )
        except StorageError as error:
            report.error("duckdb", LINK, str(error), "repair the lake files named above first")
        compare_candles(home, metastore, facts, report)
    return report


def _new_metastore(home: Path, damage: str, report: Verification) -> None:
    # an empty one may be another process's, about to be created: it is used as it is
    moved = None if damage == "empty" else heal.set_aside(home)
    where = f" (kept as {moved.name})" if moved else ""
    report.healed(
        "claims",
        FILE_NAME,
        f"was {damage}{where}: created again from the lake. Rows stay; nothing counts as complete"
        " or lost, and how the exchanges page is unknown, until `tidemark pull` proves it again",
    )


def _summarise_adopted(facts: dict[StreamId, Facts], report: Verification) -> None:
    """One line instead of one per stream where all are adopted."""
    adopted = {str(stream) for stream in facts}
    report.findings = [
        f
        for f in report.findings
        if not (f.kind == "healed" and f.check == "records" and f.where in adopted)
    ]
    files = sum(len(f.records.keys() - f.bad) for f in facts.values())
    report.healed("records", FILE_NAME, f"{len(facts)} streams, {files} files registered")


def _check_lake(
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
    with _engine() as db:
        for number, stream in enumerate(ordered):
            if stream.dataset not in DATASETS:
                report.error(
                    "claims", stream, "the metastore names an unknown dataset", "update Tidemark"
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
                facts[stream] = scan(db, home, stream, whole, newest, report)
                check_stream(home, metastore, facts[stream], report, repair=repair)
    return facts


def _check_published(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    metastore: Metastore,
    facts: dict[StreamId, Facts],
    report: Verification,
    *,
    repair: bool,
) -> None:
    if repair or not is_sound(home):
        was = "rebuilt from the lake" if repair else "was lost or damaged: built from the lake"
        _say(report, publish(home, rebuild=True), was)
    elif is_behind(home, metastore):
        done = publish(home)
        _say(report, done, "was behind: brought up to lake and metastore")
    try:
        compare(db, home, metastore, facts, report)
    except duckdb.Error:
        for figures in ("duckdb", "coverage"):
            report.figures[figures].clear()
        report.findings = [f for f in report.findings if (f.kind, f.check) != ("error", "duckdb")]
        _say(report, publish(home, rebuild=True), "was damaged: built from the lake")
        compare(db, home, metastore, facts, report)


def _say(report: Verification, done: Published, what: str) -> None:
    rows = sum(n for name, n in done.rows.items() if name != "coverage")
    report.healed("duckdb", LINK, f"{what} ({rows:,} rows)")


def _has_sane_intervals(metastore: Metastore) -> bool:
    with metastore.reading() as db:
        row = db.execute(
            "SELECT count(*) FROM (SELECT lower, upper FROM intervals"
            " UNION ALL SELECT lower, upper FROM unshown) WHERE lower >= upper"
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
            yield db
