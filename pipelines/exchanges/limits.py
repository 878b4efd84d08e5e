"""Rate limits kept by every process of this user on this machine.

Each bucket is a file that holds the next free moment, and the moment before which no call goes. A
call takes the free moment for itself, under a file lock that is held for microseconds, and then
waits for it: calls go out as far apart as their cost, in the order in which they asked, and a
killed process wastes one moment and blocks no other. A call that leaves so late, on a busy machine,
that a second might have more of them than allowed moves those after it. Moments are those of the
monotonic clock, which all processes share and no clock step moves.
"""

import logging
import os
import struct
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from filelock import FileLock, Timeout

from connectors import pace
from connectors.local import LocalLimits
from connectors.pace import SECOND, Allowance, Pace, Step, Turns
from warehouse.locks import file_lock

MARGIN: Final = 1.05
"""Calls are spaced this much wider than allowed: what leaves evenly may arrive a little closer."""
FARTHEST: Final = 600 * SECOND
"""A moment beyond this is no queue of waiting calls but rubbish."""
_POLL_SECONDS: Final = 0.001
_STUCK_SECONDS: Final = 10.0
_STATE: Final = struct.Struct("<16sqq")  # the boot that moments count from; nanoseconds

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
        self._turns = Turns()
        self._one = threading.Lock()
        self._locks: dict[Path, FileLock] = {}

    def wait(self, bucket: str, allowance: Allowance, cost: float = 1.0) -> None:
        """Take the next free moment of ``bucket``, and wait for it."""
        spacing = allowance.spacing(cost, MARGIN)
        try:
            turn, update = self._turns.of(bucket), partial(self._update, bucket)
            pace.wait(turn, update, spacing, self._sleep)
        except _NotSharedError:
            _local.wait(bucket, allowance, cost * MARGIN)

    def sent(self, bucket: str, allowance: Allowance, cost: float = 1.0) -> None:
        """Count from now: a call of ``bucket`` left."""
        spacing = allowance.spacing(cost, MARGIN)
        try:
            self._update(bucket, lambda pace, now: (now, pace.sent(now, spacing)))
        except _NotSharedError:
            _local.sent(bucket, allowance, cost * MARGIN)

    def hold(self, bucket: str, seconds: float) -> None:
        """Let no call of ``bucket`` go for so long, in any process."""
        try:
            self._update(bucket, lambda pace, now: (now, pace.hold(now + round(seconds * SECOND))))
        except _NotSharedError:
            _local.hold(bucket, seconds)

    def _update(self, bucket: str, step: Step) -> tuple[int, int]:
        """Replace the pace of ``bucket``; the step's moment, and now. Raises _NotSharedError."""
        with self._one:
            while self._folders:
                try:
                    return self._update_in(self._folders[0], quote(bucket, safe=""), step)
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
        raise _NotSharedError

    def _update_in(self, folder: Path, name: str, step: Step) -> tuple[int, int]:
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
                moment, made = step(self._pace(os.read(handle, _STATE.size), now), now)
                os.lseek(handle, 0, os.SEEK_SET)
                os.write(handle, _STATE.pack(self._boot, made.free_at, made.quiet_until))
            finally:
                os.close(handle)
        return moment, now

    def _pace(self, state: bytes, now: int) -> Pace:
        """The pace that the file holds; a new one for that of another boot, or none at all."""
        if len(state) != _STATE.size:
            return Pace()
        boot, *moments = _STATE.unpack(state)
        known = boot == self._boot and max(moments) <= now + FARTHEST
        return Pace(*moments) if known else Pace()


class _NotSharedError(Exception):
    """No folder can be written."""


def _boot() -> bytes:
    """What identifies this run of the machine (since boot), where it can be read."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text()
        return bytes.fromhex(text.strip().replace("-", ""))
    except (OSError, ValueError):
        return b""
