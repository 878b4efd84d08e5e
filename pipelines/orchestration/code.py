"""All definitions together."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import dagster as dg

from pipelines.feeds import FEEDS_ROOT, BrokenFeed, Feed, feeds_root, readable_feeds
from pipelines.imports.watch import Watch, watches
from pipelines.orchestration.alerts import alert_sensors
from pipelines.orchestration.broken_feeds import broken_definitions
from pipelines.orchestration.checks import check_definitions, checks_of_pull
from pipelines.orchestration.dev_servers import refuse_second
from pipelines.orchestration.executors import executor_of
from pipelines.orchestration.ghosts import executor
from pipelines.orchestration.importing import import_definitions
from pipelines.orchestration.lake import lake_assets
from pipelines.orchestration.maintenance import maintenance_job, maintenance_schedule
from pipelines.orchestration.marts import report_asset, report_schedule
from pipelines.orchestration.publishing import warehouse_assets
from pipelines.orchestration.run_log import QUIET
from pipelines.orchestration.schedules import collect_job, collect_schedule
from pipelines.orchestration.specs import datasets_of
from pipelines.output.extras import missing
from pipelines.settings import load_settings

PROJECT: Final = Path(__file__).parents[2] / "pyproject.toml"
"""Of a clone, where Dagster reads the feeds as components; an installed package has none."""


def feed_definitions(feed: Feed, feeds: Sequence[Feed]) -> dg.Definitions:
    """What one feed brings; ``feeds``: all of them, for assets that several share."""
    assets = lake_assets(feed, feeds)
    return dg.Definitions(assets=[assets] if assets else [])


def warehouse_definitions(feeds: Sequence[Feed]) -> dg.Definitions:
    """The tables, the page on them, the jobs with their schedules, and the executor.

    Without the extra ``report`` there is no page, rather than a step that always fails.
    """
    has_report = bool(feeds) and not missing("report")
    collect = collect_schedule(feeds)
    return dg.Definitions(
        assets=[
            *([warehouse_assets(feeds)] if feeds else []),
            *([report_asset(feeds)] if has_report else []),
        ],
        schedules=[
            *([collect] if collect else []),
            *([report_schedule()] if has_report else []),
            maintenance_schedule(),
        ],
        jobs=[
            dg.define_asset_job(
                "everything",
                selection=dg.AssetSelection.all().without_checks()
                | dg.AssetSelection.checks(*checks_of_pull(datasets_of(feeds))),
                description="Pull every feed, publish every table, write the report.",
                config=QUIET,
            ),
            *([collect_job(feeds)] if feeds else []),
            maintenance_job,
        ],
        executor=executor(executor_of(load_settings())),
    )


def all_definitions() -> dg.Definitions:
    """Every feed that can be read, and the warehouse.

    A mistake in the file of one feed costs that feed only: see ``broken_feeds``. Raises
    ``ConfigError`` where another development server works on the same storage of Dagster.
    """
    refuse_second()
    feeds, broken = readable_feeds()
    watched, wrong = watches()
    broken += wrong
    return dg.Definitions.merge(
        *_of_feeds(feeds, watched, broken),
        warehouse_definitions(feeds),
        check_definitions(feeds, broken),
        broken_definitions(broken),
        dg.Definitions(sensors=alert_sensors()),
    )


def _of_feeds(
    feeds: Sequence[Feed], watched: Sequence[Watch], broken: Sequence[BrokenFeed]
) -> Iterator[dg.Definitions]:
    """What feeds and watched folders bring, and in a clone any other component of their folder.

    Dagster loads that folder as a whole: beside a broken file only the feeds can be loaded.
    """
    if feeds_root() == FEEDS_ROOT and PROJECT.is_file() and not broken:
        yield dg.load_from_defs_folder(path_within_project=PROJECT.parent / "pipelines")
    else:
        yield from (feed_definitions(feed, feeds) for feed in feeds)
        yield from map(import_definitions, watched)
