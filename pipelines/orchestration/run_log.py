"""The log of a run, and in it the progress of a pull: rows, requests, how far back, time left."""

import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from pipelines.feeds import Job
from pipelines.ingest import StreamProgress
from pipelines.output.formatting import age
from pipelines.progress import detail, name

QUIET: Final = {"loggers": {"console": {"config": {"log_level": "WARNING"}}}}
"""Run configuration: only warnings go to the terminal and captured logs. Events have all."""

_SECONDS: Final = 15.0


class RunLog:
    """Writes a line now and then for a stream that takes long, and one when such a stream is done.

    The time left is an upper bound, from the pace so far: an exchange's history may begin later
    than the feed wants it.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        write: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wanted = {(job.exchange, job.dataset): job.feed.start for job in jobs}
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._begun: dict[str, tuple[float, datetime]] = {}
        self._written: dict[str, float] = {}
        self._long: set[str] = set()

    def __call__(self, report: StreamProgress) -> None:
        key = name(report)
        with self._lock:
            now = self._clock()
            due = now - self._written.setdefault(key, now) >= _SECONDS
            if report.oldest is not None:
                self._begun.setdefault(key, (now, report.oldest))
            if report.done:
                if key in self._long:
                    self._write(f"{key}: {detail(report)}, done for now")
            elif due:
                self._written[key] = now
                self._long.add(key)
                self._write(f"{key}: {detail(report)}{self._left(key, report, now)}")

    def _left(self, key: str, report: StreamProgress, now: float) -> str:
        """``, at most 2 h 10 min left``; nothing where that cannot be told."""
        wanted = self._wanted.get((report.exchange, report.dataset))
        if wanted is None or report.oldest is None:
            return ""
        began, first = self._begun[key]
        oldest = report.oldest
        done, left = (first - oldest).total_seconds(), (oldest - wanted).total_seconds()
        if done <= 0 or left <= 0:
            return ""
        seconds = (now - began) * left / done
        return f", at most {age(timedelta(seconds=seconds))} left" if seconds < 10**9 else ""
