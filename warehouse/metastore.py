"""The metastore: coverage and lake files of every stream, in a SQLite file of the home.

One transaction records a commit (coverage and files) after its files are on disk, so that the
metastore never names a row that a crash could remove. Coverage is recorded nowhere else.
"""

import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas import StreamId
from warehouse.clock import now_us
from warehouse.errors import StorageError, from_os_error
from warehouse.intervals import Interval, Unshown
from warehouse.locks import exclusive
from warehouse.state import StreamState

FILE_NAME: Final = "metastore.sqlite"
OLDER_NAME: Final = "ledger.sqlite"
"""What the file was called up to version 2."""
VERSION: Final = 3
_STREAM: Final = """exchange TEXT NOT NULL, dataset TEXT NOT NULL, symbol TEXT NOT NULL,
    account TEXT NOT NULL, timeframe TEXT NOT NULL, source TEXT NOT NULL"""
_KEY: Final = "exchange, dataset, symbol, account, timeframe, source"
SCHEMA: Final = f"""
-- a stream is named by six columns; a field that it does not have is empty text
CREATE TABLE IF NOT EXISTS streams (
    {_STREAM},
    unit TEXT NOT NULL,          -- id | time | none: what coverage is counted in
    checkpoint TEXT NOT NULL,    -- what pulls remember of the stream; opaque; empty for nothing
    wanted_from INTEGER,         -- microseconds: history is wanted back to here
    newest_at INTEGER,           -- microseconds: time of the newest row held
    checked_at INTEGER,          -- microseconds: when a pull last reached the head
    remark TEXT NOT NULL,        -- what is wrong with the stream as a whole
    delisted INTEGER NOT NULL,   -- 1: reported as listed no longer
    recorded_at INTEGER NOT NULL,    -- microseconds: when its coverage last changed
    PRIMARY KEY ({_KEY})
);
CREATE TABLE IF NOT EXISTS intervals (   -- proved complete
    {_STREAM},
    lower INTEGER NOT NULL, upper INTEGER NOT NULL,    -- half-open
    first INTEGER, last INTEGER, first_at INTEGER, last_at INTEGER,
    PRIMARY KEY ({_KEY}, lower)
);
CREATE TABLE IF NOT EXISTS unshown (     -- asked for, and not shown by the exchange
    {_STREAM},
    lower INTEGER NOT NULL, upper INTEGER NOT NULL,    -- half-open
    since INTEGER NOT NULL, asked_at INTEGER NOT NULL, times INTEGER NOT NULL,
    lost INTEGER NOT NULL,       -- 1: long enough to call it lost
    PRIMARY KEY ({_KEY}, lower)
);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY,       -- relative to the home
    {_STREAM}, period TEXT NOT NULL,
    rows INTEGER NOT NULL, bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    min_key INTEGER, max_key INTEGER,    -- ids or times; null where an id is no integer
    min_time INTEGER, max_time INTEGER,
    change INTEGER NOT NULL      -- the commit that last wrote it
);
CREATE INDEX IF NOT EXISTS files_by_stream ON files ({_KEY}, period);
CREATE INDEX IF NOT EXISTS files_by_change ON files (change);
CREATE TABLE IF NOT EXISTS unsettled (   -- rows whose state may still change
    {_STREAM}, id INTEGER NOT NULL,
    PRIMARY KEY ({_KEY}, id)
);
CREATE TABLE IF NOT EXISTS folders (     -- mtime differs: written without a commit
    path TEXT PRIMARY KEY, mtime_ns INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS emptied (     -- periods whose files are gone
    {_STREAM}, period TEXT NOT NULL, change INTEGER NOT NULL,
    PRIMARY KEY ({_KEY}, period)
);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
-- distinguishes this metastore from one that was lost: their counters are unrelated
INSERT OR IGNORE INTO counters VALUES ('identity', abs(random() / 2));
"""
TABLES: Final = tuple(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", SCHEMA))
_OF_STREAM: Final = " AND ".join(f"{name} = ?" for name in _KEY.split(", "))
_FILE_COLUMNS: Final = (
    "path, period, rows, bytes, mtime_ns, min_key, max_key, min_time, max_time, change"
)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One lake file as the metastore knows it. Times in microseconds.

    ``min_key``/``max_key``: its ids, or the times that are its keys; ``None`` where an id is no
    canonical integer.
    """

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


class Metastore:
    """The metastore of one home. Safe for several threads and processes.

    A connection per thread. SQLite's errors are raised as ``StorageError``.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._local = threading.local()
        with self._transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION):
                raise StorageError(
                    f"{home / FILE_NAME} has version {version}, this Tidemark knows {VERSION}. "
                    "Fix: update Tidemark, or point TIDEMARK_HOME elsewhere"
                )
            if version == 0:
                create(db)

    # -- streams and their states ---------------------------------------------------------------

    def streams(self, exchange: str | None = None, dataset: str | None = None) -> list[StreamId]:
        """The streams with a state, with or without coverage, in order."""
        with self.reading() as db:
            rows = db.execute(
                f"SELECT {_KEY} FROM streams"
                " WHERE exchange = coalesce(?, exchange) AND dataset = coalesce(?, dataset)"
                f" ORDER BY {_KEY}",
                (exchange, dataset),
            ).fetchall()
        return [stream_of(*row) for row in rows]

    def all_streams(self) -> set[StreamId]:
        """The streams with a state or a file."""
        with self.reading() as db:
            rows = db.execute(
                f"SELECT {_KEY} FROM streams UNION SELECT {_KEY} FROM files"
            ).fetchall()
        return {stream_of(*row) for row in rows}

    def is_registered(self, stream: StreamId) -> bool:
        """Whether ``stream`` has a state, with or without coverage."""
        with self.reading() as db:
            row = db.execute(f"SELECT 1 FROM streams WHERE {_OF_STREAM}", key(stream)).fetchone()
        return row is not None

    def state(self, stream: StreamId) -> StreamState:
        """The state of ``stream``; an empty one for a new stream.

        Raises ``ValueError`` for an interval that ends before it begins.
        """
        of = key(stream)
        with self.reading() as db:
            row = db.execute(
                "SELECT unit, checkpoint, wanted_from, newest_at, checked_at, remark, delisted"
                f" FROM streams WHERE {_OF_STREAM}",
                of,
            ).fetchone()
            unit, checkpoint, wanted_from, newest_at, checked_at, remark, delisted = row or (
                StreamState().unit, "", None, None, None, "", 0
            )  # fmt: skip
            intervals = db.execute(
                "SELECT lower, upper, first, last, first_at, last_at"
                f" FROM intervals WHERE {_OF_STREAM} ORDER BY lower",
                of,
            ).fetchall()
            unshown = db.execute(
                "SELECT lower, upper, since, asked_at, times, lost"
                f" FROM unshown WHERE {_OF_STREAM} ORDER BY lower",
                of,
            ).fetchall()
            unsettled = db.execute(f"SELECT id FROM unsettled WHERE {_OF_STREAM}", of).fetchall()
        return StreamState(
            tuple(Interval(*interval) for interval in intervals),
            tuple(
                Unshown(lower, upper, since, asked_at, times, bool(lost))
                for lower, upper, since, asked_at, times, lost in unshown
            ),
            unit,
            checkpoint,
            wanted_from,
            newest_at,
            checked_at,
            frozenset(row_id for (row_id,) in unsettled),
            remark,
            bool(delisted),
        )

    def recorded_at(self, stream: StreamId) -> int:
        """When the coverage of ``stream`` last changed (microseconds); 0 for a new stream."""
        with self.reading() as db:
            row = db.execute(
                f"SELECT recorded_at FROM streams WHERE {_OF_STREAM}", key(stream)
            ).fetchone()
        return row[0] if row else 0

    def record(
        self,
        stream: StreamId,
        state: StreamState,
        files: Sequence[FileRecord] = (),
        folders: Iterable[tuple[str, int]] = (),
    ) -> None:
        """One commit: the new state of a stream and the files just written for it."""
        with self._transaction() as db:
            try:
                changed = _coverage(self.state(stream)) != _coverage(state)
            except ValueError:  # an invalid interval is recorded: it is replaced
                changed = True
            if files or changed:
                _count(db, "state")
            recorded_at = now_us() if changed else self.recorded_at(stream) or now_us()
            write_state(db, stream, state, recorded_at)
            self._write_files(db, stream, files)
            _note(db, folders)

    def drop_coverage(self, stream: StreamId) -> None:
        """Delete all coverage of ``stream``, even where its state cannot be read."""
        with self._transaction() as db:
            _count(db, "state")
            for table in ("intervals", "unshown"):
                db.execute(f"DELETE FROM {table} WHERE {_OF_STREAM}", key(stream))
            db.execute(
                f"UPDATE streams SET recorded_at = ? WHERE {_OF_STREAM}", (now_us(), *key(stream))
            )

    # -- files ----------------------------------------------------------------------------------

    def adopt(
        self, stream: StreamId, files: Sequence[FileRecord], folders: Iterable[tuple[str, int]]
    ) -> None:
        """Record what is on disk: the records of ``stream`` become exactly ``files``."""
        with self._transaction() as db:
            gone = {f.period for f in self.files(stream)} - {f.period for f in files}
            db.execute(f"DELETE FROM files WHERE {_OF_STREAM}", key(stream))
            if gone:
                change = _count(db, "change")
                db.executemany(
                    _insert("emptied", 8),
                    [(*key(stream), period, change) for period in sorted(gone)],
                )
            self._write_files(db, stream, files)
            _note(db, folders)

    def note_folders(self, folders: Iterable[tuple[str, int]]) -> None:
        """Record the mtimes of folders whose files are exactly those recorded."""
        with self._transaction() as db:
            _note(db, folders)

    def files(self, stream: StreamId, period: str | None = None) -> list[FileRecord]:
        """The files of one stream (of one period), oldest period first."""
        if period is None:
            return self._files(stream)
        return self._files(stream, " AND period = ?", period)

    def files_overlapping(
        self, stream: StreamId, low: int | None, high: int | None
    ) -> list[FileRecord]:
        """Files whose key range overlaps ``low..high`` (both inclusive), and files without one."""
        meeting = " AND (min_key IS NULL OR (max_key >= ? AND min_key <= ?))"
        return self._files(stream, meeting, low, high)

    def folder_mtime(self, path: str) -> int | None:
        """The folder's mtime_ns at the last commit that wrote into it."""
        with self.reading() as db:
            row = db.execute("SELECT mtime_ns FROM folders WHERE path = ?", (path,)).fetchone()
        return row[0] if row else None

    def change_of(self, stream: StreamId) -> int:
        """The number of the newest change of the stream's files; 0 if there is none."""
        with self.reading() as db:
            row = db.execute(
                f"SELECT max(change) FROM (SELECT change FROM files WHERE {_OF_STREAM}"
                f" UNION ALL SELECT change FROM emptied WHERE {_OF_STREAM} UNION ALL SELECT 0)",
                (*key(stream), *key(stream)),
            ).fetchone()
        return int(row[0])

    def newest_change(self) -> int:
        """The number of the newest change of any file."""
        with self.reading() as db:
            row = db.execute(
                "SELECT max(change) FROM (SELECT change FROM files"
                " UNION ALL SELECT change FROM emptied UNION ALL SELECT 0)"
            ).fetchone()
        return int(row[0])

    def changed_files(self, mark: int) -> list[tuple[StreamId, str, str | None]]:
        """Stream, period and path of all files in groups that changed after ``mark``, in order.

        A group is a stream and a period; all quarantine streams of an exchange change together,
        because they share one table. A path of ``None``: the group has no file any more.
        """
        with self.reading() as db:
            rows = db.execute(
                f"WITH news AS ("
                f" SELECT {_KEY}, period FROM files WHERE change > ?"
                f" UNION SELECT {_KEY}, period FROM emptied WHERE change > ?"
                f"), touched AS ("
                f" SELECT * FROM news"
                f" UNION SELECT {_KEY}, period FROM files"
                f"  WHERE dataset = 'quarantine' AND exchange IN"
                f"   (SELECT exchange FROM news WHERE dataset = 'quarantine')"
                f") SELECT {_KEY}, period, path FROM touched"
                f" LEFT JOIN files USING ({_KEY}, period)"
                f" ORDER BY dataset, {_KEY}, period, path",
                (mark, mark),
            ).fetchall()
        return [(stream_of(*of), period, path) for *of, period, path in rows]

    def totals(self) -> list[tuple[StreamId, int, int, int | None, int | None]]:
        """Per stream with a state: rows, files, oldest and newest time; in order."""
        with self.reading() as db:
            rows = db.execute(
                f"SELECT {_KEY}, coalesce(sum(rows), 0), count(path), min(min_time), max(max_time)"
                f" FROM streams LEFT JOIN files USING ({_KEY}) GROUP BY {_KEY} ORDER BY {_KEY}"
            ).fetchall()
        return [(stream_of(*row[:6]), *row[6:]) for row in rows]

    def newest_times(self) -> dict[str, int]:
        """The newest time of a row per exchange (microseconds)."""
        with self.reading() as db:
            rows = db.execute("SELECT exchange, max(max_time) FROM files GROUP BY 1").fetchall()
        return {exchange: newest for exchange, newest in rows if newest is not None}

    def state_mark(self) -> int:
        """Changes with every recorded commit of coverage."""
        return self._counter("state")

    def identity(self) -> int:
        """Distinguishes this metastore from one that was lost: their counters are unrelated."""
        return self._counter("identity")

    def _counter(self, name: str) -> int:
        with self.reading() as db:
            row = db.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
        return row[0] if row else 0

    def _files(
        self, stream: StreamId, more: str = "", *values: int | str | None
    ) -> list[FileRecord]:
        with self.reading() as db:
            rows = db.execute(
                f"SELECT {_FILE_COLUMNS} FROM files WHERE {_OF_STREAM}{more} ORDER BY period, path",
                (*key(stream), *values),
            ).fetchall()
        return [FileRecord(*row) for row in rows]

    def _write_files(
        self, db: sqlite3.Connection, stream: StreamId, files: Sequence[FileRecord]
    ) -> None:
        if not files:
            return
        change = _count(db, "change")
        db.executemany(
            _insert("files", 16),
            [
                (
                    f.path,
                    *key(stream),
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

    # -- the file -------------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading; do not write."""
        try:
            yield self._connect()
        except sqlite3.Error as error:
            raise as_storage_error(self.home / FILE_NAME, error) from error

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
                _prepare(self.home)
                connection = sqlite3.connect(path, timeout=60, isolation_level=None)
                if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                    # the switch does not wait for another connection that makes it: it fails
                    with exclusive(self.home, "metastore"):
                        connection.execute("PRAGMA journal_mode = WAL")
                # FULL: a commit is on disk when it returns, in step with the files before it
                connection.execute("PRAGMA synchronous = FULL")
            except OSError as error:
                raise from_os_error(error, "cannot open the metastore", path) from error
            except sqlite3.Error as error:
                raise as_storage_error(path, error) from error
            self._local.connection = connection
        return connection


def key(stream: StreamId) -> tuple[str, ...]:
    """The six columns that name ``stream``."""
    return stream.exchange, stream.dataset, *(field or "" for field in stream.optional)


def stream_of(exchange: str, dataset: str, *optional: str) -> StreamId:
    """The stream that the six columns name."""
    symbol, account, timeframe, source = (field or None for field in optional)
    return StreamId(exchange, dataset, symbol, account, timeframe, source)


def create(db: sqlite3.Connection) -> None:
    """Create all tables, inside the caller's transaction."""
    for statement in SCHEMA.split(";\n"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")


def write_state(
    db: sqlite3.Connection, stream: StreamId, state: StreamState, recorded_at: int
) -> None:
    """Replace the recorded state of ``stream``, inside the caller's transaction."""
    of = key(stream)
    db.execute(
        _insert("streams", 14),
        (
            *of,
            state.unit,
            state.checkpoint,
            state.wanted_from,
            state.newest_at,
            state.checked_at,
            state.remark,
            int(state.delisted),
            recorded_at,
        ),
    )
    for table in ("intervals", "unshown", "unsettled"):
        db.execute(f"DELETE FROM {table} WHERE {_OF_STREAM}", of)
    db.executemany(
        _insert("intervals", 12),
        [(*of, i.lower, i.upper, i.first, i.last, i.first_at, i.last_at) for i in state.complete],
    )
    db.executemany(
        _insert("unshown", 12),
        [(*of, u.lower, u.upper, u.since, u.asked_at, u.times, int(u.lost)) for u in state.unshown],
    )
    db.executemany(_insert("unsettled", 7), [(*of, row_id) for row_id in sorted(state.unsettled)])


def as_storage_error(path: Path, error: sqlite3.Error) -> StorageError:
    """``StorageError`` for an SQLite error of ``path``, with a fix."""
    if "disk is full" in str(error):
        return StorageError(f"cannot write {path}: the disk is full. Fix: free some space, retry")
    if "locked" in str(error):
        return StorageError(
            f"cannot use {path}: another program keeps it locked. Fix: end that program, retry"
        )
    if "readonly" in str(error) or "unable to open" in str(error):
        return StorageError(
            f"cannot write {path}. Fix: make the folder writable for this user, "
            "or point TIDEMARK_HOME elsewhere"
        )
    return StorageError(
        f"cannot use the metastore {path} ({error}). Fix: move it away to start a new one: "
        "rows stay, and pulls prove them again"
    )


def _insert(table: str, columns: int) -> str:
    return f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * columns)})"


def _coverage(state: StreamState) -> tuple[object, ...]:
    """The parts of a state that the ``coverage`` table shows."""
    return state.complete, state.lost, state.unit, state.wanted_from


def _count(db: sqlite3.Connection, name: str) -> int:
    """Increment a counter inside the caller's transaction; its new value."""
    row = db.execute(
        "INSERT INTO counters VALUES (?, 1)"
        " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
        (name,),
    ).fetchone()
    return int(row[0])


def _note(db: sqlite3.Connection, folders: Iterable[tuple[str, int]]) -> None:
    db.executemany("INSERT OR REPLACE INTO folders VALUES (?, ?)", list(folders))


def _prepare(home: Path) -> None:
    """Migrate an older file; remove the log of one that was lost: SQLite would read it."""
    path, older = home / FILE_NAME, home / OLDER_NAME
    if path.exists() and not older.exists():
        return
    with exclusive(home, "metastore"):
        if older.exists():
            from warehouse.migration import migrate  # needed once in the life of a home

            migrate(home)
        if not path.exists():
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            path.touch()
