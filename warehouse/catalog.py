"""The views, macros and comments of the DuckDB file.

They are created again only when the SQL files or the declarations changed: the file keeps a digest
of both in ``_tidemark.catalog``.
"""

import hashlib
from collections.abc import Iterator, Set
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from schemas import TABLES, Table
from warehouse.views import View, texts, views

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TYPES: Final = {
    "string": "VARCHAR",
    "timestamp[us, tz=UTC]": "TIMESTAMP WITH TIME ZONE",
    "decimal128(38, 12)": "DECIMAL(38,12)",
    "decimal128(38, 18)": "DECIMAL(38,18)",
    "bool": "BOOLEAN",
    "int32": "INTEGER",
    "int64": "BIGINT",
}
"""The DuckDB type of a column, by its Arrow type."""


@cache
def digest() -> str:
    """A digest of what all views, macros, comments and columns of this program are made from.

    Their SQL files and declarations, and the code that reads those: parsing takes five times as
    long, and every publish compares this.
    """
    found = hashlib.sha256()
    for module in ("catalog.py", "views.py"):
        found.update(Path(__file__).with_name(module).read_bytes())
    for part in texts():
        found.update("\0".join(part).encode())
    for table in TABLES.values():
        found.update(f"{table.name} {table.description}\0{table.schema}".encode())
        for column in table.columns:
            found.update(f"{column.name} {column.description}\0".encode())
    return found.hexdigest()


def is_current(db: "DuckDBPyConnection") -> bool:
    """Whether the file's views and comments are those of this program."""
    return _made_of(db) == digest()


def _made_of(db: "DuckDBPyConnection") -> str | None:
    """The digest with which the file's views were made; ``None`` where there are none yet."""
    import duckdb

    try:  # a table: reading it costs nothing, while the first look at duckdb_tables() costs 9 ms
        row = db.execute("SELECT digest FROM _tidemark.catalog").fetchone()
    except duckdb.CatalogException:
        return None
    return None if row is None else row[0]


def has_other_columns(db: "DuckDBPyConnection") -> bool:
    """Whether a table of the file has other columns than are declared now."""
    large = views_held(db)
    held: dict[str, list[tuple[str, str, bool]]] = {}
    for table, *column in db.execute(
        "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns()"
        " WHERE schema_name = 'main' AND NOT internal ORDER BY table_name, column_index"
    ).fetchall():
        held.setdefault(table, []).append(tuple(column))
    return any(
        name in held
        # any column of a view may be null
        and held[name] != [_duckdb_column(f, nullable=name in large) for f in table.schema]
        for name, table in TABLES.items()
    )


def _duckdb_column(field: pa.Field, *, nullable: bool) -> tuple[str, str, bool]:
    return field.name, TYPES[str(field.type)], field.nullable or nullable


def views_held(db: "DuckDBPyConnection") -> dict[str, tuple[int, str]]:
    """The tables that are views on lake files: their rows, and where the home was."""
    import duckdb

    try:
        rows = db.execute("SELECT dataset, rows, place FROM _tidemark.view_tables").fetchall()
    except duckdb.CatalogException:  # a version of before there were any
        return {}
    return {name: (count, place) for name, count, place in rows}


def drop_tables(db: "DuckDBPyConnection") -> None:
    """Drop every table, and the record of the changes loaded."""
    _drop_all(db, frozenset())
    for name in TABLES:
        db.execute(f'DROP TABLE IF EXISTS main."{name}"')
    db.execute("DROP SCHEMA IF EXISTS _tidemark CASCADE")


def refresh(db: "DuckDBPyConnection") -> None:
    """Create views, macros and comments in one transaction, and drop those no longer declared."""
    large = views_held(db).keys()
    db.execute("BEGIN")
    _drop_all(db, large)
    for statement in statements(large):
        db.execute(statement)
    db.execute(f"CREATE OR REPLACE TABLE _tidemark.catalog AS SELECT {_text(digest())} AS digest")
    db.execute("COMMIT")


def statements(large: Set[str] = frozenset()) -> Iterator[str]:
    """Everything that makes views, macros and comments, in order.

    ``large``: the tables that are views on lake files.
    """
    yield "CREATE SCHEMA IF NOT EXISTS marts"
    for table in TABLES.values():
        yield from table_comments(table, is_view=table.name in large)
    found = views().values()
    shown = [view for view in found if not view.is_macro]
    # DuckDB binds all sources of a view when the view is created. With placeholders that have the
    # declared columns, replaced from the top down, each view is bound once: a third of the time
    yield from (_stand_in(view) for view in shown)
    yield from (view.statement() for view in found if view.is_macro)
    yield from (view.statement() for view in reversed(shown))
    for view in found:
        yield from _comments(view)


def table_comments(table: Table, *, is_view: bool) -> Iterator[str]:
    """What a table and its columns mean."""
    kind = "VIEW" if is_view else "TABLE"
    yield f'COMMENT ON {kind} main."{table.name}" IS {_text(table.description)}'
    for column in table.columns:
        yield _column_comment(f'main."{table.name}"', column.name, column.description)


def _stand_in(view: View) -> str:
    columns = ", ".join(f'NULL::{c.type} AS "{c.name}"' for c in view.columns)
    return f'CREATE VIEW {view.schema}."{view.name}" AS SELECT {columns}'


def _comments(view: View) -> Iterator[str]:
    if view.is_macro:
        kind = "MACRO TABLE" if view.columns else "MACRO"
        yield f'COMMENT ON {kind} main."{view.name}" IS {_text(view.comment)}'
        return
    where = f'{view.schema}."{view.name}"'
    yield f"COMMENT ON VIEW {where} IS {_text(view.comment)}"
    for column in view.columns:
        yield _column_comment(where, column.name, column.description)


def _column_comment(where: str, column: str, description: str) -> str:
    return f'COMMENT ON COLUMN {where}."{column}" IS {_text(description)}'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _drop_all(db: "DuckDBPyConnection", kept: Set[str]) -> None:
    """Drop all views and macros but the tables ``kept`` that are views."""
    for schema, name in db.execute(
        "SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal"
    ).fetchall():
        if schema != "main" or name not in kept:
            db.execute(f'DROP VIEW {schema}."{name}"')
    for kind, name in db.execute(
        "SELECT DISTINCT function_type, function_name FROM duckdb_functions()"
        " WHERE NOT internal AND function_type IN ('macro', 'table_macro')"
    ).fetchall():
        db.execute(f'DROP MACRO {"TABLE " if kind == "table_macro" else ""}main."{name}"')
