"""What the asset graph shows of every dataset: keys, descriptions, column schemas, kinds."""

from collections.abc import Iterable, Sequence
from typing import Final

import dagster as dg
import pyarrow as pa

import connectors
from connectors.base import Cursor
from pipelines.feeds import Feed, Job, jobs
from pipelines.orchestration.freshness import freshness_of
from schemas import DATASETS, Dataset
from warehouse.paths import hive_folder

OWNERS: Final = ("team:tidemark",)
WAREHOUSE: Final = "warehouse"
_SOURCES: Final = {Cursor.DERIVED: "trades", Cursor.LOOKUP: "account_trades"}
"""The dataset that one of this kind is built from, or that names the rows to ask for."""


def dagster_name(exchange: str) -> str:
    """An exchange as Dagster may name it: ``ccxt:okx`` is ``ccxt_okx`` there."""
    return exchange.replace(":", "_")


def lake_key(exchange: str, dataset: str) -> dg.AssetKey:
    """``bitexbit/trades``: the lake's files."""
    return dg.AssetKey([dagster_name(exchange), dataset])


def table_key(dataset: str) -> dg.AssetKey:
    """``warehouse/trades``: the DuckDB table."""
    return dg.AssetKey([WAREHOUSE, dataset])


def dataset_of(key: dg.AssetKey) -> str:
    """The dataset's name in either key."""
    return key.path[-1]


def lake_spec(exchange: str, dataset: str, feeds: Sequence[Feed]) -> dg.AssetSpec:
    """The asset of one dataset of one exchange, whichever feeds collect it."""
    declared = DATASETS[dataset]
    collected = {job.dataset for job in jobs(feeds) if job.exchange == exchange}
    owners = [job for job in jobs(feeds) if (job.exchange, job.dataset) == (exchange, dataset)]
    offer = connectors.offers(exchange)[dataset]
    cursors = {offer.of(name).cursor for job in owners for name in job.spec.timeframes or (None,)}
    sources = {_SOURCES[cursor] for cursor in cursors & _SOURCES.keys()}
    deps = [lake_key(exchange, source) for source in sources if source in collected]
    return dg.AssetSpec(
        lake_key(exchange, dataset),
        deps=deps,
        description=_description(declared, owners),
        group_name=dagster_name(exchange),
        kinds={"python", "parquet"},
        owners=OWNERS,
        freshness_policy=freshness_of(owners),
        metadata={
            "dagster/column_schema": column_schema(declared),
            "dagster/uri": f"lake/{dataset}/{hive_folder('exchange', exchange)}",
            "key": ", ".join(declared.key),
        },
    )


def table_spec(dataset: str, feeds: Sequence[Feed]) -> dg.AssetSpec:
    """The asset of one DuckDB table, downstream of every exchange's."""
    declared = DATASETS[dataset]
    return dg.AssetSpec(
        table_key(dataset),
        deps=[lake_key(e, dataset) for e in exchanges_of(dataset, feeds)],
        description=f"{declared.description}\n\nThe table `{dataset}` of `warehouse.duckdb`, "
        "of every exchange together, published at once: readers see the old or the new load.",
        group_name=WAREHOUSE,
        kinds={"duckdb"},
        owners=OWNERS,
        freshness_policy=freshness_of(job for job in jobs(feeds) if job.dataset == dataset),
        metadata={
            "dagster/column_schema": column_schema(declared),
            "dagster/table_name": f"{WAREHOUSE}.main.{dataset}",
            "key": ", ".join(declared.key),
        },
    )


def exchanges_of(dataset: str, feeds: Iterable[Feed]) -> list[str]:
    """The exchanges that a dataset is collected from."""
    return list(dict.fromkeys(f.exchange for f in feeds if dataset in f.datasets))


def datasets_of(feeds: Iterable[Feed]) -> list[str]:
    """Every dataset that some feed collects, in the order of their declaration."""
    collected = {name for feed in feeds for name in feed.datasets}
    return [name for name in DATASETS if name in collected]


def column_schema(dataset: Dataset) -> dg.TableSchema:
    """The contracted columns, as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                _type_name(column.type),
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.is_nullable),
                tags=_tags(dataset, column.name),
            )
            for column in dataset.columns
        ],
        constraints=dg.TableConstraints(other=[f"unique ({', '.join(dataset.key)})"]),
    )


def _tags(dataset: Dataset, column: str) -> dict[str, str]:
    tags = {"key": ""} if column in dataset.key else {}
    return tags | ({"partition": ""} if column in dataset.partition else {})


def _type_name(kind: pa.DataType) -> str:
    return "timestamp[us, UTC]" if pa.types.is_timestamp(kind) else str(kind)


def _description(dataset: Dataset, owners: Sequence[Job]) -> str:
    lines = [dataset.description, ""]
    for job in owners:
        if dataset.is_account:
            what = f"account `{job.feed.account}`"
        elif dataset.is_reference:
            what = "all that the exchange lists"
        elif job.feed.markets is None:
            what = "all markets"
        else:
            what = ", ".join(f"`{market}`" for market in job.feed.markets)
        when = f", schedule `{job.spec.schedule}`" if job.spec.schedule else ""
        frames = f", timeframes {', '.join(job.spec.timeframes)}" if job.spec.timeframes else ""
        lines.append(f"- feed `{job.feed.name}`: {what}{frames}{when}")
    since = min((job.feed.start for job in owners), default=None)
    if since is not None and not (dataset.snapshot or dataset.is_reference):
        lines.append(f"\nHistory is wanted back to {since:%Y-%m-%d}.")
    return "\n".join(lines)
