"""Commit pages on a separate thread while the next page is fetched.

Pages that arrive within a while share a commit, because each commit rewrites a file: within 0.3
seconds, and within more where commits, of all streams of the process, would take more than a tenth
of the time. A crash costs at most the pages of one commit, which the next pull fetches again.
"""

import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Final

import pyarrow as pa

from pipelines.ingest.report import StreamReport
from schemas import RejectedRow
from warehouse.state import StreamState
from warehouse.store import StreamWriter

_PILE: Final = 128
"""Pages of a stream that may wait: 128 pages of 1,000 rows are some 10 MB."""
_ROOM: Final = threading.BoundedSemaphore(4 * _PILE)
"""Pages of all streams of this process that may wait."""
_GATHER_SECONDS: Final = 0.3, 5.0
"""The shortest and the longest while."""
_GATHER_RATIO: Final = 10
_RUNNING: Final[set["Committer"]] = set()
_RELEASE_SECONDS: Final = 0.5
"""Freed memory is returned to the system this often; more often costs more than it saves."""


@dataclass(frozen=True)
class _Work:
    rows: pa.Table | None
    rejected: Sequence[RejectedRow]
    state: StreamState


class _Signal(Enum):
    FLUSH = "flush"
    END = "end"


class Committer:
    """``with Committer(writer, report) as c: c.put(...)``; leaving waits until all is stored."""

    def __init__(self, writer: StreamWriter, report: StreamReport) -> None:
        self._writer = writer
        self._report = report
        self._queue: queue.Queue[_Work | _Signal] = queue.Queue(_PILE)
        self._hurry = threading.Event()
        """Set while a caller waits: the thread stores what it has gathered at once."""
        self._error: BaseException | None = None
        self._released = time.monotonic()
        self._gather_seconds = _GATHER_SECONDS[0]
        self._thread: threading.Thread | None = None
        self._state: _Work | None = None
        """A state without new rows. As long as no rows came there is no thread: most pulls find
        nothing new, and a thread with a connection of its own costs more than all else then."""

    def __enter__(self) -> "Committer":
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is None:
            self.flush()
            return
        self._queue.put(_Signal.END)
        self._hurry.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def put(
        self, rows: pa.Table | None, state: StreamState, rejected: Sequence[RejectedRow] = ()
    ) -> None:
        """Store ``rows`` and record ``state``, whose coverage may include all rows put so far."""
        if self._error is not None:
            raise self._error
        work = _Work(rows, rejected, state)
        if self._thread is None:
            if not rejected and (rows is None or not rows.num_rows):
                self._state = work
                return
            self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
            self._thread.start()
        if not _ROOM.acquire(blocking=False):
            self._hurry.set()
            _ROOM.acquire()
        try:
            self._queue.put_nowait(work)
        except queue.Full:
            self._hurry.set()
            self._queue.put(work)

    def hurry(self) -> None:
        """Have what was put so far stored without gathering more."""
        self._hurry.set()

    def flush(self) -> None:
        """Return when everything put so far is stored."""
        if self._thread is None:
            waiting, self._state = self._state, None
            if waiting is not None:
                self._commit([waiting])
            return
        self._queue.put(_Signal.FLUSH)
        self._hurry.set()
        self._queue.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        _RUNNING.add(self)
        ended = False
        while not ended:
            work = self._gather()
            ended = _Signal.END in work
            pages = [w for w in work if isinstance(w, _Work)]
            try:
                if pages and self._error is None:
                    self._commit(pages)
            except BaseException as error:  # handed to the thread that puts
                self._error = error
            finally:
                for one in work:
                    self._queue.task_done()
                    if isinstance(one, _Work):
                        _ROOM.release()
        _RUNNING.discard(self)

    def _gather(self) -> list[_Work | _Signal]:
        """The next entry and those that follow it within the gathering time.

        Waking up for each page would delay the thread that fetches them.
        """
        work = [self._queue.get()]
        self._hurry.wait(self._gather_seconds)
        self._hurry.clear()
        with suppress(queue.Empty):
            while work[-1] is not _Signal.END:
                work.append(self._queue.get_nowait())
        return work

    def _commit(self, pages: list[_Work]) -> None:
        began = time.monotonic()
        done = self._writer.commit(
            [w.rows for w in pages if w.rows is not None and w.rows.num_rows],
            pages[-1].state,
            [row for w in pages for row in w.rejected],
        )
        now = time.monotonic()
        shortest, longest = _GATHER_SECONDS
        wanted = _GATHER_RATIO * len(_RUNNING) * (now - began)
        self._gather_seconds = min(longest, max(shortest, wanted))
        if now - self._released > _RELEASE_SECONDS:
            pa.default_memory_pool().release_unused()
            self._released = now
        self._report.rows_added += done.added
        self._report.rows_replaced += done.replaced
        self._report.quarantined += done.quarantined
