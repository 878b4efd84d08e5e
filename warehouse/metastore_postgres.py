"""The metastore of a home as a schema of PostgreSQL.

One schema holds the metastore of one home, its leases and the state of its circuit breakers. A home
that has none yet gets the schema that ``?schema=NAME`` states, else a new one, and says in its file
``metastore.json`` which; several homes may share a database. A metastore that the home has in
SQLite is moved there: its file is kept as ``metastore.sqlite.moved``.
"""

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import psycopg

from schemas import StreamId
from warehouse import leases
from warehouse.errors import StorageError, from_os_error
from warehouse.files import beside, sync_folder
from warehouse.home import METASTORE, metastore_url
from warehouse.metastore_backend import MARKER, Marker, marker_text, read_marker
from warehouse.metastore_file import FILE_NAME, SqliteFile, create_tables, existing
from warehouse.metastore_tables import (
    SCHEMA,
    TABLES,
    VERSION,
    Database,
    Row,
    create,
    put,
    sound_rows,
)
from warehouse.paths import lock_name
from warehouse.postgres import Address, PostgresDatabase, address_of, number_of

MOVED: Final = f"{FILE_NAME}.moved"
_DIALECT: Final = SCHEMA.replace("INTEGER", "BIGINT").replace("TEXT", 'TEXT COLLATE "C"')
"""Texts in the order of their bytes, as SQLite has them."""
_MORE: Final = """
CREATE SEQUENCE IF NOT EXISTS fences;
CREATE TABLE IF NOT EXISTS leases (      -- who took a lock last
    name TEXT PRIMARY KEY, fence BIGINT NOT NULL    -- grows with every holder
);
CREATE TABLE IF NOT EXISTS breakers (    -- of exchanges that failed
    name TEXT PRIMARY KEY, state TEXT NOT NULL
);
"""
_SHARED_NAME: Final = "tidemark_shared"
_SHARED: Final = """
CREATE TABLE IF NOT EXISTS tidemark_shared.paces (      -- of exchanges, by bucket
    bucket TEXT PRIMARY KEY,
    free_at BIGINT NOT NULL, quiet_until BIGINT NOT NULL    -- nanoseconds since 1970
);
CREATE TABLE IF NOT EXISTS tidemark_shared.nonces (     -- of keys, of which names hold a hash
    name TEXT PRIMARY KEY, last BIGINT NOT NULL
);
"""
"""What all homes of a database share: see ``pipelines.exchanges.postgres_state``."""


class PostgresSchema:
    """``warehouse.metastore_backend.Backend`` of a schema, of which ``home`` names the identity."""

    errors = (psycopg.Error,)

    def __init__(self, home: Path, address: Address, schema: str) -> None:
        self._home = home
        self._address = address
        self._schema = schema
        self._key = number_of(f"{schema} commit")
        self.name = f"{address.name} (schema {schema})"

    def connect(self) -> PostgresDatabase:
        """A new connection. Raises ``StorageError``."""
        return PostgresDatabase(self._address, self._schema)

    def begin(self, db: Database) -> None:
        """Begin a transaction that writes; one at a time, so that changes are numbered in the order
        in which they can be seen."""
        assert isinstance(db, PostgresDatabase)
        db.begin(self._key)

    def prepare(self, db: Database) -> None:
        """Check that this is the metastore of the home, of this version."""
        found = dict(db.execute("SELECT name, value FROM counters").fetchall())
        if found.get("version") != VERSION:
            raise StorageError(
                f"{self.name} has version {found.get('version')}, this Tidemark knows {VERSION}. "
                "Fix: update Tidemark, or point TIDEMARK_HOME elsewhere"
            )
        marker = read_marker(self._home)
        if marker is None or found.get("identity") != marker.identity:
            raise self._of_another(found.get("identity"))

    def lease_check(self, db: Database, stream: StreamId | None) -> Callable[[], None]:
        """It raises ``StorageError`` where the lock of ``stream`` that was held here is another's.

        From here on to the end of the transaction nobody else gets it.
        """
        lease = leases.held(self._home, lock_name(stream)) if stream else None
        if lease is None:
            return lambda: None
        newest = db.execute(leases.NEWEST, (lease.name,))
        return lambda: lease.check(newest.fetchone())

    def rows(self, db: Database) -> dict[str, list[Row]]:
        """The rows of every table, with their checksums."""
        return {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}

    def damage(self) -> str | None:
        """Why it cannot be used, where `verify` can do something about it.

        Raises ``StorageError`` where the server is not reached, or has not the schema: an empty one
        in its place would claim nothing of what was proved.
        """
        with closing(self.connect()) as db:
            try:
                self.prepare(db)
                for table in TABLES:
                    db.execute(f"SELECT * FROM {table} LIMIT 1")
            except psycopg.Error as error:
                raise self.as_storage_error(error) from error
        return None

    def copy_to(self, path: Path) -> None:
        """Write the metastore as of one moment to a new SQLite file. Raises ``StorageError``."""
        with closing(self.connect()) as db, closing(sqlite3.connect(path)) as copy, copy:
            create_tables(copy)
            try:
                db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                for table in TABLES:  # with the checksums that they have
                    copy.execute(f"DELETE FROM {table}")
                    rows = db.execute(f"SELECT * FROM {table}").fetchall()
                    marks = ", ".join("?" * len(rows[0] if rows else ()))
                    if rows:
                        copy.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
                db.execute("COMMIT")
            except psycopg.Error as error:
                raise self.as_storage_error(error) from error

    def as_storage_error(self, error: Exception) -> StorageError:
        """``StorageError`` for an error of the driver, with a fix."""
        return self._address.as_storage_error(error)

    def _of_another(self, identity: int | None) -> StorageError:
        return StorageError(
            f"{self.name} is the metastore of another home than {self._home} (identity {identity}, "
            f"{MARKER} of the home names another). Fix: point TIDEMARK_METASTORE at the database "
            "of this home; where that is lost, docs/scale.md says what to do"
        )


def open_backend(home: Path) -> PostgresSchema:
    """The schema of ``home``, which is created where it has none. Raises ``StorageError``."""
    address = address_of(metastore_url() or "")
    marker = read_marker(home) or _created(home, address)
    if not (home / MOVED).exists():  # also where a crash came between the two
        for suffix in ("-wal", "-shm", ""):
            with suppress(OSError):  # none, as a rule; or the home is not to be written
                (home / f"{FILE_NAME}{suffix}").rename(home / f"{MOVED}{suffix}")
    schema = marker.schema or ""
    _check_place(home, marker)
    if address.schema not in (None, schema):
        raise StorageError(
            f"{METASTORE} states the schema {address.schema}, and {home / MARKER} names {schema}. "
            f"Fix: leave ?schema= out of {METASTORE}, or state {schema}"
        )
    return PostgresSchema(home, address, schema)


def _check_place(home: Path, marker: Marker) -> None:
    """Raise ``StorageError`` in a copy of the home: what one of the two stores, the other would
    count as its own."""
    path = home / MARKER
    here = str(home.resolve())
    if marker.folder in ("", here) or path.stat().st_ino == marker.inode:
        return
    raise StorageError(
        f"{home} is a copy of {marker.folder}, or was moved: both name the same metastore. "
        f'Fix: if it was moved, write "folder": "{here}" into {path}; '
        "copies of a home are made by `tidemark backup`"
    )


def _created(home: Path, address: Address) -> Marker:
    """Create the schema of ``home``, move what it has in SQLite there, and write its marker.

    One process at a time. A crash leaves a schema that is created again, or one without a home.
    """
    _make_home(home)
    try:
        with closing(PostgresDatabase(address, "pg_catalog")) as db, ExitStack() as stack:
            db.execute(f"SELECT pg_advisory_lock({number_of('tidemark create')})")
            marker = read_marker(home)
            if marker is not None:  # another process was first
                return marker
            older = stack.enter_context(_sqlite_rows(home))
            db.execute("BEGIN")
            marker = _create(home, db, address, older)
            db.execute("COMMIT")
            _write_marker(home, marker)
    except psycopg.Error as error:
        raise address.as_storage_error(error) from error
    return marker


def _create(
    home: Path, db: PostgresDatabase, address: Address, older: dict[str, list[Row]] | None
) -> Marker:
    schema = address.schema or f"tidemark_{secrets.token_hex(4)}"
    if _is_used(db, schema):
        raise StorageError(
            f"the schema {schema} of {address.name} is the metastore of another home than "
            f"{home}. Fix: state another one, ?schema=NAME in {METASTORE}; or, if "
            f"{home / MARKER} was lost, restore that file"
        )
    # what is there is not created again: it takes the right to, even where nothing is to be done
    for name in (schema, _SHARED_NAME):
        if db.execute(f"SELECT to_regnamespace('{name}') IS NULL").fetchone() == (True,):
            db.execute(f"CREATE SCHEMA {name}")
    shared = f"SELECT to_regclass('{_SHARED_NAME}.nonces') IS NULL"
    more = _MORE + (_SHARED if db.execute(shared).fetchone() == (True,) else "")
    db.execute(f"SET LOCAL search_path = {schema}")
    create(db, _DIALECT)
    for statement in more.split(";\n"):
        if statement.strip():
            db.execute(statement)
    if older:
        for table in TABLES:
            put(db, table, older[table])
    query = "SELECT value FROM counters WHERE name = 'identity'"
    (identity,) = db.execute(query).fetchone() or (0,)
    return Marker(schema, identity)


def _is_used(db: PostgresDatabase, schema: str) -> bool:
    """Whether a schema holds the metastore of another home: one with streams or files."""
    there = db.execute(f"SELECT to_regclass('{schema}.counters') IS NOT NULL").fetchone()
    if not there or not there[0]:
        return False
    counts = (f"(SELECT count(*) FROM {schema}.{table})" for table in ("streams", "files"))
    (rows,) = db.execute(f"SELECT {' + '.join(counts)}").fetchone() or (0,)
    return bool(rows)


@contextmanager
def _sqlite_rows(home: Path) -> Iterator[dict[str, list[Row]] | None]:
    """What is whole of the metastore that ``home`` has in SQLite; nobody writes it meanwhile."""
    if existing(home) is None:
        yield None
        return
    from warehouse.metastore import Metastore  # which opens this module

    file = SqliteFile(home)
    damage = file.damage()
    if damage not in (None, "empty"):
        raise StorageError(
            f"the metastore {home / FILE_NAME} is damaged ({damage}) and is not moved to "
            f"PostgreSQL. Fix: unset {METASTORE}, `tidemark verify`, set it again"
        )
    with closing(Metastore(home, file)) as metastore:
        metastore.drop_damaged_rows()
        with metastore.transaction() as db:
            yield sound_rows(file.rows(db))


def _make_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise from_os_error(error, "cannot open the metastore", home / MARKER) from error


def _write_marker(home: Path, marker: Marker) -> None:
    path = home / MARKER
    partial = beside(path)
    try:
        with partial.open("wb") as sink:
            inode = os.fstat(sink.fileno()).st_ino  # which the file keeps under its name
            here = replace(marker, folder=str(home.resolve()), inode=inode)
            sink.write(marker_text(here).encode())
            sink.flush()
            os.fsync(sink.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise from_os_error(error, "cannot write", path) from error
    sync_folder(home)
