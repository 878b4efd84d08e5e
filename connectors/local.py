"""Nonces, rate limits and breaker of a single process: for tests, small scripts and replays.

Several processes that share a key or an address need shared ones; the pipelines bring those.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from connectors import pace
from connectors.pace import SECOND, Allowance, Pace, Step, Turns

T = TypeVar("T")


class LocalNonces:
    """A nonce sequence in memory. Threads wait for one another until the request is answered."""

    def __init__(self, last: int = 0) -> None:
        self._last = last
        self._one_request = threading.Lock()

    @contextmanager
    def next(self, at_least: int) -> Iterator[int]:
        with self._one_request:
            self._last = max(self._last + 1, at_least)
            yield self._last


class LocalLimits:
    """Calls of each bucket as far apart as their cost, in memory. ``now``: seconds, monotonic."""

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep = sleep
        self._now = now
        self._turns = Turns()
        self._lock = threading.Lock()
        self._paces: dict[str, Pace] = {}

    def wait(self, bucket: str, allowance: Allowance, cost: float = 1.0) -> None:
        spacing = allowance.spacing(cost)
        turn, update = self._turns.of(bucket), partial(self._update, bucket)
        pace.wait(turn, update, spacing, self._sleep)

    def sent(self, bucket: str, allowance: Allowance, cost: float = 1.0) -> None:
        spacing = allowance.spacing(cost)
        self._update(bucket, lambda pace, now: (now, pace.sent(now, spacing)))

    def hold(self, bucket: str, seconds: float) -> None:
        self._update(bucket, lambda pace, now: (now, pace.hold(now + round(seconds * SECOND))))

    def _update(self, bucket: str, step: Step) -> tuple[int, int]:
        with self._lock:
            now = round(self._now() * SECOND)
            moment, self._paces[bucket] = step(self._paces.get(bucket, Pace()), now)
        return moment, now


class NoLimits:
    """No waiting at all: for servers of one's own."""

    def wait(self, bucket: str, allowance: Allowance, cost: float = 1.0) -> None:
        """Return at once."""

    def sent(self, bucket: str, allowance: Allowance, cost: float = 1.0) -> None:
        """Remember nothing."""

    def hold(self, bucket: str, seconds: float) -> None:
        """Remember nothing."""


class NoBreaker:
    """Every call is made."""

    def call(self, stream: str, ask: Callable[[], T], *, public: bool = True) -> T:
        return ask()
