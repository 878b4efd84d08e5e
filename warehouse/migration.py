"""Migrate the metastore of an older version.

Version 3 had no checksums: its rows get them, its files their hash when they are first verified.

Version 2 was ``ledger.sqlite``. Files, folders and unsettled rows are carried over. Coverage is
carried over only where the rule of proof is unchanged: streams of the newest rows, and candles
built from trades. All other coverage was recorded on weaker evidence and is dropped; rows stay, and
pulls prove it again.
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from schemas import DATASETS, StreamId
from warehouse.clock import now_us
from warehouse.errors import StorageError, from_os_error
from warehouse.files import sync_folder
from warehouse.intervals import Interval, Unshown
from warehouse.metastore_file import (
    FILE_NAME,
    OLDER_NAME,
    UNUSABLE,
    as_storage_error,
    create_tables,
)
from warehouse.metastore_tables import Database, Row, key, put, write_state
from warehouse.paths import QUARANTINE, folder_mark, stored_in, stream_folder
from warehouse.state import StreamState

_VERSION: Final = 2
_NEWEST_ROWS: Final = {("wex", "trades")}
"""Streams of which the exchange shows only its newest rows."""


def migrate(home: Path) -> None:
    """Write ``metastore.sqlite``, then rename the older file. The caller holds the lock.

    A crash leaves either the older file as it was, or both: then only the renaming is left to do.
    Raises ``StorageError``.
    """
    older, path = home / OLDER_NAME, home / FILE_NAME
    building = path.with_name(f"{FILE_NAME}.tmp")
    try:
        if not path.exists():
            for leftover in home.glob(f"{building.name}*"):
                leftover.unlink()
            with closing(_open(older)) as old, closing(sqlite3.connect(building)) as new, new:
                _copy(old, new)
            with building.open("rb") as handle:
                os.fsync(handle.fileno())
            building.rename(path)
            sync_folder(home)
        for suffix in ("-wal", "-shm"):  # closing the only connection emptied them
            older.with_name(older.name + suffix).unlink(missing_ok=True)
        older.rename(older.with_name(f"{OLDER_NAME}.migrated"))
        sync_folder(home)
    except UNUSABLE as error:
        raise as_storage_error(older, error) from error
    except OSError as error:
        raise from_os_error(error, "cannot migrate", older) from error


def add_checksums(db: Database) -> None:
    """Make version 4 out of version 3, inside the caller's transaction."""
    tables: dict[str, list[Row]] = {}
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        tables[table] = db.execute(f"SELECT * FROM {table}").fetchall()
        db.execute(f"DROP TABLE {table}")
    create_tables(db)
    for table, rows in tables.items():
        put(db, table, [(*row, "") for row in rows] if table == "files" else rows)


def _open(older: Path) -> sqlite3.Connection:
    db = sqlite3.connect(older, timeout=60)
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version != _VERSION:
        db.close()
        raise StorageError(
            f"{older} has version {version}, this Tidemark can migrate version {_VERSION}. "
            "Fix: move it away to start a new metastore: rows stay, and pulls prove them again"
        )
    return db


def _copy(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    create_tables(new)
    mtimes = dict(old.execute("SELECT path, mtime_ns FROM folders").fetchall())
    for names in old.execute(
        "SELECT exchange, dataset, stream FROM streams"
        " UNION SELECT exchange, dataset, stream FROM files"
        " UNION SELECT exchange, dataset, stream FROM emptied"
    ).fetchall():
        stream = _stream_of_label(*names)
        if stream is None:
            continue  # of a dataset that this program does not know: its files are found again
        _copy_state(old, new, names, stream)
        if stream == stored_in(stream):
            mtime = mtimes.get(f"{stream_folder(stream)} {names[2]}")
            if mtime is not None:
                put(new, "folders", [(folder_mark(stream), mtime)])
        for path, *record in _rows_of(
            old,
            "path, period, rows, bytes, mtime_ns, min_key, max_key,"
            " min_time, max_time, change FROM files",
            names,
        ):
            put(new, "files", [(path, *key(stream), *record, "")])
        emptied = _rows_of(old, "period, change FROM emptied", names)
        put(new, "emptied", [(*key(stream), *rest) for rest in emptied])
    counters = dict(old.execute("SELECT * FROM counters").fetchall())
    counters["state"] = counters.get("state", 0) + 1
    put(new, "counters", counters.items())


def _copy_state(
    old: sqlite3.Connection, new: sqlite3.Connection, names: tuple[str, ...], stream: StreamId
) -> None:
    columns = "unit, law, wanted_from, newest_at, checked_at FROM streams"
    for unit, text, wanted_from, newest_at, checked_at in _rows_of(old, columns, names):
        remembered: dict[str, Any] = msgspec.json.decode(text)
        state = StreamState(
            unit=unit,
            wanted_from=wanted_from,
            newest_at=newest_at,
            checked_at=checked_at,
            unsettled=frozenset(n for (n,) in _rows_of(old, "cursor FROM unsettled", names)),
            delisted=bool(remembered.get("ended")),
        )
        built = stream.dataset == "candles" and "change" in remembered
        if built or (stream.exchange, stream.dataset) in _NEWEST_ROWS:
            spans = "lower, upper, first, last, first_at FROM intervals"
            asked_at = checked_at or now_us()
            state = replace(
                state,
                complete=tuple(
                    Interval(*span)
                    for span in _rows_of(old, spans, names, "state = 'complete' ORDER BY lower")
                ),
                unshown=tuple(
                    Unshown(lower, upper, asked_at, asked_at, lost=True)
                    for lower, upper, *_ in _rows_of(
                        old, spans, names, "state = 'lost' ORDER BY lower"
                    )
                ),
            )
        write_state(new, stream, state, now_us())


def _rows_of(
    old: sqlite3.Connection, columns: str, names: tuple[str, ...], more: str = "true"
) -> list[tuple[Any, ...]]:
    of = "exchange = ? AND dataset = ? AND stream = ?"
    return old.execute(f"SELECT {columns} WHERE {of} AND {more}", names).fetchall()


def _stream_of_label(exchange: str, name: str, label: str) -> StreamId | None:
    """The stream of version 2: there, one text named market or account, timeframe, source."""
    source = None
    if name == QUARANTINE:
        source, _, label = label.partition(".")
    declared = DATASETS.get(source or name)
    if declared is None:
        return None
    timeframe = None
    if declared.stream_columns:
        label, _, timeframe = label.rpartition(":")
    if declared.is_account:
        return StreamId(exchange, name, account=label, source=source)
    has_market = "symbol" in declared.partition or declared.holds_markets
    symbol = label if has_market else None
    return StreamId(exchange, name, symbol, timeframe=timeframe, source=source)
