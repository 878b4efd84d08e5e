"""The assets ``<exchange>/<dataset>``: one step a feed, in the exchange's pool.

A dataset of an exchange is one asset, even where several feeds (accounts) collect it: the first of
them owns the asset, and its step pulls for all.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import dagster as dg
from pydantic import Field

from pipelines import ingest, publishing
from pipelines.feeds import Feed, Job, jobs
from pipelines.ingest import PullReport, StreamReport
from pipelines.orchestration.accounts import pull_usable
from pipelines.orchestration.metadata import markdown_list, pull_metadata, table_metadata
from pipelines.orchestration.publishing import left_unpublished, publish_here
from pipelines.orchestration.specs import dataset_of, lake_key, lake_spec
from pipelines.output.formatting import visible
from pipelines.progress import PlainLines
from pipelines.settings import Settings, load_settings
from pipelines.spans import stretch
from schemas import TidemarkError

FEED_TAG: Final = "tidemark/feed"
"""A run with this tag pulls for that feed only, where several share an asset."""
_LOG_SECONDS: Final = 15.0


class Stretch(dg.Config):
    """Run configuration of a pull: a stretch to fetch again, as ``tidemark pull --from --to``."""

    start: str | None = Field(
        default=None,
        alias="from",
        description="Fetch again from here, inclusive: 2026-01-10 or 2026-01-10T12:00Z (UTC). "
        "Missing rows are stored, rows that differ are counted, lost stretches are tried again.",
    )
    end: str | None = Field(
        default=None, alias="to", description="Fetch again up to here, exclusive; else up to now."
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
        name=f"pull_{python_name(feed.name)}",
        description=f"Fetch what is missing or new from {feed.exchange}, page by page, into the "
        "lake. Retries are the engine's; whatever was fetched before a failure is stored.",
        can_subset=True,
        pool=feed.exchange,
    )
    def pull(
        context: dg.AssetExecutionContext, config: Stretch
    ) -> Iterator[dg.MaterializeResult[None]]:
        selected = {dataset_of(key) for key in context.selected_asset_keys}
        datasets = [dataset for dataset in owned if dataset in selected]
        wanted = _jobs_of(feed.exchange, datasets, feeds, context.run.tags.get(FEED_TAG))
        try:
            settings = load_settings()
            again = stretch(config.start, config.end, ("from", "to"))
            progress = PlainLines(write=context.log.info, seconds=_LOG_SECONDS)
            with publishing.periodic_publish(partial(publishing.publish, settings)):
                fetch = partial(ingest.pull, settings=settings, on_progress=progress, again=again)
                report = pull_usable(fetch, settings, wanted)
            for notice in report.notices:
                context.log.warning(visible(notice))
            yield from _results(feed.exchange, datasets, report, settings)
            failing = not report.ok
            to_publish = left_unpublished(context, datasets, failing)
            if to_publish:
                publish_here(context, to_publish)
        except TidemarkError as error:
            raise dg.Failure(visible(str(error)), allow_retries=False) from None
        if failing:
            raise _failure(report)

    return pull


def python_name(name: str) -> str:
    """``name`` as Dagster allows names."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def _jobs_of(
    exchange: str, datasets: Sequence[str], feeds: Sequence[Feed], only: str | None
) -> list[Job]:
    every = [j for j in jobs(feeds) if j.exchange == exchange and j.dataset in datasets]
    return [job for job in every if job.feed.name == only] or every


def _results(
    exchange: str, datasets: Sequence[str], report: PullReport, settings: Settings
) -> Iterator[dg.MaterializeResult[None]]:
    """A result for every dataset of which anything could be pulled.

    The problem of one account or market does not make the others look stale: its streams are named
    in the metadata, and the step fails after all.
    """
    for dataset in datasets:
        streams = [s for s in report.streams if (s.exchange, s.dataset) == (exchange, dataset)]
        if streams and all(stream.error for stream in streams):
            continue
        path = settings.home / "lake" / dataset / f"exchange={exchange}"
        yield dg.MaterializeResult(
            asset_key=lake_key(exchange, dataset),
            metadata={
                **pull_metadata(dataset, streams, path),
                **table_metadata(dataset, publishing.table_state(settings, exchange, dataset)),
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
