"""Write the data dictionary from the declarations and the heads of the SQL files.

``python -m warehouse.dictionary > docs/data-dictionary.md``
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Final

from schemas import DATASETS, TABLES, Period, Table
from warehouse.views import Column, View, views

_PERIODS: Final = {
    Period.DAY: "a file a day",
    Period.MONTH: "a file a month",
    Period.YEAR: "a file a year",
    Period.ALL: "one file",
}
_HEAD: Final = """\
# Data dictionary

Made by `python -m warehouse.dictionary > docs/data-dictionary.md`; a test holds it true. DuckDB
shows the same words: `SELECT table_name, comment FROM duckdb_tables()`, `duckdb_views()`,
`duckdb_columns()`.

Times are UTC with microseconds. Prices and amounts are `decimal128(38, 12)`, exact as sent; sums,
differences and products of them are exact. What had to be divided is rounded, and says so.
"""


def dictionary() -> str:
    """The whole document, Markdown."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    found = views().values()
    parts = {
        "Tables": [_anchor(name) for name in TABLES],
        "Views": [_anchor(v.key) for v in found if v.folder == "views"],
        "Marts": [_anchor(v.key) for v in found if v.folder == "marts"],
        "Macros": [_anchor(v.key) for v in found if v.is_macro],
    }
    yield _HEAD
    for title, links in parts.items():
        yield f"- **{title}**: {', '.join(links)}"
    yield "\n## Tables\n"
    yield "In the lake (`lake/<table>/…`, but for `coverage`) and in `warehouse.duckdb`."
    for table in TABLES.values():
        yield from _table(table)
    for title, folder, words in (
        ("Views", "views", "In `warehouse.duckdb`, made of the tables."),
        ("Marts", "marts", "In `warehouse.duckdb`, schema `marts`: answers to common questions."),
        ("Macros", "macros", "In `warehouse.duckdb`: queries with parameters."),
    ):
        yield f"\n## {title}\n"
        yield words
        for view in sorted((v for v in found if v.folder == folder), key=lambda v: v.name):
            yield from _view(view)


def _table(table: Table) -> Iterator[str]:
    yield f"\n### {table.name}\n"
    yield table.description
    declared = DATASETS.get(table.name)
    if declared is not None:
        parts = ", ".join(f"`{p}`" for p in declared.partition)
        yield f"\nKey: {', '.join(declared.key)}. Lake: {_PERIODS[declared.period]} by {parts}."
    yield from _rows(
        ("column", "type", "null", "meaning"),
        (
            (c.name, f"`{c.type}`", "yes" if c.is_nullable else "", c.description)
            for c in table.columns
        ),
    )


def _view(view: View) -> Iterator[str]:
    yield f"\n### {view.key}\n"
    yield f"{view.title}\n{view.description}".strip()
    if view.is_macro:
        yield f"\n`{view.call}`" + (f" → {view.returns}" if view.returns else "")
    facts = [f"One row: {view.grain.removeprefix('one row ')}." if view.grain else ""]
    facts += [f"From: {', '.join(f'`{s}`' for s in view.sources)}." if view.sources else ""]
    if any(facts):
        yield "\n" + " ".join(filter(None, facts))
    if view.parameters:
        yield from _rows(("argument", "type", "meaning"), map(_column, view.parameters))
    if view.columns:
        yield from _rows(("column", "type", "meaning"), map(_column, view.columns))


def _column(column: Column) -> tuple[str, ...]:
    name = column.name + (f" := {column.default}" if column.default else "")
    return name, f"`{column.type}`", column.description


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def _anchor(name: str) -> str:
    target = "".join(c for c in name.lower() if c.isalnum() or c in "_-")
    return f"[{name}](#{target})"


if __name__ == "__main__":
    sys.stdout.write(dictionary() + "\n")
