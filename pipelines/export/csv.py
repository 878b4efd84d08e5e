"""Rows as CSV, written as ``tidemark sql --format csv`` writes them, but of any length.

DuckDB makes the text of each line (``queries/csv.sql``): nothing passes through a float, and
Python handles one string a row.
"""

from typing import IO, Final

import duckdb
import pyarrow as pa

from pipelines.export import sql
from pipelines.export.selection import Columns, Rows, Selection

_PLAIN: Final = frozenset({"BOOLEAN", "DATE", "INTEGER", "BIGINT", "HUGEINT"})


def write(db: duckdb.DuckDBPyConnection, wanted: Selection, out: IO[str]) -> int:
    """Write header and rows; returns how many rows."""
    rows = Rows(db, wanted)
    db.execute(sql.text("csv"))
    return pour(rows.columns, rows.batches(line(rows.columns)), out)


def line(columns: Columns) -> str:
    """The SQL of a row's line; needs the macros of ``csv.sql``."""
    return " || ',' || ".join(f"coalesce({_text(n, t)}, '')" for n, t in columns.items())


def pour(columns: Columns, lines: pa.RecordBatchReader, out: IO[str]) -> int:
    """Write the header, then batches of one column of lines; returns how many lines."""
    out.write(",".join(columns) + "\n")
    count = 0
    for batch in lines:
        out.write("\n".join([*batch.column(0).to_pylist(), ""]))
        count += batch.num_rows
    return count


def _text(name: str, type_: str) -> str:
    """The SQL of a value's text; null where the value is."""
    if type_.startswith("DECIMAL"):
        return f'csv_decimal("{name}")'
    if type_ == "TIMESTAMP WITH TIME ZONE":
        return f'csv_time("{name}")'
    return f'"{name}"::VARCHAR' if type_ in _PLAIN else f'csv_text("{name}"::VARCHAR)'
