"""Pull one stream: take its lock, choose the way its dataset is paged, report what happened."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from connectors.base import Connector, Cursor, Offer, Page, Stream
from connectors.errors import RequestError
from pipelines.ingest.committer import Committer
from pipelines.ingest.context import StreamContext, to_datetime
from pipelines.ingest.derived import build_candles
from pipelines.ingest.latest import pull_latest
from pipelines.ingest.lookups import pull_lookups
from pipelines.ingest.pages import pull_pages
from pipelines.ingest.reference import pull_reference
from pipelines.ingest.report import Listener, StreamReport
from pipelines.ingest.snapshots import store_snapshot
from pipelines.ingest.windowed import WindowedPull
from schemas import TidemarkError
from warehouse.lake import StreamWriter, stream_lock
from warehouse.ledger import Ledger, StreamId

LOOKUPS: Final = 200


@dataclass(frozen=True)
class Task:
    """One stream to pull, with all it needs."""

    home: Path
    ledger: Ledger
    connector: Connector
    offer: Offer
    stream: Stream
    start: datetime
    lookback: int | None
    listener: Listener | None
    stop: threading.Event = field(default_factory=threading.Event)
    lookups: int = LOOKUPS
    """The most rows that a pull asks for one by one."""

    @property
    def id(self) -> StreamId:
        return StreamId(self.connector.name, self.stream.dataset, self.stream.label)

    def report(self) -> StreamReport:
        """An empty report of this stream."""
        return StreamReport(self.id.exchange, self.id.dataset, self.id.stream)


def pull_stream(task: Task) -> StreamReport:
    """Pull what is missing. Never raises ``TidemarkError``: the report holds it."""

    def work(context: StreamContext) -> None:
        match task.offer.cursor:
            case Cursor.ID | Cursor.TIME:
                WindowedPull(context, task.offer, task.lookback).run()
            case Cursor.LATEST:
                pull_latest(context, task.offer, task.lookback)
            case Cursor.PAGES:
                pull_pages(context)
            case Cursor.DERIVED:
                build_candles(context)
            case Cursor.SNAPSHOT if context.declared.is_reference:
                pull_reference(context, task.offer)
            case Cursor.SNAPSHOT:  # of the whole account; those of markets come in batches
                store_snapshot(context, task.connector.snapshot(task.stream.dataset, ()))
            case Cursor.LOOKUP:
                pull_lookups(context, task.lookups)

    return _with_stream(task, work)


def end_stream(task: Task) -> StreamReport:
    """Say once that the exchange lists the stream's market no longer. Its rows stay."""

    def work(context: StreamContext) -> None:
        known = msgspec.json.decode(context.state.law)
        if known.get("ended"):
            return
        context.report.notice = (
            f"{context.name}: {context.id.exchange} lists this market no longer; "
            "what was collected stays, nothing more is asked for unless it is listed again"
        )
        law = msgspec.json.encode({**known, "ended": True}).decode()
        context.commit(None, replace(context.state, law=law))

    return _with_stream(task, work)


def pull_batch(tasks: list[Task]) -> list[StreamReport]:
    """One snapshot call for several markets, each stored as its own stream."""
    first = tasks[0]
    symbols = [t.stream.symbol or "" for t in tasks]
    try:
        page = first.connector.snapshot(first.stream.dataset, symbols)
    except RequestError as error:
        if len(tasks) > 1:  # one market is refused: the others must not go without
            return [report for task in tasks for report in pull_batch([task])]
        return [replace(first.report(), requests=1, error=str(error))]
    except TidemarkError as error:
        return [replace(t.report(), requests=1, error=str(error)) for t in tasks]
    reports = []
    for task in tasks:
        reports.append(_with_stream(task, _storing(page)))
        page = replace(page, rejected=())  # rows without a market are one stream's, not each one's
    return reports


def _storing(page: Page) -> Callable[[StreamContext], None]:
    return lambda context: store_snapshot(context, page)


def _with_stream(task: Task, work: Callable[[StreamContext], None]) -> StreamReport:
    report = task.report()
    try:
        with stream_lock(task.home, task.id):
            writer = StreamWriter(task.home, task.ledger, task.id)
            with Committer(writer, report) as committer:
                context = StreamContext(
                    task.connector,
                    task.stream,
                    writer,
                    committer,
                    report,
                    task.start,
                    task.listener,
                    task.stop,
                )
                try:
                    work(context)
                finally:
                    context.finished()
            report.newest = to_datetime(task.ledger.state(task.id).newest_at)
    except TidemarkError as error:
        report.error = str(error)
    return report
