"""The metastore: coverage and lake files of every stream, in a SQLite file of the home.

One transaction records a commit (coverage and files) after its files are on disk, so that the
metastore never names a row that a crash could remove. Coverage is recorded nowhere else.

Every row carries a checksum of its columns: whoever reads it notices a flipped bit. Every file of
the lake is recorded with the hash of its content.
"""

import re
import secrets
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any, Final

from schemas import StreamId
from warehouse.clock import now_us
from warehouse.errors import StorageError, from_os_error
from warehouse.intervals import Interval, Unshown
from warehouse.locks import exclusive
from warehouse.state import StreamState

FILE_NAME: Final = "metastore.sqlite"
OLDER_NAME: Final = "ledger.sqlite"
"""What the file was called up to version 2."""
VERSION: Final = 5
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
    checksum INTEGER NOT NULL,   -- CRC-32 of the other columns; so in every table
    PRIMARY KEY ({_KEY})
);
CREATE TABLE IF NOT EXISTS intervals (   -- proved complete
    {_STREAM},
    lower INTEGER NOT NULL, upper INTEGER NOT NULL,    -- half-open
    first INTEGER, last INTEGER, first_at INTEGER, last_at INTEGER,
    checksum INTEGER NOT NULL,
    PRIMARY KEY ({_KEY}, lower)
);
CREATE TABLE IF NOT EXISTS unshown (     -- asked for, and not shown by the exchange
    {_STREAM},
    lower INTEGER NOT NULL, upper INTEGER NOT NULL,    -- half-open
    since INTEGER NOT NULL, asked_at INTEGER NOT NULL, times INTEGER NOT NULL,
    lost INTEGER NOT NULL,       -- 1: long enough to call it lost
    checksum INTEGER NOT NULL,
    PRIMARY KEY ({_KEY}, lower)
);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY,       -- relative to the home
    {_STREAM}, period TEXT NOT NULL,
    rows INTEGER NOT NULL, bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    min_key INTEGER, max_key INTEGER,    -- ids or times; null where an id is no integer
    min_time INTEGER, max_time INTEGER,
    change INTEGER NOT NULL,     -- the commit that last wrote it
    digest TEXT NOT NULL,        -- SHA-256 of its bytes; empty: not recorded yet
    checksum INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS files_by_stream ON files ({_KEY}, period);
CREATE INDEX IF NOT EXISTS files_by_change ON files (change);
CREATE TABLE IF NOT EXISTS unsettled (   -- rows whose state may still change
    {_STREAM}, id INTEGER NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY ({_KEY}, id)
);
CREATE TABLE IF NOT EXISTS folders (     -- mtime differs: written without a commit
    path TEXT PRIMARY KEY, mtime_ns INTEGER NOT NULL, checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS archived (    -- files of the raw archive, as last verified
    path TEXT PRIMARY KEY,       -- relative to the home
    bytes INTEGER NOT NULL,      -- so many from the beginning: they are only appended to
    digest TEXT NOT NULL,        -- SHA-256 of these
    checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS emptied (     -- periods whose files are gone
    {_STREAM}, period TEXT NOT NULL, change INTEGER NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY ({_KEY}, period)
);
CREATE TABLE IF NOT EXISTS counters (
    name TEXT PRIMARY KEY, value INTEGER NOT NULL, checksum INTEGER NOT NULL
);
"""
TABLES: Final = tuple(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", SCHEMA))
_OF_STREAM: Final = " AND ".join(f"{name} = ?" for name in _KEY.split(", "))
_NAMES: Final = 6
"""Columns that name a stream."""
_TIMES: Final = (-62_135_596_800_000_000, 253_402_300_799_999_999)
"""The years 1 to 9999, in microseconds: what is outside is no time."""

Row = tuple[Any, ...]
"""A row of a table; without its checksum where nothing else is said."""
Values = Sequence[object] | Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One lake file as the metastore knows it. Times in microseconds.

    ``min_key``/``max_key``: its ids, or the times that are its keys; ``None`` where an id is no
    canonical integer. ``digest``: SHA-256 of its bytes, in hexadecimal; empty: not recorded yet.
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
    digest: str = ""


class Metastore:
    """The metastore of one home. Safe for several threads and processes.

    A connection per thread. SQLite's errors are raised as ``StorageError``.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._local = threading.local()
        with self._transaction() as db:
            version = version_of(db)
            if version == 3:
                from warehouse.migration import add_checksums  # needed once in the life of a home

                add_checksums(db)
            elif version == 4:  # the same tables; its lake has files of an older schema
                put(db, "counters", [("version", VERSION)])
                db.execute(f"PRAGMA user_version = {VERSION}")
            elif version not in (0, VERSION):
                raise StorageError(
                    f"{home / FILE_NAME} has version {version}, this Tidemark knows {VERSION}. "
                    "Fix: update Tidemark, or point TIDEMARK_HOME elsewhere"
                )
            if version == 0:
                create(db)

    # -- streams and their states ---------------------------------------------------------------

    def streams(self, exchange: str | None = None, dataset: str | None = None) -> list[StreamId]:
        """The streams with a state, with or without coverage, in order."""
        rows = self._select(
            "streams",
            "WHERE exchange = coalesce(?, exchange) AND dataset = coalesce(?, dataset)"
            f" ORDER BY {_KEY}",
            (exchange, dataset),
        )
        return [stream_of(*row[:_NAMES]) for row in rows]

    def all_streams(self) -> set[StreamId]:
        """The streams with a state or a file."""
        named = [row[:_NAMES] for row in self._select("streams")]
        named += [row[1 : 1 + _NAMES] for row in self._select("files")]
        return {stream_of(*names) for names in named}

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
        row, *_ = self._select("streams", f"WHERE {_OF_STREAM}", of) or [
            (*of, StreamState().unit, "", None, None, None, "", 0, 0)
        ]
        unit, checkpoint, wanted_from, newest_at, checked_at, remark, delisted, _ = row[_NAMES:]
        intervals = self._select("intervals", f"WHERE {_OF_STREAM} ORDER BY lower", of)
        unshown = self._select("unshown", f"WHERE {_OF_STREAM} ORDER BY lower", of)
        unsettled = self._select("unsettled", f"WHERE {_OF_STREAM}", of)
        return StreamState(
            tuple(Interval(*row[_NAMES:]) for row in intervals),
            tuple(Unshown(*(*row[_NAMES:-1], bool(row[-1]))) for row in unshown),
            unit,
            checkpoint,
            wanted_from,
            newest_at,
            checked_at,
            frozenset(row[-1] for row in unsettled),
            remark,
            bool(delisted),
        )

    def recorded_at(self, stream: StreamId) -> int:
        """When the coverage of ``stream`` last changed (microseconds); 0 for a new stream."""
        rows = self._select("streams", f"WHERE {_OF_STREAM}", key(stream))
        return int(rows[0][-1]) if rows else 0

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

    def record_digests(self, stream: StreamId, digests: Mapping[str, str]) -> None:
        """Note the content of files that were recorded without it, and are as recorded."""
        with self._transaction() as db:
            known = [f for f in self.files(stream) if f.path in digests and not f.digest]
            put(
                db,
                "files",
                [file_row(stream, replace(f, digest=digests[f.path])) for f in known],
            )

    def drop_coverage(self, stream: StreamId) -> None:
        """Delete all coverage of ``stream``, even where its state cannot be read."""
        with self._transaction() as db:
            _count(db, "state")
            for table in ("intervals", "unshown"):
                db.execute(f"DELETE FROM {table} WHERE {_OF_STREAM}", key(stream))
            rows = self._select("streams", f"WHERE {_OF_STREAM}", key(stream))
            put(db, "streams", [(*row[:-1], now_us()) for row in rows])

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
                put(db, "emptied", [(*key(stream), period, change) for period in sorted(gone)])
            self._write_files(db, stream, files)
            _note(db, folders)

    def forget(self, stream: StreamId) -> None:
        """Delete all records of ``stream``; a publish removes its rows."""
        with self._transaction() as db:
            periods = sorted({f.period for f in self.files(stream)})
            if periods:
                change = _count(db, "change")
                put(db, "emptied", [(*key(stream), period, change) for period in periods])
            _count(db, "state")
            for table in ("files", "streams", "intervals", "unshown", "unsettled"):
                db.execute(f"DELETE FROM {table} WHERE {_OF_STREAM}", key(stream))

    def record_files(
        self, stream: StreamId, files: Sequence[FileRecord], folders: Iterable[tuple[str, int]]
    ) -> None:
        """Record files that were written again; what is known of the stream stays."""
        with self._transaction() as db:
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

    def file(self, path: str) -> FileRecord | None:
        """The record of the file at ``path``, relative to the home."""
        rows = self._select("files", "WHERE path = ?", (path,))
        return _file(rows[0]) if rows else None

    def files_overlapping(
        self, stream: StreamId, low: int | None, high: int | None
    ) -> list[FileRecord]:
        """Files whose key range overlaps ``low..high`` (both inclusive), and files without one."""
        meeting = " AND (min_key IS NULL OR (max_key >= ? AND min_key <= ?))"
        return self._files(stream, meeting, low, high)

    def folder_mtime(self, path: str) -> int | None:
        """The folder's mtime_ns at the last commit that wrote into it."""
        rows = self._select("folders", "WHERE path = ?", (path,))
        return int(rows[0][1]) if rows else None

    def change_of(self, stream: StreamId) -> int:
        """The number of the newest change of the stream's files; 0 if there is none."""
        with self.reading() as db:
            row = db.execute(
                "SELECT CAST(max(change) AS INTEGER) FROM"
                f" (SELECT change FROM files WHERE {_OF_STREAM}"
                f" UNION ALL SELECT change FROM emptied WHERE {_OF_STREAM} UNION ALL SELECT 0)",
                (*key(stream), *key(stream)),
            ).fetchone()
        return int(row[0])

    def newest_change(self) -> int:
        """The number of the newest change of any file."""
        with self.reading() as db:
            row = db.execute(
                "SELECT CAST(max(change) AS INTEGER) FROM (SELECT change FROM files"
                " UNION ALL SELECT change FROM emptied UNION ALL SELECT 0)"
            ).fetchone()
        return int(row[0])

    def changed_files(self, mark: int) -> dict[tuple[StreamId, str], list[FileRecord]]:
        """The files of all groups that changed after ``mark``, in order.

        A group is a stream and a period; all quarantine streams of an exchange change together,
        because they share one table. No file: the group has none any more.
        """
        changed = "WHERE change > ?"
        news = [row[1 : 2 + _NAMES] for row in self._select("files", changed, (mark,))]
        news += [row[: 1 + _NAMES] for row in self._select("emptied", changed, (mark,))]
        groups: dict[tuple[StreamId, str], list[FileRecord]] = {
            (stream_of(*of), period): [] for *of, period in news
        }
        shared = {s.exchange for s, _ in groups if s.dataset == "quarantine"}
        held = self._select(
            "files",
            f"WHERE ({_KEY}, period) IN (SELECT {_KEY}, period FROM files {changed}"
            f" UNION SELECT {_KEY}, period FROM emptied {changed})"
            f" OR (dataset = 'quarantine' AND exchange IN ({', '.join('?' * len(shared))}))",
            (mark, mark, *sorted(shared)),
        )
        for row in held:
            group = stream_of(*row[1 : 1 + _NAMES]), str(row[1 + _NAMES])
            groups.setdefault(group, []).append(_file(row))
        for files in groups.values():
            files.sort(key=lambda f: f.path)
        return dict(sorted(groups.items(), key=lambda g: (g[0][0].dataset, key(g[0][0]), g[0][1])))

    def totals(self) -> list[tuple[StreamId, int, int, int | None, int | None]]:
        """Per stream with a state: rows, files, oldest and newest time; in order."""
        streams = self.streams()
        with self.reading() as db:
            found = {
                stream_of(*row[:_NAMES]): row[_NAMES:]
                for row in db.execute(
                    f"SELECT {_KEY}, CAST(sum(rows) AS INTEGER), count(path),"
                    " min(CASE WHEN min_time BETWEEN ? AND ? THEN min_time END),"
                    " max(CASE WHEN max_time BETWEEN ? AND ? THEN max_time END)"
                    f" FROM files WHERE exchange <> '' AND dataset <> '' GROUP BY {_KEY}",
                    (*_TIMES, *_TIMES),
                ).fetchall()
            }
        return [(stream, *found.get(stream, (0, 0, None, None))) for stream in streams]

    def newest_times(self) -> dict[str, int]:
        """The newest time of a row per exchange (microseconds)."""
        with self.reading() as db:
            rows = db.execute("SELECT exchange, max(max_time) FROM files GROUP BY 1").fetchall()
        return {exchange: newest for exchange, newest in rows if newest is not None}

    # -- damage -----------------------------------------------------------------------------------

    def drop_damaged_rows(self) -> dict[str, int]:
        """Delete rows that do not have their checksum, and what cannot be used without them.

        Returns how many rows of which tables those were. Coverage becomes less, never more.
        """
        with self.reading() as db:
            if not _dropped(db, sound_rows(db)):
                return {}
        with self._transaction() as db:
            rows = sound_rows(db)
            dropped = _dropped(db, rows)
            _replace_rows(db, rows)
        return dropped

    def replace_rows(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Let the tables hold just ``rows``, of another metastore of the same home."""
        with self._transaction() as db:
            _replace_rows(db, rows)

    # -- the raw archive --------------------------------------------------------------------------

    def archived(self) -> dict[str, tuple[int, str]]:
        """Length and digest of the files of the raw archive by path, as last verified."""
        return {path: (size, digest) for path, size, digest in self._select("archived")}

    def record_archived(self, files: Mapping[str, tuple[int, str]]) -> None:
        """Record the files of the raw archive: these, and no others."""
        with self._transaction() as db:
            db.execute("DELETE FROM archived")
            put(db, "archived", [(path, *what) for path, what in files.items()])

    def state_mark(self) -> int:
        """Changes with every recorded commit of coverage."""
        return self._counter("state")

    def identity(self) -> int:
        """Distinguishes this metastore from one that was lost: their counters are unrelated."""
        return self._counter("identity")

    def lake_schemas(self) -> int:
        """What was recorded of the schemas that all files of the lake have; 0: nothing."""
        return self._counter("lake_schemas")

    def record_lake_schemas(self, number: int) -> None:
        """Record that all files of the lake have the schemas that ``number`` stands for."""
        with self._transaction() as db:
            put(db, "counters", [("lake_schemas", number)])

    def _counter(self, name: str) -> int:
        rows = self._select("counters", "WHERE name = ?", (name,))
        return int(rows[0][1]) if rows else 0

    def _files(
        self, stream: StreamId, more: str = "", *values: int | str | None
    ) -> list[FileRecord]:
        where = f"WHERE {_OF_STREAM}{more} ORDER BY period, path"
        return [_file(row) for row in self._select("files", where, (*key(stream), *values))]

    def _write_files(
        self, db: sqlite3.Connection, stream: StreamId, files: Sequence[FileRecord]
    ) -> None:
        if files:
            change = _count(db, "change")
            put(db, "files", [file_row(stream, replace(f, change=change)) for f in files])

    def _select(self, table: str, more: str = "", values: Values = ()) -> list[Row]:
        """Rows of a table. Raises ``StorageError`` for one that does not have its checksum."""
        with self.reading() as db:
            rows = db.execute(f"SELECT * FROM {table} {more}", values).fetchall()
        if not all(map(is_sound, rows)):
            raise StorageError(
                f"a row of {table} in {self.home / FILE_NAME} is damaged. Fix: run `tidemark "
                "verify`, which drops it: rows stay, and pulls prove again what it said"
            )
        return [row[:-1] for row in rows]

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


def file_row(stream: StreamId, file: FileRecord) -> Row:
    """The row of ``files`` that records ``file``."""
    path, *rest = astuple(file)
    return path, *key(stream), *rest


def _file(row: Row) -> FileRecord:
    return FileRecord(row[0], *row[1 + _NAMES :])


def create(db: sqlite3.Connection) -> None:
    """Create all tables, inside the caller's transaction."""
    for statement in SCHEMA.split(";\n"):
        db.execute(statement)
    counted = {name for (name,) in db.execute("SELECT name FROM counters").fetchall()}
    # the identity distinguishes this metastore from one that was lost: counters are unrelated
    first = {"identity": secrets.randbits(62), "version": VERSION}
    put(db, "counters", [(name, first[name]) for name in first.keys() - counted])
    db.execute(f"PRAGMA user_version = {VERSION}")


def version_of(db: sqlite3.Connection) -> int:
    """The version of a metastore; 0 for an empty file.

    The file's header has no checksum: a bit of it that flipped shows in the counter.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master").fetchall()}
    if version not in (3, 4, VERSION) and "counters" in tables:
        row = db.execute("SELECT * FROM counters WHERE name = 'version'").fetchone()
        if row and is_sound(row) and (row[1] ^ version).bit_count() == 1:
            return int(row[1])
    return version


def put(db: sqlite3.Connection, table: str, rows: Iterable[Row]) -> None:
    """Insert ``rows``, each with its checksum, in place of rows with the same key."""
    whole = [(*row, checksum(row)) for row in rows]
    if whole:
        marks = ", ".join("?" * len(whole[0]))
        db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", whole)


def sound_rows(db: sqlite3.Connection) -> dict[str, list[Row]]:
    """The rows of every table that can be read and have their checksum.

    Coverage only of streams whose own row is among them: it says what is counted.
    """
    db.text_factory = lambda text: text.decode(errors="replace")
    found = {table: _readable(db, table) for table in TABLES}
    streams = {row[:_NAMES] for row in found["streams"]}
    for table in ("intervals", "unshown", "unsettled"):
        found[table] = [row for row in found[table] if row[:_NAMES] in streams]
    db.text_factory = str
    return found


def _dropped(db: sqlite3.Connection, rows: Mapping[str, Sequence[Row]]) -> dict[str, int]:
    held = {t: db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in TABLES}
    return {
        table: held[table] - len(rows[table]) for table in TABLES if held[table] > len(rows[table])
    }


def _replace_rows(db: sqlite3.Connection, rows: Mapping[str, Sequence[Row]]) -> None:
    """The tables hold just ``rows`` then, and readers notice that something changed."""
    for table in TABLES:
        db.execute(f"DELETE FROM {table}")
        put(db, table, rows[table])
    known: dict[str, int] = dict(rows["counters"])
    if not {"identity", "change", "state"} <= known.keys():
        # nothing tells which changes DuckDB has: under a new identity it loads all of them
        changes = [row[-2] for row in rows["files"]] + [row[-1] for row in rows["emptied"]]
        known["identity"] = secrets.randbits(62)
        known["change"] = max([known.get("change", 0), *changes])
    known |= {"version": VERSION, "state": known.get("state", 0) + 1}
    put(db, "counters", known.items())


def _readable(db: sqlite3.Connection, table: str) -> list[Row]:
    """From both ends, up to where a page is damaged."""
    found: dict[Row, None] = {}
    for order in ("ASC", "DESC"):
        try:
            for row in db.execute(f"SELECT * FROM {table} ORDER BY rowid {order}"):
                found[row] = None
            break
        except sqlite3.Error:
            continue
    return [row[:-1] for row in found if is_sound(row)]


def checksum(row: Row) -> int:
    """CRC-32 of the columns of a row."""
    return zlib.crc32(repr(tuple(row)).encode())


def is_sound(row: Row) -> bool:
    """Whether a row, of which the checksum is the last column, has that checksum."""
    return bool(checksum(row[:-1]) == row[-1])


def write_state(
    db: sqlite3.Connection, stream: StreamId, state: StreamState, recorded_at: int
) -> None:
    """Replace the recorded state of ``stream``, inside the caller's transaction."""
    of = key(stream)
    for table in ("intervals", "unshown", "unsettled"):
        db.execute(f"DELETE FROM {table} WHERE {_OF_STREAM}", of)
    known = (state.unit, state.checkpoint, state.wanted_from, state.newest_at, state.checked_at)
    put(db, "streams", [(*of, *known, state.remark, int(state.delisted), recorded_at)])
    put(db, "intervals", [(*of, *astuple(run)) for run in state.complete])
    put(db, "unshown", [(*of, *astuple(u)[:-1], int(u.lost)) for u in state.unshown])
    put(db, "unsettled", [(*of, row_id) for row_id in sorted(state.unsettled)])


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
        f"cannot use the metastore {path} ({error}). Fix: run `tidemark verify`, which keeps what "
        "is whole of it: rows stay, and pulls prove the rest again"
    )


def _coverage(state: StreamState) -> tuple[object, ...]:
    """The parts of a state that the ``coverage`` table shows."""
    return state.complete, state.lost, state.unit, state.wanted_from


def _count(db: sqlite3.Connection, name: str) -> int:
    """Increment a counter inside the caller's transaction; its new value."""
    row = db.execute("SELECT * FROM counters WHERE name = ?", (name,)).fetchone()
    if row is not None and not is_sound(row):
        raise StorageError(f"the metastore's counter {name} is damaged. Fix: `tidemark verify`")
    number = 1 + (row[1] if row else 0)
    put(db, "counters", [(name, number)])
    return int(number)


def _note(db: sqlite3.Connection, folders: Iterable[tuple[str, int]]) -> None:
    put(db, "folders", folders)


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
