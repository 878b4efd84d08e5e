"""Read the recorded responses again and put their rows into the lake: after a parser was fixed.

The fixed parser is right: a row that reads differently now replaces the stored one. The row of the
newest response counts where rows may change, of the oldest where they may not, as in a pull. A row
that was rejected and is stored now leaves the quarantine. Nothing more counts as complete than
before. A second replay changes nothing. No exchange is asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

import connectors
from connectors.base import Connection, Connector, Cursor, Page
from connectors.local import LocalNonces, NoLimits
from pipelines.exchanges.names import remembered_codes, remembered_names
from pipelines.ingest.renaming import rename_stored
from pipelines.ingest.report import Listener, StreamProgress
from pipelines.ingest.session import Task, time_span
from pipelines.ingest.snapshot import changes
from pipelines.ingest.stream import pull_stream
from pipelines.replay.archive import Archive
from pipelines.replay.dedup import Dedup
from pipelines.replay.quarantine import QuarantinedRows
from pipelines.replay.report import DatasetReplay, ReplayReport
from schemas import Dataset, StreamId, TidemarkError, dataset
from schemas.times import to_datetime
from schemas.wording import count
from warehouse.files import file_rows
from warehouse.paths import stored_in
from warehouse.rewrite import rewrite
from warehouse.state import StreamState
from warehouse.store import Store, StreamWriter

_CHUNK_ROWS: Final = 50_000
_CHUNK_RESPONSES: Final = 2_000
_NO_START: Final = datetime(1970, 1, 1, tzinfo=UTC)


def replay(
    home: Path, streams: Sequence[StreamId], on_progress: Listener | None = None
) -> ReplayReport:
    """Replay ``streams`` (see ``select``) and rebuild the candles that are built from them.

    Raises ``StorageError`` where the home cannot be used; all else is in the report.
    """
    report = ReplayReport()
    groups: dict[tuple[str, str], list[StreamId]] = {}
    for stream in streams:
        groups.setdefault((stream.exchange, stream.dataset), []).append(stream)
    for (exchange, name), mine in groups.items():
        connector = _offline(home, exchange)
        try:
            done = _Replay(home, connector, DatasetReplay(exchange, name), on_progress)
            report.datasets.append(done.run(mine))
        finally:
            connector.close()
    return report


def _offline(home: Path, exchange: str) -> Connector:
    """A connector that only reads what it is given."""
    store = Store(home)
    names, codes = remembered_names(store, exchange), remembered_codes(store, exchange)
    url = connectors.default_base_url(exchange)
    connection = Connection(url, LocalNonces(), NoLimits(), names=names, codes=codes)
    return connectors.open_connector(exchange, connection)


class _Replay:
    """The replay of one dataset of an exchange."""

    def __init__(
        self,
        home: Path,
        connector: Connector,
        report: DatasetReplay,
        listener: Listener | None,
    ) -> None:
        self.home = home
        self.store = Store(home)
        self.connector = connector
        self.report = report
        self.declared: Dataset = dataset(report.dataset)
        self.cursor = connector.offers[report.dataset].cursor
        self.listener = listener
        self.changed: set[str | None] = set()
        """Markets with rows that were stored."""

    def run(self, streams: Sequence[StreamId]) -> DatasetReplay:
        """Replay ``streams``; what cannot be is in the report."""
        if self.cursor is Cursor.SNAPSHOT:
            self._guarded("", lambda: self._snapshots(streams))
        else:
            for stream in streams:
                self._guarded(f" {stream.label}", partial(self._stream, stream))
        self._derive()
        if self.report.quarantined:
            self.report.problems.append(
                f"{self.report.name}: {count(self.report.quarantined, 'row')} not stored exactly, "
                "kept in `quarantine` with the reason; the rest is stored"
            )
        return self.report

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except TidemarkError as error:
            self.report.problems.append(f"{self.report.name}{name}: {error}")

    # -- streams with a history -----------------------------------------------------------------

    def _stream(self, stream: StreamId) -> None:
        archive = Archive(self.home, self.connector)
        with self.store.open_stream(stream) as writer:
            quarantined = QuarantinedRows(writer)
            dedup = Dedup(self.declared)
            chunk: list[pa.Table] = []
            received = 0
            may_rename = self.cursor is Cursor.PAGES
            for response, page in archive.pages([stream], newest_first=self.declared.replaces):
                if may_rename and page.table.num_rows:
                    rename_stored(self.connector, writer, page.table)
                    may_rename = False
                quarantined.note(response.body, page.rejected)
                table = page.table.filter(dedup.first(page.table))
                chunk.append(file_rows(self.declared, [table], response.at))
                received += page.received
                if sum(t.num_rows for t in chunk) >= _CHUNK_ROWS:
                    self._store(writer, quarantined, chunk)
                    chunk.clear()
                self._report_progress(stream, received, archive, page)
            self._store(writer, quarantined, chunk)
            self._settle(writer, quarantined)
        self.report.streams += 1
        self.report.rows += received
        self._sum_up(stream.label, archive)
        self._report_progress(stream, received, archive, None)

    # -- snapshots ------------------------------------------------------------------------------

    def _snapshots(self, streams: Sequence[StreamId]) -> None:
        """Responses are of some markets each; the stream that is written holds all of them."""
        archive = Archive(self.home, self.connector)
        quarantines: dict[StreamId, QuarantinedRows] = {}
        chunk: dict[StreamId, list[pa.Table]] = {}
        for number, (response, page) in enumerate(archive.pages(streams), 1):
            self.report.rows += page.received
            held = stored_in(response.streams[0])
            if held not in quarantines:
                with self.store.open_stream(held) as writer:
                    quarantines[held] = QuarantinedRows(writer)
            quarantines[held].note(response.body, page.rejected)
            rows = page.table
            if self.declared.holds_markets:
                asked = pa.array([stream.symbol for stream in response.streams])
                rows = rows.filter(pc.is_in(rows.column("symbol"), value_set=asked))
            chunk.setdefault(held, []).append(file_rows(self.declared, [rows], response.at))
            if number % _CHUNK_RESPONSES == 0:
                self._store_snapshots(quarantines, chunk)
            self._report_progress(streams[0], self.report.rows, archive, page)
        self._store_snapshots(quarantines, chunk)
        for stream, quarantined in quarantines.items():
            with self.store.open_stream(stream) as writer:
                self._settle(writer, quarantined)
        self.report.streams += len(quarantines)
        self._sum_up("", archive)
        self._report_progress(streams[0], self.report.rows, archive, None)

    def _store_snapshots(
        self,
        quarantines: dict[StreamId, QuarantinedRows],
        chunk: dict[StreamId, list[pa.Table]],
    ) -> None:
        for stream, tables in chunk.items():
            rows = pa.concat_tables(tables)
            with self.store.open_stream(stream) as writer:
                self._store(writer, quarantines[stream], [changes(writer, rows)])
        chunk.clear()

    # -- what both need ---------------------------------------------------------------------------

    def _store(
        self, writer: StreamWriter, quarantined: QuarantinedRows, tables: Sequence[pa.Table]
    ) -> None:
        rows = pa.concat_tables(tables) if tables else self.declared.file_schema.empty_table()
        rejected = quarantined.take()
        if not rows.num_rows and not rejected:
            return
        quarantined.compare(rows)
        done = rewrite(writer, rows, self._state(writer), rejected)
        self.report.added += done.added
        self.report.replaced += done.replaced
        self.report.quarantined += done.quarantined
        self.report.newer += done.newer
        if done.added or done.replaced:
            self.changed.add(writer.stream.symbol)

    def _state(self, writer: StreamWriter) -> StreamState:
        return writer.fresh_state() if writer.is_new() else writer.state()

    def _settle(self, writer: StreamWriter, quarantined: QuarantinedRows) -> None:
        """Bring the state up to date with the rows; take rows out of quarantine."""
        span = writer.span()
        if span is not None:
            before = self._state(writer)
            after = replace(before, newest_at=max(span[1], before.newest_at or 0) or None)
            if self.cursor in (Cursor.ID, Cursor.LOOKUP):
                after = replace(after, unsettled=writer.unsettled())
            if after != before:
                writer.commit([], after)
        self.report.released += quarantined.release(writer)

    def _derive(self) -> None:
        """Build the candles again whose trades changed, where candles are built from trades."""
        offer = self.connector.offers.get("candles")
        if self.report.dataset != "trades" or offer is None:
            return
        for stream in self.store.streams(self.report.exchange, "candles"):
            built = offer.of(stream.timeframe).cursor is Cursor.DERIVED
            if stream.symbol in self.changed and built:
                done = pull_stream(Task(self.store, self.connector, stream, _NO_START))
                if done.error:
                    self.report.problems.append(f"{stream}: {done.error}")

    def _sum_up(self, name: str, archive: Archive) -> None:
        self.report.responses += archive.responses
        at = f"{self.report.name} {name}".rstrip()
        if archive.unreadable:
            self.report.problems.append(
                f"{at}: {archive.unreadable} of {archive.responses} recorded responses cannot be "
                f"read: {archive.problem}"
            )
        if archive.torn:
            self.report.notices.append(
                f"{at}: the end of a file was torn by a crash ({count(archive.torn, 'byte')}); the "
                "response was not stored then either, and was asked for again"
            )
        if archive.broken:
            self.report.notices.append(
                f"{at}: {archive.broken} recorded responses had been cut off on the way (they were "
                "asked for again at once)"
            )

    def _report_progress(
        self, stream: StreamId, rows: int, archive: Archive, page: Page | None
    ) -> None:
        if self.listener is None:
            return
        span = None if page is None else time_span(self.declared, page.table)
        self.listener(
            StreamProgress(
                stream.exchange,
                stream.dataset,
                "" if self.cursor is Cursor.SNAPSHOT else stream.label,
                rows,
                archive.responses,
                to_datetime(span[0]) if span else None,
                done=page is None,
            )
        )
