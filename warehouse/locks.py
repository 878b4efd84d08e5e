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
    path = home.joinpath("locks", *name)
    path = path.with_name(f"{path.name}.lock")  # names hold dots: with_suffix would cut them
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = file_lock(path, -1 if wait else 0)
        lock.acquire()
    except Timeout:
        raise InUseError(f"another process holds {path}") from None
    except OSError as error:
        raise from_os_error(error, "cannot lock", path) from error
    try:
        yield
    finally:
        lock.release()
