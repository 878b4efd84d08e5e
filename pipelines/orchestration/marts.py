"""The assets ``marts/<name>``: the views that ``warehouse/sql`` makes of the tables.

They are views, so they are never behind their tables: they are recorded when those are published.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import dagster as dg

from pipelines.feeds import Feed
from pipelines.orchestration.specs import OWNERS, WAREHOUSE, datasets_of, table_key
from warehouse.views import View, tables_of, views

MARTS: Final = "marts"


def mart_key(name: str) -> dg.AssetKey:
    """``marts/fills``: the DuckDB view, whichever schema it is in."""
    return dg.AssetKey([MARTS, name])


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
