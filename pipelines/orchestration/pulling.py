"""The assets ``<exchange>/<dataset>``: one step a feed, in the exchange's pool.

A dataset of an exchange is one asset, even where several feeds (accounts) collect it: the first of
them owns the asset, and its step pulls for all.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import dagster as dg
from pydantic import Field

from pipelines import ingest, publishing
from pipelines.feeds import Feed, Job, jobs, of_markets, select_jobs
from pipelines.ingest import Budget, Listener, PullReport, StreamReport
from pipelines.orchestration.accounts import pull_usable
from pipelines.orchestration.metadata import (
    Metadata,
    markdown_list,
    materialized,
    pull_metadata,
    table_metadata,
)
from pipelines.orchestration.publishing import left_unpublished, publish_here
from pipelines.orchestration.run_log import RunLog
from pipelines.orchestration.side_by_side import Pull, SideBySide
from pipelines.orchestration.specs import dagster_name, dataset_of, lake_key, lake_spec
from pipelines.output.formatting import visible
from pipelines.progress import PlainLines
from pipelines.settings import IN_PROCESS, Settings, load_settings
from pipelines.spans import stretch
from schemas import DATASETS, TidemarkError
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


def lake_assets(feed: Feed, feeds: Sequence[Feed]) -> dg.AssetsDefinition | None:
    """The step that pulls the datasets which ``feed`` owns; ``None`` where it owns none."""
    owned = owned_datasets(feed, feeds)
    if not owned:
        return None

    @dg.multi_asset(
        specs=[lake_spec(feed.exchange, dataset, feeds) for dataset in owned],
        name=step_name(feed),
        description=f"Fetch what is missing or new from {feed.exchange}, page by page, into the "
        "lake. Retries are the engine's; whatever was fetched before a failure is stored.",
        can_subset=True,
        pool=dagster_name(feed.exchange),
    )
    def pull(
        context: dg.AssetExecutionContext, config: PullConfig
    ) -> Iterator[dg.MaterializeResult[None]]:
        selected = {dataset_of(key) for key in context.selected_asset_keys}
        datasets = [dataset for dataset in owned if dataset in selected]
        try:
            settings = load_settings()
            with publishing.periodic_publish(partial(publishing.publish, settings)):
                report = _pulled(context, feed, config, feeds, settings)
            for notice in report.notices:
                context.log.warning(visible(notice))
            for dataset, metadata in _results(feed.exchange, datasets, report, settings):
                yield materialized(context, lake_key(feed.exchange, dataset), metadata)
            failing = not report.ok
            to_publish = left_unpublished(context, datasets, failing)
            if to_publish:
                publish_here(context, to_publish)
        except TidemarkError as error:
            raise dg.Failure(visible(str(error)), allow_retries=False) from None
        if failing:
            raise _failure(report)

    return pull


def step_name(feed: Feed) -> str:
    """``pull_bitexbit``: the step in which ``feed`` pulls, as run configuration names it."""
    return f"pull_{python_name(feed.name)}"


def python_name(name: str) -> str:
    """``name`` as Dagster allows names."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def _pulled(
    context: dg.AssetExecutionContext,
    feed: Feed,
    config: PullConfig,
    feeds: Sequence[Feed],
    settings: Settings,
) -> PullReport:
    """The report of ``feed``'s step. In one process, all steps of the run pull side by side."""
    in_run = context.job_def.asset_layer.selected_asset_keys
    run_config: Any = context.run.run_config
    configured: Mapping[str, Any] = run_config.get("ops", {})
    executed = context.run.step_keys_to_execute
    pulls: dict[str, Pull] = {}
    for other in feeds:
        name = step_name(other)
        owned = owned_datasets(other, feeds)
        datasets = [d for d in owned if lake_key(other.exchange, d) in in_run]
        if not datasets or (executed and name not in executed):
            continue
        if name == step_name(feed):
            chosen = config
        else:
            try:
                chosen = _config_of(configured.get(name, {}).get("config", {}))
            except ValueError:
                continue  # its own step reports it
        pulls[name] = partial(
            _pull,
            other.exchange,
            datasets,
            feeds,
            chosen,
            settings,
            partial(_listener, context),
        )
    if settings.executor != IN_PROCESS:
        return pulls[step_name(feed)](threading.Event())
    return _side_by_side.result(context.run.run_id, step_name(feed), pulls)


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
    feeds: Sequence[Feed],
    config: PullConfig,
    settings: Settings,
    listener: Callable[[Sequence[Job]], Listener],
    stop: threading.Event,
) -> PullReport:
    """Pull ``datasets`` of ``exchange`` as ``config`` says."""
    again = stretch(config.start, config.end, ("from", "to"))
    wanted = [j for j in jobs(feeds) if j.exchange == exchange and j.dataset in datasets]
    if config.select:
        named = {job.name for job in select_jobs(feeds, config.select)}
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
            left.append(Job(replace(job.feed, markets=tuple(sorted(symbols))), job.spec))
    return left


def _results(
    exchange: str, datasets: Sequence[str], report: PullReport, settings: Settings
) -> Iterator[tuple[str, Metadata]]:
    """The metadata of every dataset of which anything could be pulled.

    The problem of one account or market does not make the others look stale: its streams are named
    in the metadata, and the step fails after all.
    """
    for dataset in datasets:
        streams = [s for s in report.streams if (s.exchange, s.dataset) == (exchange, dataset)]
        if streams and all(stream.error for stream in streams):
            continue
        path = settings.home / "lake" / dataset / hive_folder("exchange", exchange)
        yield (
            dataset,
            {
                **pull_metadata(streams, path),
                UNFINISHED: sum(stream.unfinished for stream in streams),
                **table_metadata(publishing.table_state(settings, exchange, dataset)),
            },
        )


def _failure(report: PullReport) -> dg.Failure:
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
