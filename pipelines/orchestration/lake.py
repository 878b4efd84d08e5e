"""The assets ``<exchange>/<dataset>``: one step a feed, or one a shard, in the exchange's pool."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import dagster as dg
import msgspec

from pipelines import publishing
from pipelines.feeds import Feed
from pipelines.ingest import PullReport, StreamReport
from pipelines.orchestration.metadata import Metadata, condensed, materialized
from pipelines.orchestration.publishing import has_failed, left_unpublished, publish_here
from pipelines.orchestration.pulling import (
    PullConfig,
    PullStep,
    failure,
    owned_datasets,
    pulled,
    results,
    step_name,
    steps_of,
    unfinished_streams,
)
from pipelines.orchestration.specs import dagster_name, dataset_of, lake_key, lake_spec
from pipelines.output.formatting import visible
from pipelines.settings import Settings, load_settings
from schemas import TidemarkError

_PULLED: Final = "pulled"
_RECORD: Final = "record"
_RESULT: Final = "tidemark/result"
"""Metadata of the output of a shard's step: what :class:`_Result` holds."""


def lake_assets(feed: Feed, feeds: Sequence[Feed]) -> dg.AssetsDefinition | None:
    """What pulls the datasets which ``feed`` owns; ``None`` where it owns none."""
    steps = steps_of(feed, feeds)
    if len(steps) > 1:
        return _sharded(steps, feeds)
    return _one_step(steps[0], feeds) if steps else None


def _one_step(step: PullStep, feeds: Sequence[Feed]) -> dg.AssetsDefinition:
    exchange, owned = step.feed.exchange, owned_datasets(step.feed, feeds)

    @dg.multi_asset(
        specs=[lake_spec(exchange, dataset, feeds) for dataset in owned],
        name=step.key,
        description=_description(exchange),
        can_subset=True,
        pool=dagster_name(exchange),
    )
    def pull(
        context: dg.AssetExecutionContext, config: PullConfig
    ) -> Iterator[dg.MaterializeResult[None]]:
        datasets = _selected(context, owned)
        try:
            settings = load_settings()
            report = _report(context, step, config, feeds, settings)
            unfinished = unfinished_streams(report.streams)
            for dataset, metadata in results(
                exchange, datasets, report.streams, unfinished, settings
            ):
                yield materialized(context, lake_key(exchange, dataset), metadata)
            failing = not report.ok
            to_publish = left_unpublished(context, datasets, failing)
            if to_publish:
                publish_here(context, to_publish)
        except TidemarkError as error:
            raise dg.Failure(visible(str(error)), allow_retries=False) from None
        if failing:
            raise failure(report)

    return pull


def _sharded(steps: Sequence[PullStep], feeds: Sequence[Feed]) -> dg.AssetsDefinition:
    """A graph: a step for each shard, and one that records the assets once all have pulled.

    It is configured as the step of an undivided feed is.
    """
    feed = steps[0].feed
    owned = owned_datasets(feed, feeds)
    specs = {name: lake_spec(feed.exchange, name, feeds) for name in owned}
    deps = {name: {dep.asset_key for dep in spec.deps} for name, spec in specs.items()}
    # from assets of other steps: each shard comes after those
    after = {
        f"after_{dataset_of(key)}": key
        for key in sorted(set().union(*deps.values()))
        if dataset_of(key) not in owned
    }
    shards = {step.key.rpartition(".")[2]: _shard(step, feeds, list(after)) for step in steps}
    record = _record(steps, feeds)

    @dg.config_mapping
    def for_each(config: PullConfig) -> dict[str, Any]:
        values = config.model_dump(by_alias=True, exclude_none=True)
        return {name: {"config": values} for name in shards}

    graph = dg.GraphDefinition(
        name=step_name(feed),
        description=_description(feed.exchange),
        node_defs=[*shards.values(), record],
        dependencies={
            **{dg.NodeInvocation(op.name, alias=name): {} for name, op in shards.items()},
            dg.NodeInvocation(record.name, alias=_RECORD): {
                _PULLED: dg.MultiDependencyDefinition(
                    [dg.DependencyDefinition(name, _PULLED) for name in shards]
                )
            },
        },
        input_mappings=[
            dg.InputMapping(graph_input_name=each, mapped_node_name=n, mapped_node_input_name=each)
            for each in after
            for n in shards
        ],
        output_mappings=[
            dg.OutputMapping(
                graph_output_name=name, mapped_node_name=_RECORD, mapped_node_output_name=name
            )
            for name in owned
        ],
        config=for_each,
    )
    assets = dg.AssetsDefinition.from_graph(
        graph,
        keys_by_input_name=after,
        keys_by_output_name={name: spec.key for name, spec in specs.items()},
        internal_asset_deps=deps,
        can_subset=True,
    )
    return assets.map_asset_specs(lambda spec: specs[dataset_of(spec.key)])


class _Result(msgspec.Struct):
    """What one shard reports to the step that records, through Dagster's events: so its worker may
    be on any machine.
    """

    streams: list[StreamReport]
    unfinished: dict[str, int]


def _shard(step: PullStep, feeds: Sequence[Feed], after: Sequence[str]) -> dg.OpDefinition:
    exchange, owned = step.feed.exchange, owned_datasets(step.feed, feeds)
    steps = steps_of(step.feed, feeds)

    @dg.op(
        name=step.key.replace(".", "__"),
        description="Pull this shard's markets. Where one fails, the others go on.",
        ins={name: dg.In(dg.Nothing) for name in after},
        out={_PULLED: dg.Out(dg.Nothing)},
        pool=dagster_name(exchange),
    )
    def pull(context: dg.AssetExecutionContext, config: PullConfig) -> Iterator[dg.Output[None]]:
        datasets = _selected(context, owned)
        try:
            settings = load_settings()
            report = _report(context, step, config, feeds, settings)
            result = _Result(condensed(report.streams), unfinished_streams(report.streams))
            yield dg.Output(None, _PULLED, metadata={_RESULT: msgspec.to_builtins(result)})
            failing = not report.ok
            if failing or has_failed(context, {each.key for each in steps}):
                # Dagster skips the step that records
                for dataset, metadata in _recorded(context, steps, datasets, settings):
                    key = lake_key(exchange, dataset)
                    context.log_event(dg.AssetMaterialization(key, metadata=metadata))
                publish_here(context, left_unpublished(context, datasets, failing))
        except TidemarkError as error:
            raise dg.Failure(visible(str(error)), allow_retries=False) from None
        if failing:
            raise failure(report)

    return pull


def _record(steps: Sequence[PullStep], feeds: Sequence[Feed]) -> dg.OpDefinition:
    feed = steps[0].feed
    owned = owned_datasets(feed, feeds)

    @dg.op(
        name=f"{step_name(feed)}__{_RECORD}",
        description="Record the assets, now that every shard has pulled.",
        ins={_PULLED: dg.In(dg.Nothing)},
        out={name: dg.Out(dg.Nothing, is_required=False) for name in owned},
    )
    def record(context: dg.AssetExecutionContext) -> Iterator[dg.Output[None]]:
        datasets = _selected(context, owned)
        try:
            for dataset, metadata in _recorded(context, steps, datasets, load_settings()):
                context.add_asset_metadata(metadata, asset_key=lake_key(feed.exchange, dataset))
                yield dg.Output(None, dataset)
            to_publish = left_unpublished(context, datasets, failing=False)
            if to_publish:
                publish_here(context, to_publish)
        except TidemarkError as error:
            raise dg.Failure(visible(str(error)), allow_retries=False) from None

    return record


def _recorded(
    context: dg.AssetExecutionContext,
    steps: Sequence[PullStep],
    datasets: Sequence[str],
    settings: Settings,
) -> Iterator[tuple[str, Metadata]]:
    """The metadata of every dataset, of all shards that have pulled by now."""
    keys = {step.key for step in steps}
    streams: list[StreamReport] = []
    unfinished: dict[str, int] = {}
    outputs = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.STEP_OUTPUT)
    for event in (entry.dagster_event for entry in outputs):
        if event is not None and event.step_key in keys:
            value = event.step_output_data.metadata[_RESULT].value
            result = msgspec.convert(value, _Result)
            streams += result.streams
            for dataset, number in result.unfinished.items():
                unfinished[dataset] = unfinished.get(dataset, 0) + number
    yield from results(steps[0].feed.exchange, datasets, streams, unfinished, settings)


def _report(
    context: dg.AssetExecutionContext,
    step: PullStep,
    config: PullConfig,
    feeds: Sequence[Feed],
    settings: Settings,
) -> PullReport:
    """Pull. What is stored is published now and then, and notices go to the log of the run."""
    with publishing.periodic_publish(partial(publishing.publish, settings)):
        report = pulled(context, step, config, feeds, settings)
    for notice in report.notices:
        context.log.warning(visible(notice))
    return report


def _selected(context: dg.AssetExecutionContext, owned: Sequence[str]) -> list[str]:
    selected = {dataset_of(key) for key in context.selected_asset_keys}
    return [dataset for dataset in owned if dataset in selected]


def _description(exchange: str) -> str:
    return (
        f"Fetch what is missing or new from {exchange}, page by page, into the lake. Retries are "
        "the engine's; whatever was fetched before a failure is stored."
    )
