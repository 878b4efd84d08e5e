"""All definitions together."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import dagster as dg

from pipelines.feeds import FEEDS_ROOT, BrokenFeed, Feed, feeds_root, readable_feeds
from pipelines.orchestration.alerts import alert_sensors
from pipelines.orchestration.broken_feeds import broken_definitions
from pipelines.orchestration.checks import check_definitions, pulled_with
from pipelines.orchestration.marts import report_asset, report_schedule
from pipelines.orchestration.publishing import warehouse_assets
from pipelines.orchestration.pulling import lake_assets
from pipelines.orchestration.schedules import jobs_and_schedules
from pipelines.orchestration.specs import datasets_of
from pipelines.output.extras import missing

PROJECT: Final = Path(__file__).parents[2] / "pyproject.toml"
"""Of a clone, where Dagster reads the feeds as components; an installed package has none."""


def feed_definitions(feed: Feed, feeds: Sequence[Feed]) -> dg.Definitions:
    """What one feed brings; ``feeds``: all of them, for assets that several share."""
    assets = lake_assets(feed, feeds)
    return dg.Definitions.merge(
        dg.Definitions(assets=[assets] if assets else []), jobs_and_schedules(feed, feeds)
    )


def warehouse_definitions(feeds: Sequence[Feed]) -> dg.Definitions:
    """The tables, the page on them, a job for everything, and the executor: one process.

    Without the extra ``report`` there is no page, rather than a step that always fails.
    """
    has_report = bool(feeds) and not missing("report")
    return dg.Definitions(
        assets=[
            *([warehouse_assets(feeds)] if feeds else []),
            *([report_asset(feeds)] if has_report else []),
        ],
        schedules=[report_schedule()] if has_report else [],
        jobs=[
            dg.define_asset_job(
                "everything",
                selection=dg.AssetSelection.all().without_checks()
                | pulled_with(datasets_of(feeds)),
                description="Pull every feed and publish every table, as `tidemark pull` does.",
            )
        ],
        executor=dg.in_process_executor,
    )


def all_definitions() -> dg.Definitions:
    """Every feed that can be read, and the warehouse.

    A mistake in the file of one feed costs that feed only: see ``broken_feeds``.
    """
    feeds, broken = readable_feeds()
    return dg.Definitions.merge(
        *_of_feeds(feeds, broken),
        warehouse_definitions(feeds),
        check_definitions(feeds, broken),
        broken_definitions(broken),
        dg.Definitions(sensors=alert_sensors()),
    )


def _of_feeds(feeds: Sequence[Feed], broken: Sequence[BrokenFeed]) -> Iterator[dg.Definitions]:
    """What the feeds bring, and in a clone whatever other components lie in their folder.

    Dagster loads that folder as a whole: beside a broken file only the feeds can be loaded.
    """
    if feeds_root() == FEEDS_ROOT and PROJECT.is_file() and not broken:
        yield dg.load_from_defs_folder(path_within_project=PROJECT.parent / "pipelines")
    else:
        yield from (feed_definitions(feed, feeds) for feed in feeds)
