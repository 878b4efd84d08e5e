"""One stream in one pull: fetches pages, counts them, passes rows and state to the committer."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Connector, Key, Page, Paging, Window
from connectors.errors import ContractError
from pipelines.ingest.budget import Budget, OutOfTimeError
from pipelines.ingest.committer import Committer
from pipelines.ingest.report import Listener, StreamProgress, StreamReport
from schemas import Dataset, RejectedRow, StreamId, TidemarkError, dataset
from schemas.times import to_datetime, to_microseconds
from warehouse.clock import now_us
from warehouse.state import StreamState
from warehouse.store import Store, StreamWriter

LOOKUPS = 200
_SAME = 25
"""A pull that makes one request more often than this in a row would make it for ever."""


@dataclass(frozen=True)
class Task:
    """One stream to pull, with its settings.

    ``start``: history is wanted back to here. ``lookback``: rows below the head to read again, if
    the feed says so. ``lookups``: the most rows that a pull requests one by one. ``again``: a
    stretch of time, in microseconds, that is requested whatever is covered. ``budget``: when it has
    to end.
    """

    store: Store
    connector: Connector
    stream: StreamId
    start: datetime
    lookback: int | None = None
    listener: Listener | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    lookups: int = LOOKUPS
    again: tuple[int, int] | None = None
    budget: Budget | None = None

    @property
    def paging(self) -> Paging:
        offer = self.connector.offers[self.stream.dataset]
        return offer.part(self.stream.symbol).of(self.stream.timeframe)

    def report(self) -> StreamReport:
        """An empty report of this stream."""
        return StreamReport(self.stream.exchange, self.stream.dataset, self.stream.label)


def time_span(declared: Dataset, table: pa.Table) -> tuple[int, int] | None:
    """The least and the greatest time of ``table``, in microseconds; ``None`` without rows."""
    if not table.num_rows or declared.time_column not in table.column_names:
        return None
    ends = pc.min_max(table.column(declared.time_column))
    return ends["min"].value, ends["max"].value


Row = tuple[object, ...]


def _by_key(table: pa.Table, key: Sequence[int]) -> dict[Row, Row]:
    """The rows of ``table`` by their columns ``key``."""
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    return {tuple(row[i] for i in key): row for row in rows}


class Session:
    """A running task. It holds the stream's lock; ``state`` is the state at the beginning."""

    def __init__(
        self, task: Task, writer: StreamWriter, committer: Committer, report: StreamReport
    ) -> None:
        self.task = task
        self.stream = task.stream
        self.connector = task.connector
        self.paging = task.paging
        self.declared = dataset(task.stream.dataset)
        self.writer = writer
        self.report = report
        self.started = now_us()
        budget = task.budget
        self._ends_at = budget.stream_ends_at(self.paging.cursor) if budget else None
        self.wanted_from = to_microseconds(task.start)
        self.last = writer.state()
        """The state that was committed last, stored or not yet."""
        self.state = replace(self.last, wanted_from=self.wanted_from, delisted=False)
        self._committer = committer
        self._rows = 0
        self._asked: tuple[Window | None, int] = (None, 0)
        self._refetched: set[Row] = set()
        self._new: set[Row] = set()
        self._differing: set[Row] = set()

    def fetch(self, window: Window) -> Page:
        """One page of the stream, counted and reported."""
        self.keep_going()
        last, times = self._asked
        self._asked = (window, times + 1 if window == last else 1)
        if self._asked[1] > _SAME:
            raise ContractError(
                f"the same rows were asked for {_SAME} times, and the answers prove nothing of "
                "them. What came is stored. Fix: pull again later"
            )
        page = self.count(self.connector.fetch(self.stream, window))
        readable = page.table.num_rows or any(r.position is not None for r in page.rejected)
        # where the answer names its end, the rows behind those can be asked for
        if page.received and not readable and page.resume is None:
            what = "id" if self.paging.key is Key.INTEGER else "time"
            raise ContractError(
                f"none of the {page.received} rows of an answer has a readable {what}: "
                f"{page.rejected[0].reason}"
            )
        return page

    def keep_going(self) -> None:
        """Raises ``TidemarkError`` where the pull is to end early."""
        if self.task.stop.is_set():
            raise TidemarkError("stopped; what was received is stored, the next pull continues")
        if self._ends_at is not None and time.monotonic() > self._ends_at:
            raise OutOfTimeError(
                "out of time; what was received is stored, the next pull continues"
            )

    def count(self, page: Page) -> Page:
        """Note one answer in the report and inform the listener."""
        self.report.requests += 1
        if page.notices:
            self.report.notice = f"{self.stream}: {'; '.join(dict.fromkeys(page.notices))}"
        self._rows += page.received
        if self.task.again is not None:
            self._compare(page, *self.task.again)
        if self.task.listener is not None:
            span = time_span(self.declared, page.table)
            self.task.listener(self._progress(to_datetime(span[0]) if span else None, done=False))
        return page

    def count_built(self, rows: int) -> None:
        """Note rows that were made here and not received."""
        self._rows += rows

    def commit(
        self, rows: pa.Table | None, state: StreamState, rejected: Sequence[RejectedRow] = ()
    ) -> None:
        """Store rows and state (in the background, in order)."""
        self.last = state
        self._committer.put(rows, state, rejected)

    def hurry(self) -> None:
        """Have what was committed stored now: for a while nothing follows."""
        self._committer.hurry()

    def flush(self) -> None:
        """Wait until all that was committed is stored."""
        self._committer.flush()

    def finished(self) -> None:
        """Inform the listener that this stream is done."""
        if self.task.listener is not None:
            self.task.listener(self._progress(None, done=True))

    def _compare(self, page: Page, low: int, high: int) -> None:
        """Count the rows of a stretch requested again, and those that differ from stored ones.

        A row counts once, however many answers show it.
        """
        names = self.declared.connector_schema.names
        time = self.declared.time_column
        if time not in names or not page.table.num_rows:
            return
        at = pc.cast(page.table.column(time), pa.int64())
        rows = page.table.filter(pc.and_(pc.greater_equal(at, low), pc.less(at, high)))
        span = time_span(self.declared, rows)
        if span is None:
            return
        names = [name for name in self.declared.file_schema.names if name in names]
        key = [names.index(name) for name in self.declared.key if name in names]
        stored = _by_key(self.writer.between(span[0], span[1] + 1, names), key)
        for row_key, row in _by_key(rows.select(names), key).items():
            if row_key not in stored and row_key not in self._refetched:
                self._new.add(row_key)
            self._refetched.add(row_key)
            if stored.get(row_key, row) != row:
                self._differing.add(row_key)
        self.report.refetched = len(self._refetched)
        self.report.refetched_new = len(self._new)
        self.report.differences = len(self._differing)

    def _progress(self, oldest: datetime | None, *, done: bool) -> StreamProgress:
        return StreamProgress(
            self.stream.exchange,
            self.stream.dataset,
            self.stream.label,
            self._rows,
            self.report.requests,
            oldest,
            done,
        )
