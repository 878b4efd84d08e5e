"""The assets ``marts/<name>``: the views of ``warehouse/sql`` on the tables, and the report.

Views are never behind their tables: they are recorded when those are published. ``marts/report``,
the page that ``tidemark report`` writes, is a step of its own and not part of the jobs that pull
one dataset: those run every minute, and the page queries everything. Its schedule is hourly.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg

import warehouse
from pipelines.feeds import Feed, jobs
from pipelines.orchestration.freshness import freshness_after, freshness_of
from pipelines.orchestration.looking import table
from pipelines.orchestration.run_log import QUIET
from pipelines.orchestration.specs import OWNERS, WAREHOUSE, datasets_of, table_key
from pipelines.output.formatting import visible
from pipelines.report.query import FOLDER
from pipelines.settings import REPORT_URL, load_settings
from schemas import TidemarkError
from warehouse.views import View, tables_of, views

MARTS: Final = "marts"
RECORDED_EVERY: Final = timedelta(hours=1)
"""Views hold what their tables hold; their materializations, with counts, are for the reader."""


_SOURCE: Final = re.compile(r"\b(?:FROM|JOIN)\s+([\w.]+)(\()?")


_FIGURES: Final = {
    "what is held": """
        SELECT
            exchange, dataset, sum(rows)::BIGINT AS rows, max(newest) AS newest,
            sum(gaps)::BIGINT AS gaps, sum(lost)::BIGINT AS lost, max(quarantined) AS quarantined
        FROM marts.health
        GROUP BY ALL
        ORDER BY ALL""",
    "balances": """
        SELECT exchange, account, currency, available, reserved, valid_from AS since
        FROM marts.balance_history
        WHERE valid_to IS NULL AND total <> 0
        ORDER BY ALL""",
}


_NOT_SERVED: Final = (
    "\n\nNo address is known at which it is served (`TIDEMARK_REPORT_URL`; `tidemark ui` serves it "
    "by itself): open the file by its path."
)


def mart_key(name: str) -> dg.AssetKey:
    """``marts/fills``: the DuckDB view, whichever schema it is in."""
    return dg.AssetKey([MARTS, name])


REPORT_KEY: Final = mart_key("report")


def marts_of(datasets: Iterable[str]) -> list[View]:
    """The views made of any of ``datasets``, those that others read first."""
    wanted = set(datasets)
    return [v for v in views().values() if not v.is_macro and wanted.intersection(tables_of(v))]


def mart_spec(view: View, feeds: Sequence[Feed]) -> dg.AssetSpec:
    """The asset of one view, downstream of the tables and views that it reads."""
    return dg.AssetSpec(
        mart_key(view.name),
        deps=upstream(view.sources, feeds),
        description=f"{view.title}\n\n{view.description}\n\nOne row: "
        f"{view.grain.removeprefix('one row ')}.\n\n```sql\n{view.body}\n```",
        group_name=MARTS,
        kinds={"duckdb", "sql"},
        owners=OWNERS,
        freshness_policy=freshness_of(
            (job for job in jobs(feeds) if job.dataset in tables_of(view)), RECORDED_EVERY
        ),
        code_version=hashlib.sha256(view.statement().encode()).hexdigest()[:12],
        metadata=mart_metadata(view),
    )


def mart_metadata(view: View) -> Mapping[str, dg.TableSchema | str]:
    """What holds of a view: its columns, and where it is."""
    return {
        "dagster/column_schema": dg.TableSchema(
            [dg.TableColumn(c.name, c.type, description=c.description) for c in view.columns]
        ),
        "dagster/table_name": f"{WAREHOUSE}.{view.schema}.{view.name}",
    }


def upstream(sources: Iterable[str], feeds: Sequence[Feed]) -> list[dg.AssetKey]:
    """The assets behind ``sources``, as views name them: those that ``feeds`` collect."""
    collected = datasets_of(feeds)
    shown = {v.key for v in marts_of(collected)}
    return [
        mart_key(views()[source].name) if source in shown else table_key(source)
        for source in _without_macros(sources)
        if source in shown or source in collected
    ]


def _without_macros(sources: Iterable[str]) -> list[str]:
    """The tables and views among ``sources``, and those that its macros read."""
    found: dict[str, None] = {}
    for source in sources:
        inner = views().get(source)
        if inner is not None and inner.is_macro:
            found |= dict.fromkeys(_without_macros(inner.sources))
        else:
            found[source] = None
    return list(found)


def report_asset(feeds: Sequence[Feed]) -> dg.AssetsDefinition:
    """The step that writes the page; where it is served, the asset links to it."""
    url = load_settings().variables.get(REPORT_URL)

    @dg.asset(
        key=REPORT_KEY,
        deps=upstream(report_sources(), feeds),
        group_name=MARTS,
        kinds={"html"},
        owners=OWNERS,
        freshness_policy=freshness_after(RECORDED_EVERY),
        description="What the home holds, on one page for the browser: prices, coverage, account "
        "value, fees, profit, reconciliation. It loads nothing from anywhere."
        + (f"\n\n[Open the report]({url})" if url else _NOT_SERVED),
        metadata={"report": dg.MetadataValue.url(url)} if url else {},
    )
    def write_report() -> dg.MaterializeResult[None]:
        from pipelines.report import page  # needs the extra

        home = load_settings().home
        try:
            written = page.write(home)
        except TidemarkError as error:
            raise dg.Failure(visible(str(error)), allow_retries=False) from None
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(written.path),
                "written": dg.MetadataValue.timestamp(datetime.now(UTC)),
                "bytes": written.bytes,
                **_figures(home),
            }
        )

    return write_report


def _figures(home: Path) -> dict[str, dg.MetadataValue]:
    """The figures of the page that fit into Dagster's own."""
    found = {}
    for name, query in _FIGURES.items():
        try:
            rows = warehouse.sql(query, home=home).to_pylist()
        except TidemarkError:  # the page is written, and says more
            continue
        if rows:
            found[name] = table(rows)
    return found


def report_schedule() -> dg.ScheduleDefinition:
    """Hourly; off until somebody switches it on. Before the first publish there is no page."""

    @dg.schedule(
        name="report",
        job=dg.define_asset_job("report", dg.AssetSelection.assets(REPORT_KEY), config=QUIET),
        cron_schedule="0 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Write the page of what is held.",
    )
    def tick() -> dg.RunRequest | dg.SkipReason:
        home = load_settings().home
        if not (home / warehouse.LINK).exists():
            return dg.SkipReason(f"nothing is published in {home} yet: the first pull does that")
        return dg.RunRequest()

    return tick


def report_sources() -> list[str]:
    """The tables, views and macros that the page's queries name, as views name their sources."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.sql")))
    return sorted({f"{name}()" if call else name for name, call in _SOURCE.findall(text)})
