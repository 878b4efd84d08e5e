"""The asset ``marts/report``: the page that ``tidemark report`` writes, from the tables and views.

It is a step of its own after publishing, and not part of the jobs that pull one dataset: those run
every minute, and the page asks everything. A schedule of its own writes it by the hour.
"""

import re
from collections.abc import Sequence
from typing import Final

import dagster as dg

from pipelines import report
from pipelines.feeds import Feed
from pipelines.orchestration.marts import MARTS, mart_key, upstream
from pipelines.orchestration.specs import OWNERS
from pipelines.report.asking import QUERIES
from pipelines.settings import load_settings
from schemas import TidemarkError

REPORT_KEY: Final = mart_key("report")
_READS: Final = re.compile(r"\b(?:FROM|JOIN)\s+([\w.]+)(\()?")


def report_asset(feeds: Sequence[Feed]) -> dg.AssetsDefinition:
    """The step that writes the page."""

    @dg.asset(
        key=REPORT_KEY,
        deps=upstream(reads(), feeds),
        group_name=MARTS,
        kinds={"html"},
        owners=OWNERS,
        description="What the home holds, on one page for the browser: prices, coverage, account "
        "value, fees, profit, reconciliation. It loads nothing from anywhere.",
    )
    def write_report() -> dg.MaterializeResult[None]:
        try:
            written = report.write(load_settings().home)
        except TidemarkError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(written.path),
                "page": dg.MetadataValue.url(written.path.as_uri()),
                "bytes": written.bytes,
            }
        )

    return write_report


def report_schedule() -> dg.ScheduleDefinition:
    """By the hour; off until somebody switches it on."""
    return dg.ScheduleDefinition(
        name="report",
        job=dg.define_asset_job("report", dg.AssetSelection.assets(REPORT_KEY)),
        cron_schedule="0 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Write the page of what is held.",
    )


def reads() -> list[str]:
    """The tables, views and macros that the page's queries name, as views name their sources."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(QUERIES.glob("*.sql")))
    return sorted({f"{name}()" if call else name for name, call in _READS.findall(text)})
