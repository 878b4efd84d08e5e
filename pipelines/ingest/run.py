"""A pull of several feeds: plan the streams, run them side by side, gather the reports.

One bad stream never stops the others. Streams that are built from others come last. No exchange
waits for another: each has its own workers.
"""

import gc
import math
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

import pyarrow as pa

import connectors
from connectors.base import EACH, Connector, Cursor, Key, Limits, Paging
from pipelines.exchanges.connect import open_exchange
from pipelines.exchanges.names import remembered_codes, remembered_names
from pipelines.exchanges.recorder import HomeRecorder, keeps_raw
from pipelines.feeds import Job
from pipelines.ingest import listed
from pipelines.ingest.account_markets import account_markets, due_currencies
from pipelines.ingest.budget import Budget
from pipelines.ingest.observing import Round
from pipelines.ingest.report import Listener, PullReport, StreamReport
from pipelines.ingest.session import LOOKUPS, Task
from pipelines.ingest.snapshot import batches
from pipelines.ingest.stream import end_stream, pull_stream, round_of
from pipelines.settings import Settings
from schemas import StreamId, TidemarkError, dataset
from warehouse.store import Store

WORKERS: Final = 4
"""Streams of an exchange pulled at once; the client keeps the rate limits whatever this is …"""
MOST_WORKERS: Final = 32
"""… and as many where the answers take so long that fewer leave the rate limit unused."""
_LOOK_SECONDS: Final = 0.25
"""How often that is looked at, while no stream ends."""

_LAST: Final = (Cursor.DERIVED, Cursor.LOOKUP)
"""Streams that go by what others of the same pull bring."""

Unit = Callable[[], list[StreamReport]]


def pull(
    jobs: Sequence[Job],
    settings: Settings,
    on_progress: Listener | None = None,
    limits: Limits | None = None,
    again: tuple[int, int] | None = None,
    budget: Budget | None = None,
    stop: threading.Event | None = None,
) -> PullReport:
    """Pull what is missing of ``jobs`` into the lake. ``limits`` replaces those of the machine.

    ``again``: a stretch of time (microseconds since 1970, the end exclusive) that is asked for
    whatever is covered; the reports count what was received of it and what differs.
    ``budget``: when the pull has to end; short streams then come first, the others in any order, so
    that each has its turn. ``stop``: once set, each stream stores what it has and ends.
    Raises ``ConfigError`` before any request, and ``StorageError`` where the home cannot be used;
    all else that goes wrong is in the report.
    """
    settings.prepare_home()
    report = PullReport()
    with ExitStack() as stack:
        stack.enter_context(_rare_collections())
        store = Store(settings.home)
        exchanges = _opened(jobs, settings, limits, store, stack)
        stop = stop or threading.Event()
        plan = _Plan(settings, store, exchanges, on_progress, again, budget, stop)
        names = dict.fromkeys(job.exchange for job in jobs)
        pools = {name: ThreadPoolExecutor(MOST_WORKERS, f"pull-{name}") for name in names}
        leaders = ThreadPoolExecutor(max(len(names), 1), "pull")
        try:
            parts = [
                leaders.submit(_of_exchange, plan, [j for j in jobs if j.exchange == name], pool)
                for name, pool in pools.items()
            ]
            wait(parts, return_when=FIRST_EXCEPTION)
            report.streams += [stream for part in parts for stream in part.result()]
        except BaseException:  # Ctrl-C: each stream stores what it has and ends
            stop.set()
            raise
        finally:
            for executor in (*pools.values(), leaders):
                executor.shutdown(cancel_futures=True)
            for one_round in plan.rounds:  # of a pull that was stopped: what was answered
                report.streams += one_round.end()
            pa.default_memory_pool().release_unused()
    return report


def _of_exchange(
    plan: "_Plan", jobs: Sequence[Job], workers: ThreadPoolExecutor
) -> list[StreamReport]:
    """Pull the ``jobs`` of one exchange, in stages: each goes by what those before it brought."""
    short: list[Unit] = []
    first: list[Unit] = []
    last: list[Unit] = []
    for job in jobs:
        for cursor, unit in plan.units(job):
            stage = short if cursor is Cursor.SNAPSHOT else last if cursor in _LAST else first
            stage.append(unit)
    if plan.has_budget:
        random.shuffle(first)
    found: list[StreamReport] = []

    def work(stage: Sequence[Unit]) -> None:
        results: list[Future[list[StreamReport]]] = []
        busy: set[Future[list[StreamReport]]] = set()
        waiting = iter(stage)
        while busy or len(results) < len(stage):
            for unit in islice(waiting, max(0, plan.at_once(jobs) - len(busy))):
                results.append(workers.submit(unit))
                busy.add(results[-1])
            _, busy = wait(busy, _LOOK_SECONDS, FIRST_COMPLETED)
        for result in results:
            found.extend(result.result())

    work(short + first)
    work(last)
    for job in jobs:  # what the account held is known now
        work([*plan.account_units(job)])
    return found


@contextmanager
def _rare_collections() -> Iterator[None]:
    """A pull makes hardly any reference cycles; looking for them costs 0.03 s, over all imports."""
    usual = gc.get_threshold()
    gc.set_threshold(50_000, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@dataclass(frozen=True)
class _Exchange:
    """One exchange, opened for one account."""

    connector: Connector
    recorder: HomeRecorder


Exchanges = dict[tuple[str, str], _Exchange]
"""By name and account."""


def _opened(
    jobs: Sequence[Job],
    settings: Settings,
    limits: Limits | None,
    store: Store,
    stack: ExitStack,
) -> Exchanges:
    """All that ``jobs`` need, open for as long as ``stack`` is."""
    found: Exchanges = {}
    for job in jobs:
        name = (job.exchange, job.feed.account)
        if name not in found:
            recorder = HomeRecorder(settings.home)
            markets = remembered_names(store, job.exchange)
            codes = remembered_codes(store, job.exchange)
            connector = open_exchange(settings, *name, limits, recorder, markets, codes)
            stack.callback(connector.close)
            found[name] = _Exchange(connector, recorder)
    return found


class _Plan:
    """The plan of one pull, with all that its streams share."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        exchanges: Exchanges,
        listener: Listener | None,
        again: tuple[int, int] | None,
        budget: Budget | None,
        stop: threading.Event,
    ) -> None:
        self._settings = settings
        self._exchanges = exchanges
        self._listener = listener
        self._lookups = settings.number("TIDEMARK_LOOKUPS", LOOKUPS)
        self._store = store
        self._again = again
        self._budget = budget
        self._stop = stop
        self._owners: dict[StreamId, Job] = {}
        self.rounds: list[Round] = []
        """The rounds of snapshots, each to be ended."""

    def at_once(self, jobs: Sequence[Job]) -> int:
        """How many streams of the exchange of ``jobs`` to pull at once."""
        called_for = sum(c.connector.called_for for c in {self._exchange(job) for job in jobs})
        return max(WORKERS, min(MOST_WORKERS, math.ceil(1.25 * called_for)))

    @property
    def has_budget(self) -> bool:
        """Whether the pull may end before all is done."""
        return self._budget is not None

    def units(self, job: Job) -> Iterator[tuple[Cursor, Unit]]:
        """The work of one job, but for that of :meth:`account_units`, and how it is paged.

        For one that cannot begin: a unit that only reports it.
        """
        declared, paging = dataset(job.dataset), self._paging(job)
        is_divided = declared.is_of_markets and paging.cursor is not Cursor.SNAPSHOT
        if not (is_divided or job.feed.has_undivided):
            return
        if declared.is_reference:
            yield paging.cursor, _one(pull_stream, self._task(job))
        elif not declared.is_account:
            yield from self._of_markets(job)
        elif not paging.per_market:
            yield (
                paging.cursor,
                self._without_key(job)
                or _one(_after_lists, self._task(job, account=job.feed.account)),
            )
            for part in paging.parts:
                if part != EACH and self._without_key(job) is None:
                    task = self._task(job, symbol=part, account=job.feed.account)
                    yield task.paging.cursor, _one(_after_lists, task)

    def account_units(self, job: Job) -> Iterator[Unit]:
        """The work of a job whose account data is asked for by market, or by currency."""
        account = job.feed.account
        if EACH in self._paging(job).parts and job.feed.has_undivided:
            yield from self._currency_units(job)
        if not self._paging(job).per_market:
            return
        notice = self._without_key(job)
        if notice is not None:
            if job.feed.has_undivided:
                yield notice
            return
        connector = self._exchange(job).connector
        symbols, refused = listed.chosen(job, self._account_markets(job), connector, self._store)
        named = job.feed.account_markets
        symbols = listed.of_shard(job, symbols, None if named == "all" else named, connector)
        refused = listed.reported(job, refused)
        if refused:
            yield lambda: refused
        with suppress(TidemarkError):
            every = {market.symbol for market in connector.markets()}
            ended = [symbol for symbol, _ in listed.ended(job, self._store, every, account)]
            for symbol in listed.of_shard(job, ended, None, connector):
                yield _one(end_stream, self._task(job, symbol=symbol, account=account))
        for symbol in dict.fromkeys(symbols):
            yield _one(_after_lists, self._task(job, symbol=symbol, account=account))

    def _currency_units(self, job: Job) -> Iterator[Unit]:
        """The lists of single currencies: of those that the account has, and once a day of all."""
        if self._without_key(job) is not None:
            return
        try:
            found = due_currencies(self._store, self._exchange(job).connector, job)
        except TidemarkError as error:
            report = StreamReport(job.exchange, job.dataset, job.feed.account, error=str(error))
            yield lambda: [report]
            return
        for currency in found:
            yield _one(_after_lists, self._task(job, symbol=currency, account=job.feed.account))

    def _account_markets(self, job: Job) -> Sequence[str] | None:
        """The markets of an account to ask for, as the feed chooses them; ``None`` = all."""
        chosen, named = job.feed.account_markets, job.feed.markets
        if chosen == "all" or (chosen is None and named is None):
            return None
        if chosen is not None:
            return chosen
        connector, account = self._exchange(job).connector, job.feed.account
        with suppress(TidemarkError):
            return [*(named or ()), *account_markets(self._store, connector, account)]
        return named

    def _paging(self, job: Job) -> Paging:
        return self._exchange(job).connector.offers[job.dataset]

    def _without_key(self, job: Job) -> Unit | None:
        """A unit that reports that the account has no key; ``None`` where it has one."""
        exchange, account = job.exchange, job.feed.account
        if self._settings.credentials(exchange, account) is not None:
            return None
        report = StreamReport(exchange, job.dataset, account)
        report.notice = (
            f"{exchange}: public data only; for account data set "
            f"{connectors.key_settings(exchange, account)} in the environment or .env"
        )
        return lambda: [report]

    def _of_markets(self, job: Job) -> Iterator[tuple[Cursor, Unit]]:
        connector, paging = self._exchange(job).connector, self._paging(job)
        symbols, refused = listed.chosen(job, job.feed.markets, connector, self._store)
        symbols, owned = self._own(job, symbols)
        refused = listed.reported(job, refused) + (owned if job.feed.has_undivided else [])
        if refused:
            yield paging.cursor, lambda: refused
        if job.feed.markets is None and symbols:
            for symbol, timeframe in listed.ended(job, self._store, symbols):
                if not listed.of_shard(job, [symbol], None, connector):
                    continue
                task = self._task(job, symbol=symbol, timeframe=timeframe)
                yield paging.cursor, _one(end_stream, task)
        if paging.cursor is Cursor.SNAPSHOT:
            for symbol in symbols:
                self._want(job, StreamId(job.exchange, job.dataset, symbol))
            calls = batches(symbols, paging)
            one_round = round_of(self._task(job), calls, is_whole=job.feed.markets is None)
            self.rounds.append(one_round)
            for call in calls:
                yield paging.cursor, partial(one_round.call, call)
            return
        for symbol in listed.of_shard(job, symbols, job.feed.markets, connector):
            for timeframe in job.spec.timeframes or (None,):
                task = self._task(job, symbol=symbol, timeframe=timeframe)
                of_trades = task.paging.cursor is Cursor.NEWEST and task.paging.key is Key.TIME
                yield Cursor.DERIVED if of_trades else task.paging.cursor, _one(pull_stream, task)

    def _own(self, job: Job, symbols: Sequence[str]) -> tuple[list[str], list[StreamReport]]:
        """The markets that no other feed collects, and a report for each that one does.

        Feeds may spell a market differently: only with the exchange's list this can be known.
        """
        mine: list[str] = []
        reports: list[StreamReport] = []
        for symbol in dict.fromkeys(symbols):
            streams = [
                StreamId(job.exchange, job.dataset, symbol, timeframe=timeframe)
                for timeframe in job.spec.timeframes or (None,)
            ]
            owners = [self._owners.setdefault(stream, job) for stream in streams]
            other = next((owner for owner in owners if owner.feed is not job.feed), None)
            if other is None:
                mine.append(symbol)
                continue
            error = (
                f"{symbol} of {job.feed.path} is collected already by {other.feed.path}. "
                "Fix: leave it out in one of the two"
            )
            reports.append(StreamReport(job.exchange, job.dataset, symbol, error=error, requests=0))
        return mine, reports

    def _task(self, job: Job, **names: str | None) -> Task:
        """``names``: of the stream."""
        exchange = self._exchange(job)
        stream = StreamId(job.exchange, job.dataset, **names)
        self._want(job, stream)
        return Task(
            store=self._store,
            connector=exchange.connector,
            stream=stream,
            start=job.feed.start,
            lookback=job.spec.lookback,
            listener=self._listener,
            stop=self._stop,
            lookups=self._lookups,
            again=self._again,
            budget=self._budget,
        )

    def _want(self, job: Job, stream: StreamId) -> None:
        """Have the responses of ``stream`` recorded, where the feed says so."""
        if keeps_raw(job.spec):
            self._exchange(job).recorder.want(stream)

    def _exchange(self, job: Job) -> _Exchange:
        return self._exchanges[job.exchange, job.feed.account]


def _one(work: Callable[[Task], StreamReport], task: Task) -> Unit:
    return lambda: [work(task)]


def _after_lists(task: Task) -> StreamReport:
    """Pull an account's stream after the lists were asked for of what its rows name."""
    named = {*dataset(task.stream.dataset).schema.names}
    # without a list, names are read by the exchange's rule
    if "symbol" in named:
        with suppress(TidemarkError):
            task.connector.markets()
    if named & {"currency", "fee_currency"}:
        with suppress(TidemarkError):
            task.connector.learn_codes()
    return pull_stream(task)
