"""The metastore as an SQLite file of the home: how it is opened, and what may be wrong with it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from schemas import StreamId
from warehouse.errors import StorageError, from_os_error
from warehouse.locks import exclusive_here
from warehouse.metastore_tables import TABLES, VERSION, Database, Row, create, is_sound, put

FILE_NAME: Final = "metastore.sqlite"
OLDER_NAME: Final = "ledger.sqlite"
"""What the file was called up to version 2."""
UNUSABLE: Final = (sqlite3.Error, UnicodeDecodeError)
"""What SQLite raises; where it repeats damaged text, its message cannot be decoded."""


def existing(home: Path) -> Path | None:
    """The metastore file of ``home``, be it of an older version; ``None`` where there is none."""
    return next((home / name for name in (FILE_NAME, OLDER_NAME) if (home / name).exists()), None)


class SqliteFile:
    """``warehouse.metastore_backend.Backend`` of the file in ``home``."""

    errors = UNUSABLE

    def __init__(self, home: Path) -> None:
        self._path = home / FILE_NAME
        self.name = str(self._path)

    def connect(self) -> sqlite3.Connection:
        """Open the file, which is created where there is none. Raises ``StorageError``."""
        home = self._path.parent
        try:
            home.mkdir(parents=True, exist_ok=True)
            _prepare(home)
            connection = sqlite3.connect(self._path, timeout=60, isolation_level=None)
            if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                # the switch does not wait for another connection that makes it: it fails
                with exclusive_here(home, "metastore"):
                    connection.execute("PRAGMA journal_mode = WAL")
            # FULL: a commit is on disk when it returns, in step with the files before it
            connection.execute("PRAGMA synchronous = FULL")
        except OSError as error:
            raise from_os_error(error, "cannot open the metastore", self._path) from error
        except UNUSABLE as error:
            raise as_storage_error(self._path, error) from error
        return connection

    def begin(self, db: Database) -> None:
        """Begin a transaction that writes: one at a time."""
        db.execute("BEGIN IMMEDIATE")

    def prepare(self, db: Database) -> None:
        """Create the tables, or bring them to this version, inside the caller's transaction."""
        version = version_of(db)
        if version == 3:
            from warehouse.migration import add_checksums  # needed once in the life of a home

            add_checksums(db)
        elif version in (4, 5):  # the same tables; its lake has files of an older schema
            put(db, "counters", [("version", VERSION)])
            db.execute(f"PRAGMA user_version = {VERSION}")
        elif version not in (0, VERSION):
            raise StorageError(
                f"{self.name} has version {version}, this Tidemark knows {VERSION}. "
                "Fix: update Tidemark, or point TIDEMARK_HOME elsewhere"
            )
        if version == 0:
            create_tables(db)

    def lease_check(self, db: Database, stream: StreamId | None) -> Callable[[], None]:
        """Nothing: a file lock is held for as long as its process runs."""
        return _nothing

    def rows(self, db: Database) -> dict[str, list[Row]]:
        """The rows of every table that can be read, with their checksums."""
        assert isinstance(db, sqlite3.Connection)
        return readable_rows(db)

    def damage(self) -> str | None:
        """Why the file cannot be used: ``missing``, or SQLite's message; ``None`` if it can."""
        path = existing(self._path.parent)
        if path is None:
            return "missing"
        try:
            with closing(sqlite3.connect(path, timeout=60)) as db:
                version = version_of(db)
                if version == 0:
                    return "empty"
                verdict = str(db.execute("PRAGMA integrity_check(1)").fetchone()[0])
                if version in (4, VERSION):
                    for table in TABLES:
                        db.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()
        except sqlite3.OperationalError as error:
            passing = ("locked", "unable to open", "readonly", "disk I/O")
            if any(what in str(error) for what in passing):
                raise StorageError(f"cannot open the metastore {path}: {error}") from error
            return str(error)
        except UNUSABLE as error:
            return str(error)
        return None if verdict == "ok" else " ".join(verdict.split())

    def as_storage_error(self, error: Exception) -> StorageError:
        """``StorageError`` for an error of SQLite's, with a fix."""
        return as_storage_error(self._path, error)


def _nothing() -> None:
    """Nothing is to be checked."""


def create_tables(db: Database) -> None:
    """Create all tables, inside the caller's transaction."""
    create(db)
    db.execute(f"PRAGMA user_version = {VERSION}")


def version_of(db: Database) -> int:
    """The version of a metastore; 0 for an empty file.

    The file's header has no checksum: a bit of it that flipped shows in the counter.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master").fetchall()}
    if version not in (3, 4, 5, VERSION) and "counters" in tables:
        row = db.execute("SELECT * FROM counters WHERE name = 'version'").fetchone()
        if row and is_sound(row) and (row[1] ^ version).bit_count() == 1:
            return int(row[1])
    return version


def readable_rows(db: sqlite3.Connection) -> dict[str, list[Row]]:
    """The rows of every table that can be read, with their checksums."""
    db.text_factory = lambda text: text.decode(errors="replace")
    try:
        return {table: _readable(db, table) for table in TABLES}
    finally:
        db.text_factory = str


def _readable(db: sqlite3.Connection, table: str) -> list[Row]:
    """From both ends, up to where a page is damaged."""
    found: dict[Row, None] = {}
    for order in ("ASC", "DESC"):
        try:
            for row in db.execute(f"SELECT * FROM {table} ORDER BY rowid {order}"):
                found[row] = None
            break
        except UNUSABLE:
            continue
    return list(found)


def as_storage_error(path: Path, error: Exception) -> StorageError:
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


def _prepare(home: Path) -> None:
    """Migrate an older file; remove the log of one that was lost: SQLite would read it."""
    path, older = home / FILE_NAME, home / OLDER_NAME
    if path.exists() and not older.exists():
        return
    with exclusive_here(home, "metastore"):
        if older.exists():
            from warehouse.migration import migrate  # needed once in the life of a home

            migrate(home)
        if not path.exists():
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            path.touch()
