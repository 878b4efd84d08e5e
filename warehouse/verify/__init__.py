"""Prove that lake, ledger and DuckDB agree, from the rows themselves.

``report``     checks, figures, findings
``layout``     which stream a path in the lake belongs to
``rows``       every file of a stream, from end to end
``values``     what the contract says of single rows
``claims``     the ledger against the rows
``published``  DuckDB against the lake
``rebuilt``    candles built again from trades

Nothing in the ledger is believed. Each stream is read under its lock, so that a pull may run at
the same time: it waits for a stream, or the stream is read after it.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from schemas import DATASETS
from warehouse import heal
from warehouse.errors import StorageError, from_os_error
from warehouse.lake import stream_lock
from warehouse.ledger import Ledger, StreamId
from warehouse.ledger_file import FILE_NAME
from warehouse.publish import LINK, Published, publish
from warehouse.verify import layout
from warehouse.verify.claims import check_stream
from warehouse.verify.published import compare, is_behind, is_sound
from warehouse.verify.rebuilt import compare_candles
from warehouse.verify.report import CHECKS, Finding, Verification
from warehouse.verify.rows import Facts, scan

__all__ = ["CHECKS", "Finding", "Verification", "rebuild", "verify"]

Progress = Callable[[int, int, StreamId], None]
"""Called before each stream: its number, how many there are, and which it is."""
_LIMITS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "memory_limit": "384MB",
    "threads": 2,
}


def verify(home: Path, on_progress: Progress | None = None) -> Verification:
    """Check everything in ``home``; mend what is safe, and say so.

    Raises ``StorageError`` where the home itself cannot be used.
    """
    return _run(home, on_progress, mend=False)


def rebuild(home: Path, on_progress: Progress | None = None) -> Verification:
    """DuckDB from the lake, from nothing; the ledger's records from the files.

    What the ledger claims of rows that are not there it claims no more. A lost ledger is begun
    anew. Raises ``StorageError`` where the home itself cannot be used.
    """
    return _run(home, on_progress, mend=True)


def _run(home: Path, on_progress: Progress | None, *, mend: bool) -> Verification:
    report = Verification()
    lake = any(True for _ in layout.walk(home))
    damage = heal.ledger_damage(home)
    if not lake and damage in ("missing", "empty"):
        return report
    if damage is not None:
        _new_ledger(home, damage, report)
    ledger = Ledger(home)
    for name in heal.clean_up(home):
        report.healed("duckdb", name, "left by a publish that broke off: removed")
    facts = _check_lake(home, ledger, on_progress, report, mend=mend)
    if damage is not None:
        _summarise_adopted(facts, report)
    if report.of("error", "claims") and not _has_sane_intervals(ledger):
        return report
    with _engine() as db:
        try:
            _check_published(db, home, ledger, facts, report, mend=mend or damage is not None)
        except StorageError as error:
            report.error("duckdb", LINK, str(error), "mend the lake files named above first")
        compare_candles(home, ledger, facts, report)
    return report


def _new_ledger(home: Path, damage: str, report: Verification) -> None:
    # an empty one may be another process's, about to be begun: it is used as it is
    moved = None if damage == "empty" else heal.set_aside(home)
    where = f" (kept as {moved.name})" if moved else ""
    report.healed(
        "claims",
        FILE_NAME,
        f"was {damage}{where}: begun anew from the lake. Rows stay; nothing is claimed as complete"
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
    ledger: Ledger,
    on_progress: Progress | None,
    report: Verification,
    *,
    mend: bool,
) -> dict[StreamId, Facts]:
    streams = _known(ledger)
    for path, found in layout.walk(home):
        if found is not None:
            streams.add(found.stream)
        elif path.endswith(".parquet"):
            what = "is no file of Tidemark's, and readers of the lake see its rows"
            report.error("files", path, what, "move it out of the lake")
        else:
            report.note("files", path, "is no file of Tidemark's")
    facts: dict[StreamId, Facts] = {}
    seen = _exchange_times(ledger)
    ordered = sorted(streams, key=lambda s: (s.dataset == "quarantine", str(s)))
    with _engine() as db:
        for number, stream in enumerate(ordered):
            if stream.dataset not in DATASETS:
                report.error("claims", stream, "the ledger names an unknown dataset", "update")
                continue
            if on_progress is not None:
                on_progress(number, len(ordered), stream)
            with stream_lock(home, stream):
                whole = []
                for item in layout.of_stream(home, stream):
                    if item.temporary:
                        _remove(home / item.path)
                        report.healed("files", item.path, "left by a broken-off write: removed")
                    else:
                        whole.append(item)
                newest = seen.get(stream.exchange, 0)
                facts[stream] = scan(db, home, stream, whole, newest, report)
                check_stream(home, ledger, facts[stream], report, mend=mend)
    return facts


def _check_published(
    db: duckdb.DuckDBPyConnection,
    home: Path,
    ledger: Ledger,
    facts: dict[StreamId, Facts],
    report: Verification,
    *,
    mend: bool,
) -> None:
    if mend or not is_sound(home):
        was = "built anew from the lake" if mend else "was lost or damaged: built from the lake"
        _say(report, publish(home, ledger, rebuild=True), was)
    elif is_behind(home, ledger):
        done = publish(home, ledger)
        _say(report, done, "was behind: brought up to lake and ledger")
    try:
        compare(db, home, ledger, facts, report)
    except duckdb.Error:
        for figures in ("duckdb", "coverage"):
            report.figures[figures].clear()
        report.findings = [f for f in report.findings if (f.kind, f.check) != ("error", "duckdb")]
        _say(report, publish(home, ledger, rebuild=True), "was damaged: built from the lake")
        compare(db, home, ledger, facts, report)


def _say(report: Verification, done: Published, what: str) -> None:
    rows = sum(n for name, n in done.rows.items() if name != "coverage")
    report.healed("duckdb", LINK, f"{what} ({rows:,} rows)")


def _known(ledger: Ledger) -> set[StreamId]:
    """Every stream that the ledger knows, by its state or by a file."""
    with ledger.reading() as db:
        rows = db.execute("SELECT DISTINCT exchange, dataset, stream FROM files").fetchall()
    return {*ledger.streams(), *(StreamId(*row) for row in rows)}


def _exchange_times(ledger: Ledger) -> dict[str, int]:
    """The newest time of a row per exchange: its clock was past that."""
    with ledger.reading() as db:
        rows = db.execute("SELECT exchange, max(max_time) FROM files GROUP BY 1").fetchall()
    return {exchange: newest for exchange, newest in rows if newest is not None}


def _has_sane_intervals(ledger: Ledger) -> bool:
    with ledger.reading() as db:
        row = db.execute("SELECT count(*) FROM intervals WHERE lower >= upper").fetchone()
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
