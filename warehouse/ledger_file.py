"""The ledger's file: SQLite in the home, safe for several threads and processes."""

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from warehouse.errors import StorageError, from_os_error
from warehouse.locks import exclusive

FILE_NAME: Final = "ledger.sqlite"
_VERSION: Final = 2
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS streams (
    exchange TEXT, dataset TEXT, stream TEXT,
    unit TEXT NOT NULL,          -- id | time | none: what coverage is counted in
    law TEXT NOT NULL,           -- JSON: how the exchange was seen to page this stream
    wanted_from INTEGER,         -- microseconds: history is wanted back to here
    newest_at INTEGER,           -- microseconds: time of the newest row held
    checked_at INTEGER,          -- microseconds: when a pull last reached the head
    PRIMARY KEY (exchange, dataset, stream)
);
CREATE TABLE IF NOT EXISTS intervals (
    exchange TEXT, dataset TEXT, stream TEXT,
    state TEXT NOT NULL CHECK (state IN ('complete', 'lost')),
    lower INTEGER NOT NULL, upper INTEGER NOT NULL,    -- half-open
    first INTEGER, last INTEGER, first_at INTEGER,
    PRIMARY KEY (exchange, dataset, stream, state, lower)
);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY,       -- relative to the home
    exchange TEXT NOT NULL, dataset TEXT NOT NULL, stream TEXT NOT NULL, period TEXT NOT NULL,
    rows INTEGER NOT NULL, bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    min_key INTEGER, max_key INTEGER,                  -- ids or times; null for text ids
    min_time INTEGER, max_time INTEGER,
    change INTEGER NOT NULL      -- the commit that last wrote it
);
CREATE INDEX IF NOT EXISTS files_by_stream ON files (exchange, dataset, stream, period);
CREATE INDEX IF NOT EXISTS files_by_change ON files (change);
CREATE TABLE IF NOT EXISTS unsettled (   -- rows whose state may still change
    exchange TEXT, dataset TEXT, stream TEXT, cursor INTEGER,
    PRIMARY KEY (exchange, dataset, stream, cursor)
);
CREATE TABLE IF NOT EXISTS folders (     -- mtime differs: written without a commit
    path TEXT PRIMARY KEY, mtime_ns INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS emptied (     -- periods whose files are gone
    exchange TEXT, dataset TEXT, stream TEXT, period TEXT, change INTEGER NOT NULL,
    PRIMARY KEY (exchange, dataset, stream, period)
);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
-- tells this ledger from one that was lost: their counters mean nothing to each other
INSERT OR IGNORE INTO counters VALUES ('identity', abs(random() / 2));
"""
TABLES: Final = tuple(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", _SCHEMA))


class LedgerFile:
    """A connection per thread, and transactions on it. SQLite's errors are ``StorageError``."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._local = threading.local()
        with self._transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise StorageError(
                    f"{home / FILE_NAME} was written by a newer Tidemark (version {version}): "
                    "update Tidemark, or point TIDEMARK_HOME elsewhere"
                )
            if version < _VERSION:
                for statement in _SCHEMA.split(";\n"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for queries of the reader's own; do not write."""
        try:
            yield self._connect()
        except sqlite3.Error as error:
            raise _damaged(self.home / FILE_NAME, error) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite itself rolls back when the disk is full
                    db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close this thread's connection; other threads' close with their thread."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _connect(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            path = self.home / FILE_NAME
            try:
                self.home.mkdir(parents=True, exist_ok=True)
                _forget_log(self.home)
                connection = sqlite3.connect(path, timeout=60, isolation_level=None)
                if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                    # the switch does not wait for another connection that makes it: it fails
                    with exclusive(self.home, "ledger"):
                        connection.execute("PRAGMA journal_mode = WAL")
                # FULL: a commit is on disk when it returns, in step with the files before it
                connection.execute("PRAGMA synchronous = FULL")
            except OSError as error:
                raise from_os_error(error, "cannot open the ledger", path) from error
            except sqlite3.Error as error:
                raise _damaged(path, error) from error
            self._local.connection = connection
        return connection


def _forget_log(home: Path) -> None:
    """Remove the log of a ledger that was lost: SQLite would read it into a new one."""
    path = home / FILE_NAME
    if path.exists():
        return
    with exclusive(home, "ledger"):
        if not path.exists():
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            path.touch()


def _damaged(path: Path, error: sqlite3.Error) -> StorageError:
    if "disk is full" in str(error):
        return StorageError(f"cannot write {path}: the disk is full: free some space, pull again")
    if "locked" in str(error):
        return StorageError(f"cannot use {path}: another program keeps it locked: end that, retry")
    if "readonly" in str(error) or "unable to open" in str(error):
        return StorageError(
            f"cannot write {path}: make the folder writable for this user, "
            "or point TIDEMARK_HOME elsewhere"
        )
    return StorageError(
        f"cannot use the ledger {path} ({error}). Move it away to start a new one: "
        "rows stay, and pulls prove them again"
    )
