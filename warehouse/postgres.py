"""Connections to PostgreSQL: their address, the dialect of their statements, and their errors.

A connection notices within half a minute that the other side is gone: the server then ends its
session, which frees its locks, and a program gets a ``StorageError``. A transaction that stands
still for a minute, because its program was stopped, is ended by the server. The password is in no
message: an address shows none.
"""

import atexit
import hashlib
import os
import re
import select
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from schemas import ConfigError
from warehouse.errors import StorageError

try:
    import psycopg
    from psycopg import conninfo
except ImportError:
    raise ConfigError(
        "TIDEMARK_METASTORE names PostgreSQL, and psycopg is not installed. "
        "Fix: pip install 'tidemark[postgres]'"
    ) from None

SCHEMA_NAME: Final = re.compile("[a-z_][a-z0-9_]{0,62}")
_UNKNOWN: Final = re.compile('(database|role) ".*" does not exist')
"""What a server says at a connection, for which the driver has no error of its own."""
_SESSION: Final = (
    "-c default_transaction_isolation=read\\ committed",
    "-c idle_in_transaction_session_timeout=60000",
    "-c lock_timeout=0",
    "-c statement_timeout=0",
    "-c tcp_keepalives_idle=10",
    "-c tcp_keepalives_interval=5",
    "-c tcp_keepalives_count=3",
    "-c tcp_user_timeout=30000",
)
_CLIENT: Final = {
    "application_name": "tidemark",
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
_FIX: Final = "Fix: TIDEMARK_METASTORE=postgresql://user:password@host:5432/database"


@dataclass(frozen=True)
class Address:
    """A database of a server. ``name``: as messages show it, without password.

    ``schema``: the one that the setting states, if it does.
    """

    name: str
    schema: str | None
    parts: Mapping[str, Any] = field(repr=False)

    def connect(self, schema: str | None = None) -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection that commits every statement by itself. Raises ``StorageError``.

        ``schema``: where names without one are looked up.
        """
        own = [f"-c search_path={schema}"] if schema else []
        options = " ".join([*_SESSION, self.parts.get("options", ""), *own])
        try:
            return psycopg.connect(autocommit=True, **{**_CLIENT, **self.parts, "options": options})
        except psycopg.Error as error:
            failed = self.as_storage_error(error)
        raise failed  # and nothing of the driver's error, which may name the password

    def as_storage_error(self, error: Exception) -> StorageError:
        """``StorageError`` for an error of the driver, with a fix."""
        text = " ".join(str(error).split())
        for secret in filter(None, (self.parts.get("password"),)):
            text = text.replace(secret, "***")
        if isinstance(error, psycopg.errors.InvalidPassword) or "authentication" in text:
            fix = "Fix: correct user and password in TIDEMARK_METASTORE"
        elif isinstance(error, psycopg.OperationalError) and _UNKNOWN.search(text):
            fix = "Fix: create it (createuser, createdb), or correct TIDEMARK_METASTORE"
        elif isinstance(error, psycopg.errors.DiskFull):
            fix = "Fix: free some space on the server, retry"
        elif isinstance(error, psycopg.errors.InsufficientPrivilege):
            fix = (
                "Fix: GRANT CREATE ON DATABASE … TO this user, or create a schema that it owns and "
                "add ?schema=NAME to TIDEMARK_METASTORE"
            )
        elif isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
            fix = (
                "Fix: point TIDEMARK_METASTORE at the database that has the metastore of this home "
                "(docs/scale.md says what to do if it is lost)"
            )
        elif isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            fix = "Fix: see that the server runs and is reached, retry: what was stored is whole"
        else:
            fix = "Fix: run `tidemark verify`"
        return StorageError(f"cannot use the metastore {self.name} ({text}). {fix}")


def number_of(name: str) -> int:
    """The number by which PostgreSQL knows the advisory lock ``name``."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


@cache
def address_of(url: str) -> Address:
    """The address that ``url`` states; ``?schema=NAME`` is ours, all else libpq's.

    Raises ``ConfigError`` for what is none; the message shows nothing of it.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        raise ConfigError(f"TIDEMARK_METASTORE does not begin with postgresql://. {_FIX}")
    try:
        split = urlsplit(url)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        schema = query.pop("schema", None)
        address = urlunsplit(split._replace(query=urlencode(query, quote_via=quote)))
        parts = conninfo.conninfo_to_dict(address)
    except (ValueError, psycopg.Error):
        parts = None
    if parts is None:  # here, so that nothing of the driver's error is shown
        raise ConfigError(f"TIDEMARK_METASTORE is no address of PostgreSQL. {_FIX}")
    if schema is not None and not SCHEMA_NAME.fullmatch(schema):
        raise ConfigError(
            "the schema in TIDEMARK_METASTORE is no plain name. "
            "Fix: ?schema= with lower-case letters, digits and _, 63 at most"
        )
    user = f"{parts['user']}@" if parts.get("user") else ""
    port = f":{parts['port']}" if parts.get("port") else ""
    name = f"postgresql://{user}{parts.get('host') or 'localhost'}{port}/{parts.get('dbname', '')}"
    return Address(name, schema, parts)


class PostgresDatabase:
    """``warehouse.metastore_tables.Database`` of a schema of PostgreSQL.

    A connection that was lost between two statements is opened again; one that is lost within a
    transaction is an error. Within :meth:`begin` and ``COMMIT`` statements are sent without waiting
    for each: only for what is read, and for the commit.
    """

    def __init__(self, address: Address, schema: str) -> None:
        self._address = address
        self._schema = schema
        self._connection = address.connect(schema)
        self._pipeline: ExitStack | None = None

    def begin(self, key: int) -> None:
        """Begin a transaction, which waits until no other one holds ``key``."""
        if not _is_alive(self._connection):
            self._connection = self._address.connect(self._schema)
        self._pipeline = ExitStack()
        self._pipeline.enter_context(self._connection.pipeline())
        self._execute("BEGIN")
        self._execute(f"SELECT pg_advisory_xact_lock({key})")

    def execute(
        self, statement: str, values: Sequence[Any] = (), /
    ) -> "psycopg.Cursor[tuple[Any, ...]]":
        """Execute one statement, with ``?`` for each of ``values``."""
        if self._pipeline is not None:
            return self._in_transaction(statement, values)
        idle = self._connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        try:
            return self._execute(statement, values)
        except psycopg.OperationalError:
            if not (idle and self._connection.closed):
                raise
        self._connection = self._address.connect(self._schema)
        return self._execute(statement, values)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Execute a statement for each of ``rows``, sent together."""
        if self._pipeline is not None:
            for row in rows:
                self._execute(statement, row)
            return
        with self._connection.cursor() as cursor:
            cursor.executemany(_translated(statement), rows)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __del__(self) -> None:
        if hasattr(self, "_connection"):
            with suppress(Exception):  # of a thread that ended
                self._connection.close()

    def _in_transaction(
        self, statement: str, values: Sequence[Any]
    ) -> "psycopg.Cursor[tuple[Any, ...]]":
        if statement not in ("COMMIT", "ROLLBACK"):
            return self._execute(statement, values)
        pipeline, self._pipeline = self._pipeline, None
        assert pipeline is not None
        if statement == "COMMIT":
            try:
                return self._execute(statement)
            finally:
                pipeline.close()  # waits, and raises what went wrong
        with suppress(psycopg.Error):
            pipeline.close()
        return self._execute(statement)

    def _execute(
        self, statement: str, values: Sequence[Any] = ()
    ) -> "psycopg.Cursor[tuple[Any, ...]]":
        return self._connection.execute(_translated(statement), values or None)


@cache
def _translated(statement: str) -> Any:
    return statement.replace("?", "%s")


class Pool:
    """Idle connections to one schema, for whoever needs one for a moment or holds a lock by it."""

    def __init__(self, address: Address, schema: str) -> None:
        self.address = address
        self.schema = schema
        self._idle: list[psycopg.Connection[tuple[Any, ...]]] = []
        self._process = os.getpid()
        self._one = threading.Lock()

    def take(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection that nobody else uses. Raises ``StorageError``."""
        with self._one:
            if self._process != os.getpid():  # the sockets are the parent's
                self._idle, self._process = [], os.getpid()
            while self._idle:
                connection = self._idle.pop()
                if _is_alive(connection):
                    return connection
                connection.close()
        return self.address.connect(self.schema)

    def give(self, connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
        """Return a connection that holds nothing any more."""
        idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with self._one:
            if idle and self._process == os.getpid() and len(self._idle) < 8:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close those that are idle."""
        with self._one:
            for connection in self._idle:
                connection.close()
            self._idle = []

    @contextmanager
    def connection(self) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
        """A connection for the block. Its errors are raised as ``StorageError``."""
        connection = self.take()
        try:
            yield connection
        except psycopg.Error as error:
            raise self.address.as_storage_error(error) from error
        finally:
            self.give(connection)


def _is_alive(connection: "psycopg.Connection[tuple[Any, ...]]") -> bool:
    """Whether nothing came on an idle connection: what comes is that the server closed it."""
    if connection.closed:
        return False
    came, _, _ = select.select([connection.fileno()], [], [], 0)
    return not came


_pools: Final[dict[tuple[str, str], Pool]] = {}
_one_pool: Final = threading.Lock()


def pool_of(url: str, schema: str) -> Pool:
    """The idle connections of this process to a schema of the database at ``url``."""
    with _one_pool:
        if (url, schema) not in _pools:
            _pools[url, schema] = Pool(address_of(url), schema)
        return _pools[url, schema]


def pools() -> list[Pool]:
    """Those of this process."""
    return list(_pools.values())


@atexit.register
def _close_pools() -> None:
    for pool in pools():
        with suppress(Exception):
            pool.close()
