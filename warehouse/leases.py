"""Locks of a home whose metastore is in PostgreSQL: by the server, and numbered.

A lease is an advisory lock of a session of its own. It ends with its process; of a machine that is
cut off, after half a minute. So a holder that was stopped may wake when another one has its lock.
Every lease therefore has a number that grows from holder to holder, its fence. A holder whose fence
is not the newest of its lock is refused:

- **Records** (coverage, files, claims): the number is compared in the transaction that records, of
  which the next holder waits for the end.
- **Files**: a file takes its place in the home within ``Lease.guard``, which holds the lock's file,
  compares the number, and lets go after the rename. The next holder takes the lock's file once
  before it begins: it waits for a rename that is under way, and every later one is refused.

The second holds where file locks hold over all machines that share the home: one machine, NFS 4,
cluster file systems with ``flock``. On a file system without file locks the number is compared
directly before the rename, which leaves the moment between the two.
"""

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from filelock import Timeout

from warehouse.errors import StorageError, from_os_error
from warehouse.home import metastore_url
from warehouse.locks import file_lock
from warehouse.metastore_backend import backend_of, read_marker
from warehouse.postgres import Connection, Pool, number_of, pool_of

NEWEST: Final = "SELECT fence FROM leases WHERE name = ? FOR SHARE"
"""The newest holder of a lock: the next one waits until the transaction ends."""
_NEWEST: Final = "SELECT fence FROM leases WHERE name = %s"
_TAKE: Final = """
INSERT INTO leases VALUES (%s, nextval('fences'))
ON CONFLICT (name) DO UPDATE SET fence = excluded.fence RETURNING fence
"""
_NO_FILE_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_POLL_SECONDS: Final = 0.005

_one: Final = threading.Lock()
_queues: Final[dict[tuple[str, str], threading.Lock]] = {}
"""Threads of this process queue here: a lease that was lost is not another thread's meanwhile."""
_held: Final[dict[tuple[str, str], "Lease"]] = {}


class Lease:
    """A lock that is held, until :meth:`release`. ``fence``: its number; ``path``: its file."""

    def __init__(self, pool: Pool, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.fence = 0
        self._pool = pool
        self._key = pool.schema, name
        self._number = number_of(f"{pool.schema} {name}")
        with _one:
            self._queue = _queues.setdefault(self._key, threading.Lock())
        self._session: Connection | None = None

    def acquire(self, wait: bool) -> bool:
        """Take the lock; whether it is held now. Raises ``StorageError``."""
        if not self._queue.acquire(wait):
            return False
        got = False
        try:
            got = self._take(wait)
        finally:
            if got:
                _held[self._key] = self
            else:
                self._let_go()
        return got

    def release(self) -> None:
        """Let the next holder go on."""
        del _held[self._key]
        self._let_go()

    def check(self, newest: tuple[Any, ...] | None) -> None:
        """Raise ``StorageError`` unless ``newest``, the row of the lock, is of this holder."""
        if newest != (self.fence,):
            raise StorageError(
                f"this process was stopped or cut off, and another one holds {self.name} since: "
                "nothing was written. Fix: try again"
            )

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Files of the home may be replaced within the block: no later holder has begun.

        Raises ``StorageError`` where one has.
        """
        with _locked(self.path, wait=True):
            self.check(self._pool.run(lambda db: db.execute(_NEWEST, (self.name,)).fetchone()))
            yield

    def _take(self, wait: bool) -> bool:
        function = "pg_advisory_lock" if wait else "pg_try_advisory_lock"

        def begin(session: Connection) -> int:
            row = session.execute(f"SELECT {function}(%s)", (self._number,)).fetchone()
            if row == (False,):
                return 0
            (fence,) = session.execute(_TAKE, (self.name,)).fetchone() or (0,)
            return int(fence)

        self._session, self.fence = self._pool.held(begin)
        if not self.fence:
            return False
        with _locked(self.path, wait) as is_free:  # an earlier holder puts no file in place now
            return is_free

    def _let_go(self) -> None:
        session, self._session = self._session, None
        try:
            if session is not None:
                session.execute("SELECT pg_advisory_unlock_all()")
                self._pool.give(session)
        except BaseException as error:
            if session is not None:
                session.close()  # and with it the lock, if it was still held
            if not isinstance(error, psycopg.Error):
                raise
        finally:
            self._queue.release()


def acquired(home: Path, name: tuple[str, ...], path: Path, wait: bool) -> Lease | None:
    """The lease ``name``, held; ``None`` where another holds it and it is not waited for.

    ``path``: its file. Raises ``StorageError``.
    """
    lease = Lease(pool_of_home(home), "/".join(name), path)
    return lease if lease.acquire(wait) else None


def held(home: Path, name: tuple[str, ...]) -> Lease | None:
    """The lease ``name`` of this home that this process holds, if it does."""
    marker = read_marker(home)
    return _held.get(((marker.schema or "") if marker else "", "/".join(name)))


def forget(home: Path, name: tuple[str, ...]) -> None:
    """Delete the row of a lease that nobody holds; a number is never given twice all the same."""
    pool_of_home(home).run(
        lambda db: db.execute("DELETE FROM leases WHERE name = %s", ("/".join(name),))
    )


def holding() -> list[Lease]:
    """The leases that this process holds."""
    return list(_held.values())


def pool_of_home(home: Path) -> Pool:
    """Connections to the schema of ``home``, which is created where it has none."""
    marker = read_marker(home)
    if marker is None or marker.schema is None:
        backend_of(home)
        marker = read_marker(home)
    assert marker is not None and marker.schema is not None
    return pool_of(metastore_url() or "", marker.schema)


@contextmanager
def _locked(path: Path, wait: bool) -> Iterator[bool]:
    """Hold the file ``path``, where its file system has locks; whether it is held."""
    lock = file_lock(path, -1 if wait else 0, _POLL_SECONDS)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        yield False
        return
    except OSError as error:
        if error.errno not in _NO_FILE_LOCKS:
            raise from_os_error(error, "cannot lock", path) from error
    try:
        yield True
    finally:
        lock.release()
