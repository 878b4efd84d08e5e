"""Mend a home: a lost or damaged ledger, and what broken-off writes left.

A lost ledger cannot be guessed again: the rows are registered as they lie in the lake, nothing is
claimed as complete, and the next pulls prove it again.
"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from schemas import Dataset, dataset
from schemas.declare import UNSETTLED
from warehouse import files
from warehouse.errors import StorageError, from_os_error
from warehouse.ledger import FileRecord, StreamId, StreamState
from warehouse.ledger_file import FILE_NAME, TABLES
from warehouse.locks import exclusive
from warehouse.publish import remove_leftovers
from warehouse.quarantine import QUARANTINE


def ledger_damage(home: Path) -> str | None:
    """Why the ledger cannot be used: ``missing``, or SQLite's word; ``None`` if it can."""
    path = home / FILE_NAME
    if not path.exists():
        return "missing"
    try:
        with closing(sqlite3.connect(path, timeout=60)) as db:
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                return "empty"
            verdict = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
            for table in TABLES:
                db.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        if "no such" in str(error) or "malformed" in str(error):
            return str(error)
        raise StorageError(f"cannot open the ledger {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if verdict == "ok" else verdict


def set_aside(home: Path) -> Path | None:
    """Move a ledger that cannot be used out of the way; where to, if there was one."""
    with exclusive(home, "ledger"):
        if ledger_damage(home) is None:  # another process was first
            return None
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        moved = None
        # the log first: without its ledger it must never be read again
        for suffix in ("-wal", "-shm", ""):
            source = home / f"{FILE_NAME}{suffix}"
            if source.exists():
                moved = home / f"{FILE_NAME}.damaged-{moment}{suffix}"
                try:
                    source.rename(moved)
                except OSError as error:
                    raise from_os_error(error, "cannot move", source) from error
        return moved


def fresh_state(home: Path, stream: StreamId, records: list[FileRecord]) -> StreamState:
    """The state of a stream of which only the rows are known: it claims nothing."""
    declared = dataset(stream.dataset)
    unit = "id" if declared.integer_id else "time"
    if declared.snapshot or stream.dataset == QUARANTINE:
        unit = "none"
    newest = max((r.max_time for r in records if r.max_time is not None), default=None)
    return StreamState(
        unit=unit, newest_at=newest, unsettled=unsettled_rows(home, declared, records)
    )


def unsettled_rows(home: Path, declared: Dataset, records: list[FileRecord]) -> frozenset[int]:
    """Ids of rows whose state may still change; none where ids are no integers."""
    if "status" not in declared.file_schema.names:
        return frozenset()
    found: set[int] = set()
    for record in records:
        table = files.read(declared, home / record.path, [declared.key[-1], "status"])
        still = pc.is_in(table.column("status"), value_set=pa.array(UNSETTLED))
        ids = table.column(declared.key[-1]).filter(still).to_pylist()
        found |= {int(i) for i in ids if i.isdecimal()}
    return frozenset(found)


def clean_up(home: Path) -> list[str]:
    """Remove what a publish that broke off left behind; the names of what was removed."""
    with exclusive(home, "publish"):
        try:
            found = remove_leftovers(home)
        except OSError as error:
            raise from_os_error(error, "cannot remove what is left in", home) from error
    return [p.relative_to(home).as_posix() for p in found]
