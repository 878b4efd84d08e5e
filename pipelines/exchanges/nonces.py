"""The nonce sequence of one API key, shared by every process that uses it.

The last number returned is in a file of the user's and in one of the home, so that neither two
homes nor two users overtake one another, and so the sequence also rises when the clock steps back
or one of the files is lost. Both locks are held until the request is answered: an exchange refuses
a nonce that another overtook. They are the operating system's: a killed process leaves none.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from filelock import FileLock

from warehouse.errors import from_os_error
from warehouse.locks import file_lock

_POLL_SECONDS: Final = 0.005
_guard: Final = threading.Lock()
_mine: dict[Path, threading.Lock] = {}
"""Threads of this process queue here, which takes no polling."""


class HomeNonces:
    """``connectors.base.Nonces`` of the key that ``name`` stands for.

    ``shared``: the user's folder; left out where it cannot be written. Raises ``StorageError``
    where the home cannot.
    """

    def __init__(self, home: Path, name: str, shared: Path | None = None) -> None:
        self._home = home / "nonces" / name
        self._shared = shared / "nonces" / name if shared else None
        with _guard:
            self._thread_lock = _mine.setdefault(self._home, threading.Lock())

    @contextmanager
    def next(self, at_least: int) -> Iterator[int]:
        """A number never returned before, ``>= at_least``; held for the whole request."""
        with self._locked() as files:
            nonce = max(at_least, self._last(files) + 1)
            self._store(files, nonce)
            yield nonce

    @contextmanager
    def _locked(self) -> Iterator[list[Path]]:
        """Hold the sequence; the files that it lies in."""
        held: list[Path] = []
        with self._thread_lock, ExitStack() as stack:
            if self._shared is not None:  # always first: an order in which nobody can deadlock
                with suppress(OSError):
                    stack.enter_context(_lock(self._shared))
                    held.append(self._shared)
            try:
                stack.enter_context(_lock(self._home))
            except OSError as error:
                raise from_os_error(error, "cannot lock", self._home) from error
            held.append(self._home)
            yield held

    def _last(self, files: list[Path]) -> int:
        return max(_number(path) for path in files)

    def _store(self, files: list[Path], nonce: int) -> None:
        for path in files:
            try:
                _put(path, nonce)
            except OSError as error:
                if path == self._home:
                    raise from_os_error(error, "cannot write", path) from error


def _lock(path: Path) -> FileLock:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return file_lock(path.with_name(f"{path.name}.lock"), poll=_POLL_SECONDS)


def _put(path: Path, nonce: int) -> None:
    """Overwrite the number in place: a file of its own for each request would take far longer."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        os.ftruncate(handle, os.write(handle, b"%d" % nonce))
    finally:
        os.close(handle)


def _number(path: Path) -> int:
    try:
        return int(path.read_bytes() or 0)
    except (OSError, ValueError):  # new, or torn by a power loss: the clock leads on
        return 0
