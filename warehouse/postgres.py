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
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from schemas import ConfigError
from warehouse.errors import StorageError
from warehouse.metastore_tables import Rows

try:
    import psycopg
    from psycopg import conninfo
except ImportError:
    raise ConfigError(
        "TIDEMARK_METASTORE names PostgreSQL, and psycopg is not installed. "
        "Fix: pip install 'tidemark[postgres]'"
    ) from None

T = TypeVar("T")
Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

SCHEMA_NAME: Final = re.compile("[a-z_][a-z0-9_]{0,62}")
_UNKNOWN: Final = re.compile('(database|role) ".*" does not exist')
"""What a server says at a connection, for which the driver has no error of its own."""
_SESSION: Final = {
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": "60000",
    "lock_timeout": "0",
    "statement_timeout": "0",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""Settings of every session, unless the address states others: not sent with the request for a
connection, which PgBouncer would refuse."""
_CLIENT: Final = {
    "application_name": "tidemark",
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
_RETRY_SECONDS: Final = 0.2
_PATIENCE_SECONDS: Final = 30.0
_gone_since: Final[dict[str, float | None]] = {}
"""Servers that were reached, and since when they are not. Who comes later waits no longer."""
_MOST_UNSENT: Final = 2000
"""Statements of a transaction that are sent together at most."""
_FIX: Final = "Fix: TIDEMARK_METASTORE=postgresql://user:password@host:5432/database"


@dataclass(frozen=True)
class Address:
    """A database of a server. ``name``: as messages show it, without password.

    ``schema``: the one that the setting states, if it does.
    """

    name: str
    schema: str | None
    parts: Mapping[str, Any] = field(repr=False)

    def connect(self, schema: str | None = None) -> Connection:
        """A connection that commits every statement by itself. Raises ``StorageError``.

        A server that was reached before, and is not now, may be restarting: it is tried again for
        half a minute. ``schema``: where names without one are looked up.
        """
        while True:
            try:
                connection = self._connected(schema)
            except psycopg.Error as error:
                failed = self.as_storage_error(error)
            else:
                _gone_since[self.name] = None
                return connection
            if not self._may_come_back():
                raise failed  # and nothing of the driver's error, which may name the password
            time.sleep(_RETRY_SECONDS)

    def _connected(self, schema: str | None) -> Connection:
        settings = {**_SESSION, **({"search_path": schema} if schema else {})}
        stated = self.parts.get("options", "")
        own = {name: value for name, value in settings.items() if name not in stated}
        calls = ", ".join(["set_config(%s, %s, false)"] * len(own))
        connection = psycopg.connect(autocommit=True, **{**_CLIENT, **self.parts})
        try:
            query = f"SELECT pg_backend_pid(), {calls}"
            row = connection.execute(query.encode(), [*chain.from_iterable(own.items())]).fetchone()
            if row and row[0] != connection.info.backend_pid and self.name not in _gone_since:
                self._check_pooler(connection, {row[0]})
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_pooler(self, connection: Connection, sessions: set[int]) -> None:
        """Raise ``StorageError`` where a pooler gives one session to two connections in turns.

        ``sessions``: that of ``connection``. Locks and prepared statements belong to one.
        """
        with psycopg.connect(autocommit=True, **{**_CLIENT, **self.parts}) as other:
            others: set[int] = set()
            for asked, found in ((other, others), (connection, sessions)) * 3:
                found.update(pid for (pid,) in asked.execute("SELECT pg_backend_pid()"))
        if len(sessions) > 1 or len(others) > 1 or sessions & others:
            raise StorageError(
                f"cannot use the metastore {self.name}: the pooler in front of it gives every "
                "transaction another session, in which locks would not hold. "
                "Fix: pool_mode = session (PgBouncer), or the address of PostgreSQL itself"
            )

    def _may_come_back(self) -> bool:
        """Whether a server that is not reached was reached before, not half a minute ago."""
        if self.name not in _gone_since:
            return False
        now = time.monotonic()
        since = _gone_since[self.name]
        if since is None:
            since = _gone_since[self.name] = now
        return now - since < _PATIENCE_SECONDS

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
                "Fix: GRANT CREATE ON DATABASE … TO this user, or create the schemas that it needs "
                "(docs/scale.md says which)"
            )
        elif isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
            fix = (
                "Fix: point TIDEMARK_METASTORE at the database that has the metastore of this home "
                "(docs/scale.md says what to do if it is lost)"
            )
        elif isinstance(error, psycopg.errors.IdleInTransactionSessionTimeout):
            text, fix = "this process was stopped for more than a minute", "Fix: try again"
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


class _Answer:
    """The rows of a statement within a transaction: it is sent once they are asked for."""

    def __init__(self, send: Callable[[], None]) -> None:
        self.rows: Iterator[tuple[Any, ...]] | None = None
        self._send = send

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if self.rows is None:
            self._send()
        assert self.rows is not None
        return self.rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All that are left."""
        return list(self)

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next one; ``None`` where there is none."""
        return next(iter(self), None)


class PostgresDatabase:
    """``warehouse.metastore_tables.Database`` of a schema of PostgreSQL.

    A connection that was lost between two statements, or before anything of a transaction was
    read, is opened again; one that is lost later in a transaction is an error. From :meth:`begin`
    to ``COMMIT`` statements wait until something of them is read, and are sent in one message: the
    server never waits for the rest of what a stopped program began to send, without the time limit
    that a transaction has.
    """

    def __init__(self, address: Address, schema: str) -> None:
        self._address = address
        self._schema = schema
        self._connection = address.connect(schema)
        self._unsent: list[tuple[str, _Answer]] | None = None

    def begin(self, key: int) -> None:
        """Begin a transaction, which waits until no other one holds ``key``."""
        if not _is_alive(self._connection):
            self._connection = self._address.connect(self._schema)
        self._unsent = []
        self.execute("BEGIN")
        self.execute(f"SELECT pg_advisory_xact_lock({key})")

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Rows:
        """Execute one statement, with ``?`` for each of ``values``."""
        if self._unsent is not None:
            return self._in_transaction(statement, values)
        idle = self._connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        try:
            return self._connection.execute(_translated(statement), values or None)
        except psycopg.OperationalError as error:
            if not (idle and _is_lost(self._connection, error)):
                raise
        self._connection = self._address.connect(self._schema)
        return self._connection.execute(_translated(statement), values or None)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Execute a statement for each of ``rows``, sent together."""
        if self._unsent is not None:
            for row in rows:
                self._in_transaction(statement, row)
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

    def _in_transaction(self, statement: str, values: Sequence[Any]) -> Rows:
        assert self._unsent is not None
        if statement == "ROLLBACK":
            self._unsent = None
            return self._connection.execute("ROLLBACK")
        answer = _Answer(self._send)
        cursor = psycopg.ClientCursor(self._connection)
        self._unsent.append((cursor.mogrify(_translated(statement), values or None), answer))
        if statement == "COMMIT":
            self._send()
            self._unsent = None
        elif len(self._unsent) == _MOST_UNSENT:
            self._send()
        return answer

    def _send(self) -> None:
        """Send what was not sent; all have their rows then. The first that fails is the last."""
        unsent, self._unsent = self._unsent or [], []
        message = "; ".join(statement for statement, _ in unsent).encode()
        cursor = psycopg.ClientCursor(self._connection)
        try:
            cursor.execute(message)
        except psycopg.OperationalError as error:
            can_repeat = unsent[0][0] == "BEGIN" and unsent[-1][0] != "COMMIT"
            if not (can_repeat and _is_lost(self._connection, error)):
                raise
            self._connection = self._address.connect(self._schema)
            cursor = psycopg.ClientCursor(self._connection)
            cursor.execute(message)
        for _, answer in unsent:
            answer.rows = iter(cursor.fetchall() if cursor.description else [])
            cursor.nextset()


@cache
def _translated(statement: str) -> Any:
    return statement.replace("?", "%s")


class Pool:
    """Idle connections to one schema, for whoever needs one for a moment or holds a lock by it."""

    def __init__(self, address: Address, schema: str) -> None:
        self.address = address
        self.schema = schema
        self._idle: list[Connection] = []
        self._process = os.getpid()
        self._one = threading.Lock()

    def take(self) -> Connection:
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

    def give(self, connection: Connection) -> None:
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

    def held(self, work: Callable[[Connection], T]) -> tuple[Connection, T]:
        """A connection in which ``work`` was done, to be given back; and what that gave.

        It is done once more where the connection is lost meanwhile: twice must do no harm. Raises
        ``StorageError``.
        """
        is_repeated = False
        while True:
            connection = self.take()
            try:
                return connection, work(connection)
            except psycopg.Error as error:
                is_lost = _is_lost(connection, error)
                connection.close()
                if is_repeated or not is_lost:
                    raise self.address.as_storage_error(error) from error
                is_repeated = True
            except BaseException:
                connection.close()
                raise

    def run(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` gives, as :meth:`held` does it."""
        connection, result = self.held(work)
        self.give(connection)
        return result


def _is_lost(connection: Connection, error: Exception) -> bool:
    """Whether the server ended the session, so that nothing of it is left."""
    ended = psycopg.errors.AdminShutdown | psycopg.errors.CrashShutdown
    return connection.closed or isinstance(error, ended)


def _is_alive(connection: Connection) -> bool:
    """Whether nothing came on an idle connection: what comes is that the server closed it."""
    if connection.closed:
        return False
    poll = select.poll()  # select.select() knows file numbers below 1024 alone
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


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
