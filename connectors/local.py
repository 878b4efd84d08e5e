"""Nonces, rate limits and breaker of a single process: for tests, small scripts and replays.

Several processes that share a key or an address need shared ones; the pipelines bring those.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class LocalNonces:
    """A nonce sequence in memory. Threads wait for one another until the request is answered."""

    def __init__(self, last: int = 0) -> None:
        self._last = last
        self._one_request = threading.Lock()

    @contextmanager
    def next(self, at_least: int) -> Iterator[int]:
        """The next nonce, held until the block is left."""
        with self._one_request:
            self._last = max(self._last + 1, at_least)
            yield self._last


class LocalLimits:
    """Evenly spaced calls per bucket, in memory."""

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep = sleep
        self._now = now
        self._lock = threading.Lock()
        self._free_at: dict[str, float] = {}

    def wait(self, bucket: str, per_second: float) -> None:
        """Take the next free moment of ``bucket``, and wait for it."""
        with self._lock:
            now = self._now()
            turn = max(now, self._free_at.get(bucket, now))
            self._free_at[bucket] = turn + 1 / per_second
        if turn > now:
            self._sleep(turn - now)


class NoLimits:
    """No waiting at all: for servers of one's own."""

    def wait(self, bucket: str, per_second: float) -> None:
        """Return at once."""


class NoBreaker:
    """Every call is made."""

    def call(self, stream: str, ask: Callable[[], T], *, public: bool = True) -> T:
        """The answer of ``ask``."""
        return ask()
