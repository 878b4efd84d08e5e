"""The assets ``warehouse/<dataset>`` and ``marts/<name>``: one step publishes them all.

Also publishing where that step does not run.
"""

from collections.abc import Iterator, Sequence, Set

import dagster as dg

from pipelines import publishing
from pipelines.feeds import Feed
from pipelines.orchestration.marts import mart_key, mart_spec, marts_of
from pipelines.orchestration.measuring import Metadata, measured
from pipelines.orchestration.metadata import materialized, publish_metadata
from pipelines.orchestration.specs import dataset_of, datasets_of, table_key, table_spec
from pipelines.output.formatting import visible
from pipelines.settings import load_settings
from schemas import TidemarkError
from warehouse.views import View


def warehouse_assets(feeds: Sequence[Feed]) -> dg.AssetsDefinition:
    """One step for all tables and the views on them: one run publishes once."""
    collected = datasets_of(feeds)
    marts = marts_of(collected)

    @dg.multi_asset(
        specs=[
            *(table_spec(dataset, feeds) for dataset in collected),
            *(mart_spec(mart, feeds) for mart in marts),
        ],
        name="publish",
        description="Load what changed in the lake into DuckDB, then switch to the new version.",
        can_subset=True,
    )
    def publish(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        selected = context.selected_asset_keys
        datasets = sorted(name for name in collected if table_key(name) in selected)
        try:
            report = publishing.publish(load_settings(), datasets)
        except TidemarkError as error:
            raise dg.Failure(visible(str(error)), allow_retries=False) from None
        for dataset in datasets:
            yield materialized(context, table_key(dataset), publish_metadata(dataset, report))
        asked = [mart for mart in marts if mart_key(mart.name) in selected]
        measures = _measured(context, asked, feeds)
        for mart in asked:
            yield materialized(context, mart_key(mart.name), measures.get(mart.name, {}))

    return publish


def _measured(
    context: dg.AssetExecutionContext, marts: Sequence[View], feeds: Sequence[Feed]
) -> dict[str, Metadata]:
    """Rows, previews and column lineage; nothing where they cannot be had."""
    if not marts:
        return {}
    try:
        return measured(load_settings().home, marts, feeds)
    except TidemarkError as error:
        context.log.warning(f"views are not counted: {visible(str(error))}")
        return {}


def publish_here(context: dg.AssetExecutionContext, datasets: Sequence[str]) -> None:
    """Publish from within a pull, and record it on the assets of the tables and their views."""
    report = publishing.publish(load_settings(), datasets)
    for dataset in datasets:
        context.log_event(
            dg.AssetMaterialization(table_key(dataset), metadata=publish_metadata(dataset, report))
        )
    for mart in marts_of(datasets):
        context.log_event(dg.AssetMaterialization(mart_key(mart.name)))


def left_unpublished(
    context: dg.AssetExecutionContext, pulled: Sequence[str], failing: bool
) -> list[str]:
    """The datasets that the run's own publish step will not load.

    Dagster skips what lies downstream of a failed step; SQL should show what was stored all the
    same. So a pull that fails publishes everything that the run asked for, and so do the pulls
    after it. A run of which no table is part publishes as ``tidemark pull`` does.
    """
    in_run = context.job_def.asset_layer.selected_asset_keys
    tables = {dataset_of(key) for key in in_run if key == table_key(dataset_of(key))}
    if not (failing or has_failed(context)):
        return [dataset for dataset in pulled if dataset not in tables]
    return sorted(tables | set(pulled))


def has_failed(context: dg.AssetExecutionContext, steps: Set[str] | None = None) -> bool:
    """Whether a step of the run has failed: one of ``steps``, where they are given."""
    events = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return any(steps is None or event.step_key in steps for event in events)
