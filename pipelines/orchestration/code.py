"""All definitions together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import dagster as dg

from pipelines.feeds import FEEDS_ROOT, Feed, feeds_root, load_feeds
from pipelines.orchestration.checks import account_checks
from pipelines.orchestration.dev_servers import refuse_second
from pipelines.orchestration.ghosts import executor
from pipelines.orchestration.maintenance import maintenance_job, maintenance_schedule
from pipelines.orchestration.marts import report_asset, report_schedule
from pipelines.orchestration.publishing import warehouse_assets
from pipelines.orchestration.pulling import lake_assets
from pipelines.orchestration.schedules import QUIET, collect_job, collect_schedule
from pipelines.output.extras import missing
from pipelines.settings import load_settings

PROJECT: Final = Path(__file__).parents[2] / "pyproject.toml"
"""Of a clone, where Dagster reads the feeds as components; an installed package has none."""

_EXECUTORS: Final = {
    "in_process": dg.in_process_executor,
    "multiprocess": dg.multiprocess_executor,
}
"""By the setting ``TIDEMARK_EXECUTOR``."""


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
        asset_checks=account_checks(feeds),
        schedules=[
            *([collect] if collect else []),
            *([report_schedule()] if has_report else []),
            maintenance_schedule(),
        ],
        jobs=[
            dg.define_asset_job(
                "everything",
                selection=dg.AssetSelection.all(),
                description="Pull every feed, publish every table, write the report.",
                config=QUIET,
            ),
            *([collect_job(feeds)] if feeds else []),
            maintenance_job,
        ],
        executor=executor(_EXECUTORS[load_settings().executor]),
    )


def all_definitions() -> dg.Definitions:
    """Every feed and the warehouse. Raises ``ConfigError`` with file and line for a mistake.

    Also where another development server works on the same storage of Dagster.
    """
    refuse_second()
    feeds = load_feeds()  # before Dagster reads the files: mistakes get file and line
    if feeds_root() == FEEDS_ROOT and PROJECT.is_file():
        loaded = dg.load_from_defs_folder(path_within_project=PROJECT.parent / "pipelines")
    else:
        loaded = dg.Definitions.merge(*(feed_definitions(feed, feeds) for feed in feeds))
    return dg.Definitions.merge(loaded, warehouse_definitions(feeds))
