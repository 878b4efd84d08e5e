"""The assets ``warehouse/<dataset>``, and publishing where their step will not run."""

from collections.abc import Iterator, Sequence

import dagster as dg

from pipelines import ingest
from pipelines.feeds import Feed
from pipelines.orchestration.metadata import publish_metadata
from pipelines.orchestration.specs import dataset_of, datasets_of, table_key, table_spec
from pipelines.settings import load_settings
from schemas import TidemarkError


def warehouse_assets(feeds: Sequence[Feed]) -> dg.AssetsDefinition:
    """One step for all tables: one run publishes once."""

    @dg.multi_asset(
        specs=[table_spec(dataset, feeds) for dataset in datasets_of(feeds)],
        name="publish",
        description="Load what changed in the lake into DuckDB, and put it live in one move.",
        can_subset=True,
    )
    def publish(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        datasets = sorted(dataset_of(key) for key in context.selected_asset_keys)
        try:
            report = ingest.publish(load_settings(), datasets)
        except TidemarkError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        for dataset in datasets:
            yield dg.MaterializeResult(
                asset_key=table_key(dataset),
                metadata=publish_metadata(
                    dataset, report.tables[dataset], report.path, report.published
                ),
            )

    return publish


def publish_here(context: dg.AssetExecutionContext, datasets: Sequence[str]) -> None:
    """Publish from within a pull, and record it on the tables' assets."""
    report = ingest.publish(load_settings(), datasets)
    for dataset in datasets:
        context.log_event(
            dg.AssetMaterialization(
                table_key(dataset),
                metadata=publish_metadata(
                    dataset, report.tables[dataset], report.path, report.published
                ),
            )
        )


def left_unpublished(
    context: dg.AssetExecutionContext, pulled: Sequence[str], failing: bool
) -> list[str]:
    """The datasets that the run's own publish step will not load.

    Dagster skips what lies downstream of a failed step; what was stored is to be seen in SQL all
    the same. So a pull that fails publishes everything that the run asked for, and so do the pulls
    after it. A run of which no table is part publishes as ``tidemark pull`` does.
    """
    in_run = context.job_def.asset_layer.selected_asset_keys
    tables = {dataset_of(key) for key in in_run if key == table_key(dataset_of(key))}
    if not (failing or _has_failed(context)):
        return [dataset for dataset in pulled if dataset not in tables]
    return sorted(tables | set(pulled))


def _has_failed(context: dg.AssetExecutionContext) -> bool:
    events = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return bool(events)
