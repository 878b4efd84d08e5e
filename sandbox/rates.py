"""The documented limits on calls, and the nonces seen. Both count for the life of the server."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

# A client that keeps N calls a second as it sends them may see them arrive a little closer.
_WINDOW = 0.9


@dataclass
class Limits:
    """``retry_after``: seconds named with a 429 of BitexBit; None = no such header."""

    enabled: bool = True
    retry_after: int | None = 1
    clock: Callable[[], float] = time.monotonic
    _calls: dict[str, deque[float]] = field(default_factory=dict)

    def allow(self, bucket: str, per_second: int) -> bool:
        """Whether one more call fits; a refused call does not count."""
        if not self.enabled:
            return True
        now = self.clock()
        calls = self._calls.setdefault(bucket, deque())
        while calls and calls[0] <= now - _WINDOW:
            calls.popleft()
        if len(calls) >= per_second:
            return False
        calls.append(now)
        return True


class NonceBook:
    """The highest nonce of every key."""

    def __init__(self) -> None:
        self._highest: dict[str, int] = {}

    def highest(self, key: str) -> int:
        return self._highest.get(key, 0)

    def spend(self, key: str, nonce: int) -> bool:
        """Take ``nonce`` if it is above every earlier one of the key."""
        if nonce <= self.highest(key):
            return False
        self._highest[key] = nonce
        return True
