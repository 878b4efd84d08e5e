"""Locks across processes and threads: one writer per stream, one publisher per home.

Operating-system file locks, so a killed process leaves none behind; leases of PostgreSQL
(``warehouse.leases``) in a home whose metastore is there, so that they hold across machines.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from warehouse.errors import InUseError, from_os_error
from warehouse.home import metastore_url


class Held(Protocol):
    """A lock that is held."""

    def release(self) -> object:
        """Let the next holder go on."""


def file_lock(path: Path, timeout: float = -1, poll: float = 0.05) -> FileLock:
    """The operating system's lock on ``path``, between threads as well; not yet taken.

    Fails on systems without such locks: a lock file in their place would outlive a killed process.
    """
    return FileLock(
        path,
        timeout,
        poll_interval=poll,
        thread_local=False,
        is_singleton=False,
        fallback_to_soft=False,
    )


@contextmanager
def exclusive(home: Path, *name: str, wait: bool = True) -> Iterator[None]:
    """Hold the lock ``name`` of this home; waits for another holder, however long it takes.

    Without ``wait`` another holder raises ``InUseError`` at once.
    """
    lock = _acquired(home, name, wait)
    if lock is None:
        raise InUseError(f"another process holds {lock_path(home, *name)}")
    try:
        yield
    finally:
        lock.release()


@contextmanager
def exclusive_if_free(home: Path, *name: str) -> Iterator[bool]:
    """Hold the lock ``name`` of this home unless another holds it; whether it is held here."""
    lock = _acquired(home, name, wait=False)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()


@contextmanager
def exclusive_here(home: Path, *name: str) -> Iterator[None]:
    """Hold the lock ``name`` between the processes of this machine alone."""
    lock = _file_acquired(lock_path(home, *name), wait=True)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


@contextmanager
def guarded(home: Path, *name: str) -> Iterator[None]:
    """Files that the lock ``name`` protects may be replaced or removed within the block.

    Raises ``StorageError`` where this process had the lock and lost it to another. A file lock is
    never lost.
    """
    lease = None
    if metastore_url():
        from warehouse.leases import held  # with it psycopg

        lease = held(home, name)
    with nullcontext() if lease is None else lease.guard():
        yield


def remove(home: Path, *name: str) -> None:
    """Remove what is left of a lock that nobody will take again."""
    lock_path(home, *name).unlink(missing_ok=True)
    if metastore_url():
        from warehouse.metastore_backend import is_postgres

        if is_postgres(home):
            from warehouse.leases import forget

            forget(home, name)


def lock_path(home: Path, *name: str) -> Path:
    """The file of the lock ``name``, which is there once the lock was held."""
    path = home.joinpath("locks", *name)
    return path.with_name(f"{path.name}.lock")  # names hold dots: with_suffix would cut them


def _acquired(home: Path, name: tuple[str, ...], wait: bool) -> Held | None:
    """The lock, held; ``None`` where another holds it and it is not waited for."""
    path = lock_path(home, *name)
    if metastore_url():
        from warehouse.metastore_backend import is_postgres

        if is_postgres(home):
            from warehouse.leases import acquired  # with it psycopg

            return acquired(home, name, path, wait)
    return _file_acquired(path, wait)


def _file_acquired(path: Path, wait: bool) -> FileLock | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = file_lock(path, -1 if wait else 0)
        lock.acquire()
        return lock
    except Timeout:
        return None
    except OSError as error:
        raise from_os_error(error, "cannot lock", path) from error
