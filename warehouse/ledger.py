"""The ledger: what of every stream is proved, and which files hold it. SQLite in the home.

One transaction records a commit (coverage + files) after its files are safely on disk, so the
ledger never claims a row that a crash could take away. It is the only place that knows coverage.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from warehouse.coverage import Interval, Intervals
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
_FILE_COLUMNS: Final = (
    "path, period, rows, bytes, mtime_ns, min_key, max_key, min_time, max_time, change"
)


@dataclass(frozen=True, slots=True)
class StreamId:
    """Names one stream in ledger and lake: ``('bitexbit', 'candles', 'BTC-USD:5m')``."""

    exchange: str
    dataset: str
    stream: str

    @property
    def part(self) -> str:
        """The symbol or account: the last hive directory."""
        return self.stream.partition(":")[0]

    @property
    def timeframe(self) -> str | None:
        """Of candles: ``5m``."""
        return self.stream.partition(":")[2] or None

    def __str__(self) -> str:
        return f"{self.exchange}/{self.dataset} {self.stream}"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One lake file as the ledger knows it. Times in microseconds."""

    path: str
    period: str
    rows: int
    bytes: int
    mtime_ns: int
    min_key: int | None
    max_key: int | None
    min_time: int | None
    max_time: int | None
    change: int = 0


@dataclass(frozen=True, slots=True)
class StreamState:
    """All that is known of one stream besides its rows."""

    complete: Intervals = ()
    lost: Intervals = ()
    unit: str = "id"
    law: str = "{}"
    wanted_from: int | None = None
    newest_at: int | None = None
    checked_at: int | None = None
    unsettled: frozenset[int] = field(default=frozenset())


class Ledger:
    """The ledger of one home. Safe for several threads and processes."""

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

    def state(self, stream: StreamId) -> StreamState:
        """What is known of ``stream``; an empty state for a new one."""
        with self.reading() as db:
            row = db.execute(
                "SELECT unit, law, wanted_from, newest_at, checked_at FROM streams"
                " WHERE exchange = ? AND dataset = ? AND stream = ?",
                _key(stream),
            ).fetchone()
            spans: dict[str, list[Interval]] = {"complete": [], "lost": []}
            for state, *interval in db.execute(
                "SELECT state, lower, upper, first, last, first_at FROM intervals"
                " WHERE exchange = ? AND dataset = ? AND stream = ? ORDER BY lower",
                _key(stream),
            ):
                spans[state].append(Interval(*interval))
            unsettled = frozenset(
                cursor
                for (cursor,) in db.execute(
                    "SELECT cursor FROM unsettled"
                    " WHERE exchange = ? AND dataset = ? AND stream = ?",
                    _key(stream),
                )
            )
        known = StreamState((), (), *row) if row else StreamState()
        return StreamState(
            tuple(spans["complete"]),
            tuple(spans["lost"]),
            known.unit,
            known.law,
            known.wanted_from,
            known.newest_at,
            known.checked_at,
            unsettled,
        )

    def record(
        self,
        stream: StreamId,
        state: StreamState,
        files: Sequence[FileRecord] = (),
        folders: Iterable[tuple[str, int]] = (),
    ) -> None:
        """One commit: the new state of a stream and the files just written for it."""
        with self._transaction() as db:
            if files or _claims(self.state(stream)) != _claims(state):
                _count(db, "state")
            db.execute(
                "INSERT OR REPLACE INTO streams VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *_key(stream),
                    state.unit,
                    state.law,
                    state.wanted_from,
                    state.newest_at,
                    state.checked_at,
                ),
            )
            for table in ("intervals", "unsettled"):
                db.execute(
                    f"DELETE FROM {table} WHERE exchange = ? AND dataset = ? AND stream = ?",
                    _key(stream),
                )
            db.executemany(
                "INSERT INTO intervals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (*_key(stream), name, i.lower, i.upper, i.first, i.last, i.first_at)
                    for name, spans in (("complete", state.complete), ("lost", state.lost))
                    for i in spans
                ],
            )
            db.executemany(
                "INSERT INTO unsettled VALUES (?, ?, ?, ?)",
                [(*_key(stream), cursor) for cursor in sorted(state.unsettled)],
            )
            self._write_files(db, stream, files)
            db.executemany("INSERT OR REPLACE INTO folders VALUES (?, ?)", list(folders))

    def adopt(
        self, stream: StreamId, files: Sequence[FileRecord], folders: Iterable[tuple[str, int]]
    ) -> None:
        """Take over what lies on disk: the records of ``stream`` become exactly ``files``."""
        with self._transaction() as db:
            gone = {f.period for f in self.files(stream)} - {f.period for f in files}
            db.execute(
                "DELETE FROM files WHERE exchange = ? AND dataset = ? AND stream = ?", _key(stream)
            )
            if gone:
                change = _count(db, "change")
                db.executemany(
                    "INSERT OR REPLACE INTO emptied VALUES (?, ?, ?, ?, ?)",
                    [(*_key(stream), period, change) for period in sorted(gone)],
                )
            self._write_files(db, stream, files)
            db.executemany("INSERT OR REPLACE INTO folders VALUES (?, ?)", list(folders))

    def note_folders(self, folders: Iterable[tuple[str, int]]) -> None:
        """Remember that these folders hold just what is recorded, as of this mtime."""
        with self._transaction() as db:
            db.executemany("INSERT OR REPLACE INTO folders VALUES (?, ?)", list(folders))

    def files(self, stream: StreamId, period: str | None = None) -> list[FileRecord]:
        """The files of one stream (of one period), oldest period first."""
        clause = ""
        values: tuple[str, ...] = _key(stream)
        if period is not None:
            clause, values = " AND period = ?", (*values, period)
        with self.reading() as db:
            rows = db.execute(
                f"SELECT {_FILE_COLUMNS}"
                f" FROM files WHERE exchange = ? AND dataset = ? AND stream = ?{clause}"
                " ORDER BY period, path",
                values,
            ).fetchall()
        return [FileRecord(*row) for row in rows]

    def files_overlapping(self, stream: StreamId, low: int, high: int) -> list[FileRecord]:
        """Files of ``stream`` whose key range meets ``low..high`` (both inclusive)."""
        with self.reading() as db:
            rows = db.execute(
                f"SELECT {_FILE_COLUMNS}"
                " FROM files WHERE exchange = ? AND dataset = ? AND stream = ?"
                " AND (min_key IS NULL OR (max_key >= ? AND min_key <= ?)) ORDER BY period, path",
                (*_key(stream), low, high),
            ).fetchall()
        return [FileRecord(*row) for row in rows]

    def newest_file(self, stream: StreamId) -> FileRecord | None:
        """The file with the newest rows of ``stream``."""
        with self.reading() as db:
            row = db.execute(
                f"SELECT {_FILE_COLUMNS}"
                " FROM files WHERE exchange = ? AND dataset = ? AND stream = ?"
                " ORDER BY max_time DESC, max_key DESC LIMIT 1",
                _key(stream),
            ).fetchone()
        return FileRecord(*row) if row else None

    def folder_mtime(self, path: str) -> int | None:
        """The folder's mtime_ns at the last commit that wrote into it."""
        with self.reading() as db:
            row = db.execute("SELECT mtime_ns FROM folders WHERE path = ?", (path,)).fetchone()
        return row[0] if row else None

    def close(self) -> None:
        """Close this thread's connection; other threads' close with their thread."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _write_files(
        self, db: sqlite3.Connection, stream: StreamId, files: Sequence[FileRecord]
    ) -> None:
        if not files:
            return
        change = _count(db, "change")
        db.executemany(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    f.path,
                    *_key(stream),
                    f.period,
                    f.rows,
                    f.bytes,
                    f.mtime_ns,
                    f.min_key,
                    f.max_key,
                    f.min_time,
                    f.max_time,
                    change,
                )
                for f in files
            ],
        )

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


def _key(stream: StreamId) -> tuple[str, str, str]:
    return stream.exchange, stream.dataset, stream.stream


def _claims(state: StreamState) -> tuple[object, ...]:
    """What readers see of a state: a change of anything else is no news to them."""
    return state.complete, state.lost, state.unit, state.wanted_from


def _count(db: sqlite3.Connection, name: str) -> int:
    """The next number of a counter, for good with the transaction."""
    row = db.execute(
        "INSERT INTO counters VALUES (?, 1)"
        " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
        (name,),
    ).fetchone()
    return int(row[0])


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
