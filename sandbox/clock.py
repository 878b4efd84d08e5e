"""The clock of the sandbox world: any callable that gives milliseconds since 1970 UTC.

It is injected, so that a test moves time by hand and a demo lets it run.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

from sandbox.errors import SandboxError

Clock: TypeAlias = Callable[[], int]
Instant: TypeAlias = datetime | int | str

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def wall_clock() -> int:
    """The machine's time in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def to_ms(instant: Instant) -> int:
    """Milliseconds since 1970 of a datetime (naive = UTC), an ISO 8601 text or milliseconds."""
    if isinstance(instant, int):
        return instant
    if isinstance(instant, str):
        try:
            instant = datetime.fromisoformat(instant)
        except ValueError:
            raise SandboxError(
                f"{instant!r} is not a time. Fix: write it like 2026-01-31T12:00:00+00:00"
            ) from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * DAY + since.seconds * SECOND + since.microseconds // 1_000


def running_from(instant: Instant) -> Clock:
    """A clock that shows ``instant`` now and runs at the pace of the wall clock."""
    offset = to_ms(instant) - wall_clock()
    return lambda: wall_clock() + offset


class ManualClock:
    """A clock that stands still until it is moved. Safe to move while a server reads it."""

    def __init__(self, at: Instant) -> None:
        self._lock = threading.Lock()
        self._now = to_ms(at)

    def __call__(self) -> int:
        """The time in milliseconds since 1970 UTC."""
        return self._now

    def advance(self, seconds: float) -> int:
        """Move on (or back, where negative); gives the new time in milliseconds."""
        with self._lock:
            self._now += round(seconds * 1_000)
            return self._now

    def set(self, at: Instant) -> None:
        """Jump to ``at``."""
        self._now = to_ms(at)
