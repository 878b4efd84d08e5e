"""Locks across processes and threads: one writer per stream, one publisher per home.

Operating-system file locks, so a killed process leaves none behind.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from warehouse.errors import InUseError, from_os_error


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
    lock = _acquired(home, name, timeout=-1 if wait else 0)
    if lock is None:
        raise InUseError(f"another process holds {_path(home, name)}")
    try:
        yield
    finally:
        lock.release()


@contextmanager
def exclusive_if_free(home: Path, *name: str) -> Iterator[bool]:
    """Hold the lock ``name`` of this home unless another holds it; whether it is held here."""
    lock = _acquired(home, name, timeout=0)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()


def _acquired(home: Path, name: tuple[str, ...], timeout: float) -> FileLock | None:
    """The lock, held; ``None`` where another holds it for longer than ``timeout`` seconds."""
    path = _path(home, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = file_lock(path, timeout)
        lock.acquire()
        return lock
    except Timeout:
        return None
    except OSError as error:
        raise from_os_error(error, "cannot lock", path) from error


def _path(home: Path, name: tuple[str, ...]) -> Path:
    path = home.joinpath("locks", *name)
    return path.with_name(f"{path.name}.lock")  # names hold dots: with_suffix would cut them
