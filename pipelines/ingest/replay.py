"""Read the kept answers again and put their rows into the lake: after a parser was mended.

The mended parser is right: a row that reads differently now replaces the stored one, and the row
of the newest answer counts where rows may change (of the oldest where they may not, as in a pull).
A row that was refused and is stored now leaves the quarantine. Nothing more is claimed as complete
than before. A second replay changes nothing. No exchange is asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
from warehouse.lake import stream_lock
from warehouse.ledger import Ledger, StreamId, StreamState

import connectors
from connectors.base import Connection, Connector, Cursor, Page, Stream
from connectors.local import LocalNonces, NoLimits
from pipelines.ingest.context import times_of, to_datetime
from pipelines.ingest.kept import Kept
from pipelines.ingest.refusals import Refusals
from pipelines.ingest.replay_report import DatasetReplay, ReplayReport
from pipelines.ingest.report import Listener, StreamProgress
from pipelines.ingest.seen import Seen
from pipelines.ingest.snapshots import changes, rows_of
from pipelines.ingest.streams import Task, pull_stream
from schemas import Dataset, TidemarkError, dataset
from warehouse.files import file_rows
from warehouse.heal import fresh_state, unsettled_rows
from warehouse.rewrite import Rewriter

_CHUNK_ROWS: Final = 50_000
_CHUNK_ANSWERS: Final = 2_000
_NO_START: Final = datetime(1970, 1, 1, tzinfo=UTC)


def replay(
    home: Path, streams: Sequence[StreamId], on_progress: Listener | None = None
) -> ReplayReport:
    """Replay ``streams`` (see ``kept.select``) and rebuild the candles that are built of them.

    Raises ``StorageError`` where the home cannot be used; all else is in the report.
    """
    ledger = Ledger(home)
    report = ReplayReport()
    groups: dict[tuple[str, str], list[StreamId]] = {}
    for stream in streams:
        groups.setdefault((stream.exchange, stream.dataset), []).append(stream)
    for (exchange, name), mine in groups.items():
        connector = _offline(exchange)
        try:
            done = _Replay(home, ledger, connector, DatasetReplay(exchange, name), on_progress)
            report.datasets.append(done.run(mine))
        finally:
            connector.close()
    return report


def _offline(exchange: str) -> Connector:
    """A connector that only reads what it is given."""
    connection = Connection(connectors.default_base_url(exchange), LocalNonces(), NoLimits())
    return connectors.open_connector(exchange, connection)


class _Replay:
    """The replay of one dataset of an exchange."""

    def __init__(
        self,
        home: Path,
        ledger: Ledger,
        connector: Connector,
        report: DatasetReplay,
        listener: Listener | None,
    ) -> None:
        self.home = home
        self.ledger = ledger
        self.connector = connector
        self.report = report
        self.declared: Dataset = dataset(report.dataset)
        self.cursor = connector.offers[report.dataset].cursor
        self.listener = listener
        self.changed: set[str] = set()
        """Markets with rows that were stored."""

    def run(self, streams: Sequence[StreamId]) -> DatasetReplay:
        """Replay ``streams``; what cannot be is in the report."""
        if self.cursor is Cursor.SNAPSHOT:
            self._guarded("", lambda: self._snapshots(streams))
        else:
            for stream in streams:
                self._guarded(f" {stream.stream}", partial(self._stream, stream))
        self._derive()
        if self.report.quarantined:
            self.report.problems.append(
                f"{self.report.name}: {self.report.quarantined} row(s) could not be stored exactly "
                "and lie in `quarantine` with the reason; the rest is stored"
            )
        return self.report

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except TidemarkError as error:
            self.report.problems.append(f"{self.report.name}{name}: {error}")

    # -- streams with a history -----------------------------------------------------------------

    def _stream(self, stream: StreamId) -> None:
        kept = Kept(self.home, self.connector)
        with stream_lock(self.home, stream):
            writer = Rewriter(self.home, self.ledger, stream)
            refusals = Refusals(self.home, self.ledger, stream)
            seen = Seen(self.declared)
            chunk: list[pa.Table] = []
            received = 0
            for answer, page in kept.pages([stream], newest_first=self.declared.replaces):
                refusals.note(answer.body, page.rejected)
                table = page.table.filter(seen.first(page.table))
                chunk.append(file_rows(self.declared, [table], answer.at))
                received += page.received
                if sum(t.num_rows for t in chunk) >= _CHUNK_ROWS:
                    self._store(writer, refusals, chunk)
                    chunk.clear()
                self._tell(stream, received, kept, page)
            self._store(writer, refusals, chunk)
            self._settle(writer, refusals)
        self.report.streams += 1
        self.report.rows += received
        self._sum_up(stream.stream, kept)
        self._tell(stream, received, kept, None)

    # -- snapshots ------------------------------------------------------------------------------

    def _snapshots(self, streams: Sequence[StreamId]) -> None:
        """One answer holds the rows of several markets: each is a stream of its own."""
        kept = Kept(self.home, self.connector)
        markets: dict[str, Refusals] = {}
        chunk: dict[str, list[pa.Table]] = {}
        for number, (answer, page) in enumerate(kept.pages(streams), 1):
            self.report.rows += page.received
            rejected = page.rejected
            for asked in answer.streams:
                if asked.label not in markets:
                    with stream_lock(self.home, self._id(asked)):
                        markets[asked.label] = Refusals(self.home, self.ledger, self._id(asked))
                # rows without a market are the first one's, as in a pull
                markets[asked.label].note(answer.body, page.rejected, mine=rejected)
                rejected = ()
                table = rows_of(asked, page)
                dated = file_rows(self.declared, [table], answer.at)
                chunk.setdefault(asked.label, []).append(dated)
            if number % _CHUNK_ANSWERS == 0:
                self._store_snapshots(markets, chunk)
            self._tell(streams[0], self.report.rows, kept, page)
        self._store_snapshots(markets, chunk)
        for label, refusals in markets.items():
            stream = StreamId(self.report.exchange, self.report.dataset, label)
            with stream_lock(self.home, stream):
                self._settle(Rewriter(self.home, self.ledger, stream), refusals)
        self.report.streams += len(markets)
        self._sum_up("", kept)
        self._tell(streams[0], self.report.rows, kept, None)

    def _store_snapshots(
        self, markets: dict[str, Refusals], chunk: dict[str, list[pa.Table]]
    ) -> None:
        for label, tables in chunk.items():
            stream = StreamId(self.report.exchange, self.report.dataset, label)
            rows = pa.concat_tables(tables)
            with stream_lock(self.home, stream):
                writer = Rewriter(self.home, self.ledger, stream)
                self._store(writer, markets[label], [changes(writer, rows)])
        chunk.clear()

    # -- what both need ---------------------------------------------------------------------------

    def _id(self, stream: Stream) -> StreamId:
        return StreamId(self.report.exchange, stream.dataset, stream.label)

    def _store(self, writer: Rewriter, refusals: Refusals, tables: Sequence[pa.Table]) -> None:
        rows = pa.concat_tables(tables) if tables else None
        refused = refusals.take()
        if (rows is None or not rows.num_rows) and not refused:
            return
        if rows is None:
            rows = self.declared.file_schema.empty_table()
        refusals.compare(rows)
        done = writer.rewrite(rows, self._state(writer), refused)
        self.report.added += done.added
        self.report.replaced += done.replaced
        self.report.quarantined += done.quarantined
        self.report.newer += done.newer
        if done.added or done.replaced:
            self.changed.add(writer.stream.part)

    def _state(self, writer: Rewriter) -> StreamState:
        if self.ledger.is_registered(writer.stream):
            return self.ledger.state(writer.stream)
        return fresh_state(self.home, writer.stream, self.ledger.files(writer.stream))

    def _settle(self, writer: Rewriter, refusals: Refusals) -> None:
        """Bring up to date what the ledger knows of the rows, and let refused ones go."""
        records = self.ledger.files(writer.stream)
        if records:
            before = self._state(writer)
            newest = max((r.max_time or 0 for r in records), default=0)
            after = replace(before, newest_at=max(newest, before.newest_at or 0) or None)
            if self.cursor in (Cursor.ID, Cursor.LOOKUP):
                still = unsettled_rows(self.home, self.declared, records)
                after = replace(after, unsettled=still)
            if after != before:
                self.ledger.record(writer.stream, after)
        self.report.released += refusals.release()

    def _derive(self) -> None:
        """Build the candles again whose trades changed, where candles are built from trades."""
        offer = self.connector.offers.get("candles")
        if self.report.dataset != "trades" or offer is None or offer.cursor is not Cursor.DERIVED:
            return
        for built in self.ledger.streams(self.report.exchange, "candles"):
            if built.part in self.changed:
                stream = Stream("candles", built.part, timeframe=built.timeframe)
                task = Task(
                    self.home, self.ledger, self.connector, offer, stream, _NO_START, None, None
                )
                done = pull_stream(task)
                if done.error:
                    self.report.problems.append(f"{built}: {done.error}")

    def _sum_up(self, name: str, kept: Kept) -> None:
        self.report.answers += kept.answers
        at = f"{self.report.name} {name}".rstrip()
        if kept.unreadable:
            self.report.problems.append(
                f"{at}: {kept.unreadable} of {kept.answers} kept answers cannot be read: "
                f"{kept.problem}"
            )
        if kept.torn:
            self.report.notices.append(
                f"{at}: the end of a file was torn by a crash ({kept.torn} bytes); the answer was "
                "not stored then either, and was asked for again"
            )
        if kept.broken:
            self.report.notices.append(
                f"{at}: {kept.broken} kept answers had been cut off on the way (they were asked "
                "for again at once)"
            )

    def _tell(self, stream: StreamId, rows: int, kept: Kept, page: Page | None) -> None:
        if self.listener is None:
            return
        oldest = None if page is None else times_of(self.declared, page.table)[0]
        self.listener(
            StreamProgress(
                stream.exchange,
                stream.dataset,
                "" if self.cursor is Cursor.SNAPSHOT else stream.stream,
                rows,
                kept.answers,
                to_datetime(oldest),
                done=page is None,
            )
        )
