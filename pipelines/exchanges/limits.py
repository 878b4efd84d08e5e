"""Rate limits kept by every process of this user on this machine.

Each bucket is a file that holds the next free moment. A call takes that moment for itself, under a
file lock that is held for microseconds, and then waits for it: calls go out evenly spaced, in the
order in which they asked, and a killed process wastes one moment and blocks no other. Moments
are those of the monotonic clock, which all processes share and which no clock step moves.
"""

import logging
import math
import os
import struct
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from filelock import FileLock, Timeout

from connectors.local import LocalLimits
from warehouse.locks import file_lock

MARGIN: Final = 1.05
"""Calls are spaced this much wider than allowed: what leaves evenly may arrive a little closer."""
_SECOND: Final = 1_000_000_000
_FARTHEST: Final = 600 * _SECOND
"""A moment beyond this is no queue of waiting calls but rubbish."""
_POLL_SECONDS: Final = 0.001
_STUCK_SECONDS: Final = 10.0
_STATE: Final = struct.Struct("<16sq")  # the boot that the moment counts from; nanoseconds

_log = logging.getLogger(__name__)
_local: Final = LocalLimits()
_warned = threading.Event()


class SharedLimits:
    """``connectors.base.Limits`` in the first of ``folders`` that can be written.

    Where none can, the limits are those of this process alone, and a warning says so, once.
    ``now``: nanoseconds of the monotonic clock.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], int] = time.monotonic_ns,
        boot: bytes | None = None,
    ) -> None:
        self._folders = list(folders)
        self._sleep = sleep
        self._now = now
        self._boot = (_boot() if boot is None else boot)[:16].ljust(16, b"\0")
        self._one = threading.Lock()
        self._locks: dict[Path, FileLock] = {}

    def wait(self, bucket: str, per_second: float) -> None:
        """Take the next free moment of ``bucket``, and wait for it."""
        spacing = math.ceil(_SECOND * MARGIN / per_second)
        with self._one:
            pause = self._take(quote(bucket, safe=""), spacing)
        if pause is None:
            _local.wait(bucket, per_second / MARGIN)
        elif pause > 0:
            self._sleep(pause / _SECOND)

    def _take(self, name: str, spacing: int) -> int | None:
        """Nanoseconds until the moment taken; ``None`` where it cannot be shared."""
        while self._folders:
            try:
                return self._take_in(self._folders[0], name, spacing)
            except (OSError, Timeout) as error:
                gone = self._folders.pop(0)
                if not self._folders and not _warned.is_set():
                    _warned.set()
                    _log.warning(
                        "cannot share rate limits in %s (%s): each process keeps to them by "
                        "itself; run one pull at a time, or make the folder writable",
                        gone,
                        error,
                    )
        return None

    def _take_in(self, folder: Path, name: str, spacing: int) -> int:
        path = folder / name
        lock = self._locks.get(path)
        if lock is None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = file_lock(folder / f"{name}.lock", _STUCK_SECONDS, _POLL_SECONDS)
            self._locks[path] = lock
        with lock:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                now = self._now()
                turn = max(now, self._free_at(os.read(handle, _STATE.size), now))
                os.lseek(handle, 0, os.SEEK_SET)
                os.write(handle, _STATE.pack(self._boot, turn + spacing))
            finally:
                os.close(handle)
        return turn - now

    def _free_at(self, state: bytes, now: int) -> int:
        """The moment that the file names; ``now`` for one of another boot, or none at all."""
        if len(state) != _STATE.size:
            return now
        boot, turn = _STATE.unpack(state)
        return int(turn) if boot == self._boot and turn <= now + _FARTHEST else now


def _boot() -> bytes:
    """What identifies this run of the machine (since boot), where it can be read."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text()
        return bytes.fromhex(text.strip().replace("-", ""))
    except (OSError, ValueError):
        return b""
