"""The nonce sequence of one API key, shared by every process that uses this home.

The last number handed out lies in a file, so the sequence also rises when the clock steps back.
The lock is held until the request is answered: an exchange refuses a nonce that another overtook.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from warehouse.errors import from_os_error
from warehouse.locks import exclusive


class HomeNonces:
    """``connectors.base.Nonces`` for one key. The file is named by a hash of the key."""

    def __init__(self, home: Path, exchange: str, key: str) -> None:
        self._home = home
        self._name = f"{exchange}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        self._path = home / "nonces" / self._name
        self._mine = threading.local()

    @contextmanager
    def next(self, at_least: int) -> Iterator[int]:
        """A number never handed out before, ``>= at_least``; held for the whole request."""
        with exclusive(self._home, "nonces", self._name):
            nonce = max(at_least, self._last() + 1)
            self._store(nonce)
            self._mine.held = True
            try:
                yield nonce
            finally:
                self._mine.held = False

    def advance(self, seen: int) -> None:
        """Never hand out ``seen`` or anything below it again."""
        held = getattr(self._mine, "held", False)
        with nullcontext() if held else exclusive(self._home, "nonces", self._name):
            if seen > self._last():
                self._store(seen)

    def _last(self) -> int:
        try:
            return int(self._path.read_text() or 0)
        except FileNotFoundError:
            return 0
        except ValueError:  # torn by a power loss: the clock leads on
            return 0

    def _store(self, nonce: int) -> None:
        temporary = self._path.with_suffix(".tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(str(nonce))
            temporary.replace(self._path)
        except OSError as error:
            raise from_os_error(error, "cannot write", self._path) from error
