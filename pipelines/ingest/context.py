"""What the pull of one stream works with: its connector, its writer, its report."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Connector, Page, Rejected, Stream, Window
from pipelines.ingest.committer import Committer
from pipelines.ingest.report import Listener, StreamProgress, StreamReport
from schemas import Dataset, TidemarkError, dataset
from warehouse.lake import StreamWriter
from warehouse.ledger import StreamId, StreamState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_datetime(microseconds: int | None) -> datetime | None:
    """Microseconds since 1970 as a UTC datetime."""
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def to_microseconds(moment: datetime) -> int:
    """A UTC datetime as microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def times_of(declared: Dataset, table: pa.Table) -> tuple[int, int] | tuple[None, None]:
    """The least and the greatest time of ``table``, in microseconds."""
    if not table.num_rows or declared.time_column not in table.column_names:
        return None, None
    ends = pc.min_max(table.column(declared.time_column))
    return ends["min"].value, ends["max"].value


class StreamContext:
    """One stream in one pull. Its lock is held; ``state`` is what was known when it began."""

    def __init__(
        self,
        connector: Connector,
        stream: Stream,
        writer: StreamWriter,
        committer: Committer,
        report: StreamReport,
        wanted_from: datetime,
        listener: Listener | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.connector = connector
        self.stream = stream
        self.writer = writer
        self.declared = dataset(stream.dataset)
        self.report = report
        self.wanted_from = to_microseconds(wanted_from)
        self.state = writer.ledger.state(writer.stream)
        self._committer = committer
        self._listener = listener
        self._stop = stop or threading.Event()
        self._rows = 0

    @property
    def name(self) -> str:
        return str(self.writer.stream)

    @property
    def id(self) -> StreamId:
        return self.writer.stream

    @property
    def stopped(self) -> bool:
        """Whether the pull is to end early."""
        return self._stop.is_set()

    def fetch(self, window: Window) -> Page:
        """One page of the stream, counted and reported."""
        if self._stop.is_set():
            raise TidemarkError("stopped; what was received is stored, the next pull goes on")
        return self.count(self.connector.fetch(self.stream, window))

    def count(self, page: Page) -> Page:
        """Note one answer in the report and tell the listener."""
        self.report.requests += 1
        self._rows += page.received
        if self._listener is not None:
            oldest = times_of(self.declared, page.table)[0]
            self._listener(self._progress(to_datetime(oldest), done=False))
        return page

    def commit(
        self, rows: pa.Table | None, state: StreamState, rejected: Sequence[Rejected] = ()
    ) -> None:
        """Store rows and state (in the background, in order)."""
        self._committer.put(rows, state, rejected)

    def flush(self) -> None:
        """Wait until all that was committed is stored."""
        self._committer.flush()

    def finished(self) -> None:
        """Tell the listener that this stream is done."""
        if self._listener is not None:
            self._listener(self._progress(None, done=True))

    def _progress(self, oldest: datetime | None, *, done: bool) -> StreamProgress:
        return StreamProgress(
            self.id.exchange,
            self.id.dataset,
            self.id.stream,
            self._rows,
            self.report.requests,
            oldest,
            done,
        )
