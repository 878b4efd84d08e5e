"""What the steps of a run pull: those of one process side by side.

A dataset of an exchange is one asset, even where several feeds (accounts) collect it: the first of
them owns the asset, and its steps pull for all.
"""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import dagster as dg
from pydantic import Field

from pipelines import ingest, publishing
from pipelines.feeds import Feed, Job, Shard, jobs, of_markets, select_jobs
from pipelines.ingest import Budget, Listener, PullReport, StreamReport
from pipelines.orchestration.accounts import pull_usable
from pipelines.orchestration.metadata import (
    Metadata,
    markdown_list,
    pull_metadata,
    table_metadata,
)
from pipelines.orchestration.run_log import RunLog
from pipelines.orchestration.side_by_side import Pull, SideBySide
from pipelines.orchestration.specs import lake_key
from pipelines.output.formatting import visible
from pipelines.progress import PlainLines
from pipelines.settings import IN_PROCESS, Settings
from pipelines.spans import stretch
from schemas import DATASETS
from warehouse.paths import hive_folder

UNFINISHED: Final = "streams_unfinished"
"""Metadata of a materialisation: so many streams have more to fetch than there was time for."""

EVERY_STREAM: Final = "tidemark/log-every-stream"
"""The log of a run with this tag has a line for every stream, however quick: the demo shows it."""

_PIECE_SECONDS: Final = 30.0
"""A back-fill leaves a stream after so long, so that scheduled runs can read its newest rows."""

_side_by_side: Final = SideBySide()


class PullConfig(dg.Config):
    """Run configuration of a pull, for the launchpad. Left empty, it does what ``tidemark pull``
    does."""

    start: str | None = Field(
        default=None,
        alias="from",
        description="Fetch again from here, inclusive: 2026-01-10 or 2026-01-10T12:00Z (UTC). "
        "Missing rows are stored, rows that differ are counted, lost stretches are tried again.",
    )
    end: str | None = Field(
        default=None, alias="to", description="Fetch again up to here, exclusive; else up to now."
    )
    markets: list[str] = Field(
        default=[],
        description="Only these markets: BTC-USD, or as the exchange writes it. Empty: all that "
        "the feeds collect. Account data is always the whole account.",
    )
    select: list[str] = Field(
        default=[],
        description="Only these feeds, or datasets of feeds, where several feeds (accounts) share "
        "an asset: wex-desk, wex-desk/account_trades. Empty: all.",
    )
    seconds: int | None = Field(
        default=None,
        description="End cleanly after so many seconds; the next pull continues. Empty: when all "
        "is fetched.",
    )
    backfill: bool = Field(
        default=False,
        description="With seconds: use all of them to fetch history, every stream in turn. "
        "Otherwise no stream takes more than half of the seconds.",
    )


def owned_datasets(feed: Feed, feeds: Sequence[Feed]) -> list[str]:
    """The datasets whose asset ``feed`` owns: it is the first to collect them."""
    first = {(job.exchange, job.dataset): job.feed.name for job in reversed(jobs(feeds))}
    return [name for name in feed.datasets if first[feed.exchange, name] == feed.name]


def step_name(feed: Feed) -> str:
    """``pull_bitexbit``: where ``feed`` pulls, as run configuration names it."""
    return f"pull_{python_name(feed.name)}"


@dataclass(frozen=True)
class PullStep:
    """One step of a run: it pulls the assets that ``feed`` owns. ``shard``: of their markets."""

    feed: Feed
    shard: Shard | None = None

    @property
    def key(self) -> str:
        """``pull_bitexbit``, or ``pull_bitexbit.shard_2``."""
        name = step_name(self.feed)
        return name if self.shard is None else f"{name}.shard_{self.shard.number}"


def steps_of(feed: Feed, feeds: Sequence[Feed]) -> list[PullStep]:
    """The steps that pull the assets which ``feed`` owns. Of feeds that share one, the largest
    number of shards counts.
    """
    owned = {(feed.exchange, name) for name in owned_datasets(feed, feeds)}
    sharing = [job.feed for job in jobs(feeds) if (job.exchange, job.dataset) in owned]
    of = max((each.shards for each in sharing), default=0)
    if of <= 1:
        return [PullStep(feed)] * of
    return [PullStep(feed, Shard(number, of)) for number in range(1, of + 1)]


def python_name(name: str) -> str:
    """``name`` as Dagster allows names."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def pulled(
    context: dg.AssetExecutionContext,
    step: PullStep,
    config: PullConfig,
    feeds: Sequence[Feed],
    settings: Settings,
) -> PullReport:
    """The report of ``step``. In one process, all steps of the run pull side by side."""
    in_run = context.job_def.asset_layer.selected_asset_keys
    run_config: Any = context.run.run_config
    configured: Mapping[str, Any] = run_config.get("ops", {})
    executed = context.run.step_keys_to_execute
    pulls: dict[str, Pull] = {}
    for other in (each for feed in feeds for each in steps_of(feed, feeds)):
        exchange = other.feed.exchange
        owned = owned_datasets(other.feed, feeds)
        datasets = [d for d in owned if lake_key(exchange, d) in in_run]
        if not datasets or (executed and other.key not in executed):
            continue
        if other.feed == step.feed:
            chosen = config
        else:
            try:
                values = configured.get(step_name(other.feed), {}).get("config", {})
                chosen = _config_of(values)
            except ValueError:
                continue  # its own step reports it
        listener = partial(_listener, context)
        pulls[other.key] = partial(
            _pull, exchange, datasets, other.shard, feeds, chosen, settings, listener
        )
    if settings.executor != IN_PROCESS:
        return pulls[step.key](threading.Event())
    return _side_by_side.result(context.run.run_id, step.key, pulls)


def _listener(context: dg.AssetExecutionContext, wanted: Sequence[Job]) -> Listener:
    """What writes the progress of a pull into the log of the run."""
    if EVERY_STREAM in context.run.tags:
        return PlainLines(write=context.log.info)
    return RunLog(wanted, context.log.info)


def _config_of(values: dict[str, Any]) -> PullConfig:
    return PullConfig(**values)


def _pull(
    exchange: str,
    datasets: Sequence[str],
    shard: Shard | None,
    feeds: Sequence[Feed],
    config: PullConfig,
    settings: Settings,
    listener: Callable[[Sequence[Job]], Listener],
    stop: threading.Event,
) -> PullReport:
    """Pull ``datasets`` of ``exchange`` as ``config`` says. ``shard``: only of these markets."""
    again = stretch(config.start, config.end, ("from", "to"))
    some = [replace(feed, shard=shard) for feed in feeds]
    wanted = [j for j in jobs(some) if j.exchange == exchange and j.dataset in datasets]
    if config.select:
        named = {job.name for job in select_jobs(some, config.select)}
        wanted = [job for job in wanted if job.name in named]
    wanted = of_markets(wanted, config.markets)
    fetch = partial(
        ingest.pull,
        settings=settings,
        on_progress=listener(wanted),
        again=again,
        stop=stop,
    )

    def pull(some: Sequence[Job], budget: Budget | None = None) -> PullReport:
        return pull_usable(partial(fetch, budget=budget), settings, some)

    if config.seconds is None:
        return pull(wanted)
    if not config.backfill:
        return pull(wanted, budget=Budget(config.seconds, config.seconds / 2))
    return _in_pieces(wanted, config.seconds, pull, stop)


def _in_pieces(
    wanted: Sequence[Job], seconds: int, pull: Callable[..., PullReport], stop: threading.Event
) -> PullReport:
    """Pull again and again, each stream for a short time, until all is held or the time is over."""
    ends = time.monotonic() + seconds
    whole = PullReport()
    todo = list(wanted)
    while True:
        budget = Budget(ends - time.monotonic(), _PIECE_SECONDS, whole_walks=True)
        report = pull(todo, budget=budget)
        whole = whole.merged(report)
        todo = _unfinished(todo, report)
        # a pause, so that a stream which another pull holds is not asked for all the time
        if not todo or stop.wait(min(1.0, max(0.0, budget.left))) or budget.left <= 0:
            return whole


def _unfinished(wanted: Sequence[Job], report: PullReport) -> list[Job]:
    """The jobs with streams left to fetch, limited to the markets of those."""
    left: list[Job] = []
    for job in wanted:
        asset = (job.exchange, job.dataset)
        symbols = {
            stream.stream.partition(":")[0]
            for stream in report.streams
            if stream.unfinished and (stream.exchange, stream.dataset) == asset
        }
        shared = sum((j.exchange, j.dataset) == asset for j in wanted) > 1
        if symbols and (shared or DATASETS[job.dataset].is_account):
            left.append(job)
        elif symbols:
            limited = replace(job.feed, markets=tuple(sorted(symbols)), shard=None)
            left.append(Job(limited, job.spec))
    return left


def results(
    exchange: str,
    datasets: Sequence[str],
    streams: Sequence[StreamReport],
    unfinished: Mapping[str, int],
    settings: Settings,
) -> Iterator[tuple[str, Metadata]]:
    """The metadata of every dataset of which anything could be pulled.

    ``unfinished``: how many streams of a dataset have more to fetch.

    The problem of one account or market does not make the others look stale: its streams are named
    in the metadata, and the step fails after all.
    """
    for dataset in datasets:
        mine = [s for s in streams if (s.exchange, s.dataset) == (exchange, dataset)]
        if mine and all(stream.error for stream in mine):
            continue
        path = settings.home / "lake" / dataset / hive_folder("exchange", exchange)
        yield (
            dataset,
            {
                **pull_metadata(mine, path),
                UNFINISHED: unfinished.get(dataset, 0),
                **table_metadata(publishing.table_state(settings, exchange, dataset)),
            },
        )


def unfinished_streams(streams: Iterable[StreamReport]) -> dict[str, int]:
    """How many streams of each dataset have more to fetch."""
    return Counter(stream.dataset for stream in streams if stream.unfinished)


def failure(report: PullReport) -> dg.Failure:
    """What a step raises whose pull had problems."""
    faulty: list[StreamReport] = [stream for stream in report.streams if stream.problem]
    return dg.Failure(
        visible("\n".join(report.errors)),
        metadata={
            "streams_failed": len(faulty),
            "rows_added": sum(stream.rows_added for stream in report.streams),
            "problems": markdown_list(report.errors),
        },
        allow_retries=False,
    )
