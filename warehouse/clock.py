"""The clock of the warehouse: wall time, in microseconds since 1970 and in names (UTC)."""

import time
from datetime import UTC, datetime


def now_us() -> int:
    """Now, in microseconds since 1970."""
    return time.time_ns() // 1000


def stamp() -> str:
    """Now, as a part of a file's name."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
