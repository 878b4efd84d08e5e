"""A pull of several feeds: plan the streams, run them side by side, gather the reports.

One bad stream never stops the others. Streams that are built from others come last.
"""

import difflib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

from connectors.base import Connector, Cursor, Limits, Market, Offer, Stream
from connectors.errors import ContractError, RequestError, TransientError, UnreachableError
from pipelines.feeds import Feed, Job
from pipelines.ingest.opening import open_exchange
from pipelines.ingest.recorder import HomeRecorder, keeps_raw
from pipelines.ingest.report import Listener, PullReport, StreamReport
from pipelines.ingest.snapshots import batches
from pipelines.ingest.streams import LOOKUPS, Task, end_stream, pull_batch, pull_stream
from pipelines.settings import Settings, credential_names
from schemas import TidemarkError, dataset
from warehouse.ledger import Ledger
from warehouse.publish import prepare

WORKERS: Final = 4
"""Streams pulled at once; the rate limits are kept by the client whatever this is."""

_LAST: Final = (Cursor.DERIVED, Cursor.LOOKUP)
"""Streams that go by what others of the same pull bring."""

Unit = Callable[[], list[StreamReport]]


def pull(
    jobs: Sequence[Job],
    settings: Settings,
    on_progress: Listener | None = None,
    limits: Limits | None = None,
) -> PullReport:
    """Pull what is missing of ``jobs`` into the lake. ``limits`` replaces those of the machine.

    Raises ``ConfigError`` before any request, and ``StorageError`` where the home cannot be used;
    all else that goes wrong is in the report.
    """
    home = settings.prepare_home()
    for job in jobs:
        settings.base_url(job.exchange)
        if dataset(job.dataset).is_account:
            settings.credentials(job.exchange, job.feed.account)
    ledger = Ledger(home)
    report = PullReport()
    stop = threading.Event()
    with ExitStack() as stack:
        opened: dict[tuple[str, str], Connector] = {}
        recorders: dict[tuple[str, str], HomeRecorder] = {}
        for job in jobs:
            name = (job.exchange, job.feed.account)
            if name not in opened:
                recorders[name] = HomeRecorder(home, job.exchange)
                opened[name] = open_exchange(settings, *name, limits, recorders[name])
                stack.callback(opened[name].close)
        preparing = threading.Thread(target=prepare, args=(home,), name="prepare")
        preparing.start()
        stack.callback(preparing.join)
        first: list[Unit] = []
        derived: list[Unit] = []
        for job in jobs:
            connector = opened[job.exchange, job.feed.account]
            offer = connector.offers[job.dataset]
            recorder = recorders[job.exchange, job.feed.account]
            units = _plan(
                job, connector, offer, settings, ledger, on_progress, report, stop, recorder
            )
            (derived if offer.cursor in _LAST else first).extend(units)
        workers = ThreadPoolExecutor(WORKERS, "pull")
        try:
            for stage in (first, derived):
                for result in [workers.submit(unit) for unit in stage]:
                    report.streams += result.result()
        except BaseException:  # Ctrl-C: each stream stores what it has and ends
            stop.set()
            raise
        finally:
            workers.shutdown(cancel_futures=True)
    return report


def _plan(
    job: Job,
    connector: Connector,
    offer: Offer,
    settings: Settings,
    ledger: Ledger,
    listener: Listener | None,
    report: PullReport,
    stop: threading.Event,
    recorder: HomeRecorder,
) -> Iterator[Unit]:
    """The units of work of one job; what cannot even begin goes into ``report``."""

    def task(stream: Stream) -> Task:
        if keeps_raw(job.spec):
            recorder.want(stream)
        return Task(
            settings.home,
            ledger,
            connector,
            offer,
            stream,
            job.feed.start,
            job.spec.lookback,
            listener,
            stop,
            settings.number("TIDEMARK_LOOKUPS", LOOKUPS),
        )

    if dataset(job.dataset).is_reference:
        yield _one(task(Stream(job.dataset)))
        return
    if dataset(job.dataset).is_account:
        stream = Stream(job.dataset, account=job.feed.account)
        if settings.credentials(job.exchange, job.feed.account) is None:
            key, secret = credential_names(job.exchange, job.feed.account)
            report.streams.append(
                StreamReport(
                    job.exchange,
                    job.dataset,
                    job.feed.account,
                    notice=f"{job.exchange}: public data only; for account data set {key} and "
                    f"{secret} in the environment or .env",
                )
            )
        else:
            yield _one(task(stream))
        return
    symbols, refused = _symbols(job, connector)
    report.streams += refused
    if job.feed.markets is None and symbols:
        for symbol, timeframe in _ended(job, ledger, symbols):
            yield _end(task(Stream(job.dataset, symbol=symbol, timeframe=timeframe)))
    if offer.cursor is Cursor.SNAPSHOT:
        for batch in batches(symbols, offer):
            yield _batch([task(Stream(job.dataset, symbol=s)) for s in batch])
        return
    for symbol in symbols:
        for timeframe in job.spec.timeframes or (None,):
            yield _one(task(Stream(job.dataset, symbol=symbol, timeframe=timeframe)))


def _one(task: Task) -> Unit:
    return lambda: [pull_stream(task)]


def _end(task: Task) -> Unit:
    return lambda: [end_stream(task)]


def _ended(job: Job, ledger: Ledger, symbols: Sequence[str]) -> list[tuple[str, str | None]]:
    """Market and timeframe of the streams of markets that are listed no longer."""
    known = ledger.streams(job.exchange, job.dataset)
    return [(s.part, s.timeframe) for s in known if s.part not in symbols]


def _batch(tasks: list[Task]) -> Unit:
    return lambda: pull_batch(tasks)


def _symbols(job: Job, connector: Connector) -> tuple[list[str], list[StreamReport]]:
    """The markets to pull, and a report for each that cannot be."""
    try:
        listed = {m.symbol: m for m in connector.markets()}
    except (RequestError, ContractError, TransientError) as error:
        if job.feed.markets is not None and not isinstance(error, UnreachableError):
            return list(job.feed.markets), []  # no list to be had: each market answers for itself
        return [], [StreamReport(job.exchange, job.dataset, "", error=str(error))]
    except TidemarkError as error:
        return [], [StreamReport(job.exchange, job.dataset, "", error=str(error))]
    wanted = list(listed) if job.feed.markets is None else list(job.feed.markets)
    refused = [
        StreamReport(job.exchange, job.dataset, s, error=_unknown(s, listed, job.feed), requests=0)
        for s in wanted
        if s not in listed
    ]
    return [s for s in wanted if s in listed], refused


def _unknown(symbol: str, listed: dict[str, Market], feed: Feed) -> str:
    close = difflib.get_close_matches(symbol, listed, 3, 0.5)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    some = ", ".join(sorted(listed)[:12])
    return (
        f"{feed.exchange} does not list the market {symbol} (named in {feed.path}){hint} "
        f"It lists {len(listed)}: {some}{', …' if len(listed) > 12 else ''}"
    )
