"""The rules of single rows: what can be stored, and which candles are irregular.

The same rules hold where rows enter the lake and where ``verify`` reads them, so that nothing that
is stored is called damage later. A row that breaks one goes to quarantine.
"""

from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from schemas import Dataset, RejectedRow, StreamId
from warehouse.quarantine import contradictions

_EARLIEST: Final = -30_610_224_000_000_000
"""The year 1000: earlier ones do not have four digits, of which file names are made."""
_LATEST: Final = 253_402_214_400_000_000
"""The last day of the year 9999."""


def fitting(
    declared: Dataset, stream: StreamId, table: pa.Table
) -> tuple[pa.Table, list[RejectedRow]]:
    """The rows of ``table`` that can be stored, and the others with the reason."""
    for meaning, broken in broken_rules(declared, stream, table):
        out = pc.fill_null(broken, False)
        if pc.any(out).as_py():
            left, more = fitting(declared, stream, table.filter(pc.invert(out)))
            return left, [*contradictions(table.filter(out), meaning), *more]
    return table, []


def broken_rules(
    declared: Dataset, stream: StreamId, table: pa.Table
) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """What each rule is about, and row by row whether it is broken (null: it is not)."""
    names = table.column_names
    for field in declared.file_schema:
        if not field.nullable and table.column(field.name).null_count:
            yield f"{field.name} is null", pc.is_null(table.column(field.name))
    for column in declared.columns:
        if column.values and column.name in names:
            found = table.column(column.name)
            known = pc.is_in(found, value_set=pa.array(column.values, found.type))
            meaning = f"{column.name} is none of {', '.join(column.values)}"
            yield meaning, pc.and_(pc.invert(known), pc.is_valid(found))
    for name in declared.stream_columns:
        meaning = f"{name} is not the one in the file's name"
        yield meaning, pc.not_equal(table.column(name), pa.scalar(stream.timeframe, pa.string()))
    if "symbol" in names:
        symbol = table.column("symbol")
        yield "symbol is not in upper case", pc.not_equal(symbol, pc.utf8_upper(symbol))
    if declared.name == "account_transactions":
        yield "amount is negative", pc.less(table.column("amount"), pa.scalar(0))
    time = pc.cast(table.column(declared.time_column), pa.int64())
    outside = pc.or_(pc.less(time, _EARLIEST), pc.greater_equal(time, _LATEST))
    yield f"{declared.time_column} lies outside of the years 1000 to 9999", outside
