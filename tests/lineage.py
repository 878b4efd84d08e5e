"""Which columns each view's columns are made of: written by sqlglot, kept in a file.

``python -m tests.lineage`` writes the file again, after a view was changed.

Values only: a column that merely filters, joins or sorts is no source. A view that sqlglot cannot
resolve (one that calls a table macro) has none.
"""

import json
from collections.abc import Iterable
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope

from schemas import TABLES
from warehouse.lineage import FILE, Lineage, digest
from warehouse.views import View, views


def derive(wanted: Iterable[View]) -> dict[str, Lineage]:
    """The lineage of each view, by its key."""
    schema: dict[str, Any] = {
        "main": {name: dict.fromkeys(table.schema.names, "TEXT") for name, table in TABLES.items()},
        "marts": {},
    }
    for view in views().values():
        if not view.is_macro:
            schema[view.schema][view.name] = {column.name: column.type for column in view.columns}
    return {v.key: _of_view(v, schema) for v in wanted}


def _of_view(view: View, schema: dict[str, Any]) -> Lineage:
    found: dict[str, list[list[str]]] = {}
    try:
        tree = qualify(
            parse_one(view.body, dialect="duckdb"),
            schema=schema,
            dialect="duckdb",
            validate_qualify_columns=False,
        )
        scope = build_scope(tree)
        for column in view.columns:
            top = lineage(
                column.name, tree, schema, scope=scope, dialect="duckdb", trim_selects=False
            )
            found[column.name] = sorted(
                [_key(node.source), node.name.split(".")[-1].strip('"')]
                for node in top.walk()
                if not node.downstream and isinstance(node.source, exp.Table) and node.source.db
            )
    except SqlglotError:
        return Lineage(digest(view), {})
    unique = {name: [list(t) for t in dict.fromkeys(map(tuple, s))] for name, s in found.items()}
    return Lineage(digest(view), {name: sources for name, sources in unique.items() if sources})


def _key(table: exp.Table) -> str:
    return table.name if table.db == "main" else f"{table.db}.{table.name}"


def write() -> None:
    """Write the file for every view."""
    found = derive(view for view in views().values() if not view.is_macro)
    text = ",\n".join(
        f" {json.dumps(key)}: "
        + json.dumps({"digest": of.digest, "columns": of.columns}, separators=(",", ":"))
        for key, of in sorted(found.items())
    )
    FILE.write_text(f"{{\n{text}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    write()
