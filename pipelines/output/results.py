"""The result of a query as a table for people, or as CSV or JSON for programs."""

import json
import math
import sys
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from pipelines.output.console import data_out, print_table
from pipelines.output.formatting import instant, number, with_fix
from schemas import ConfigError
from schemas.wording import count

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula; the last four are its wide forms."""


def write_table(result: pa.Table) -> None:
    """Write ``result`` for eyes, with the number of rows below where a terminal is."""
    right = [f.name for f in result.schema if _is_number(f.type)]
    print_table(result.column_names, ([_text(v) for v in row] for row in _rows(result)), right)
    if sys.stdout.isatty():
        print(f"({count(result.num_rows, 'row')})")


def write_csv(result: pa.Table, *, safe: bool = False) -> None:
    """Write ``result`` as CSV: NULL is nothing at all, the empty text is ``""``.

    ``safe``: for spreadsheets, see :func:`no_formula`.
    """
    out = data_out()
    plain = no_formula if safe else str
    print(",".join(_quoted(plain(name)) for name in result.column_names), file=out)
    for row in _rows(result):
        texts = (plain(v) if isinstance(v, str) else _text(v, "T") for v in row)
        print(",".join("" if text is None else _quoted(text) for text in texts), file=out)


def no_formula(text: str) -> str:
    """``text`` as no spreadsheet takes it for a formula: with ``'`` before ``= + - @`` and tabs."""
    return f"'{text}" if text.startswith(FORMULA) else text


def write_json(result: pa.Table) -> None:
    """Write ``result`` as one JSON array with an object a row."""
    names = result.column_names
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ConfigError(
            with_fix(
                f"JSON cannot hold two columns of one name: {', '.join(twice)}",
                "give one of them another name in the query (… AS name)",
            )
        )
    out = data_out()
    print("[", end="", file=out)
    for index, row in enumerate(_rows(result)):
        item = {name: _plain(value) for name, value in zip(names, row, strict=True)}
        text = json.dumps(item, ensure_ascii=False)
        print(",\n " if index else "", text, sep="", end="", file=out)
    print("]", file=out)


def _is_number(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
    )


def _rows(result: pa.Table) -> Iterator[tuple[Any, ...]]:
    """The rows as Python values, batch by batch, so that a long result needs little memory."""
    for batch in result.to_batches(max_chunksize=10_000):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _quoted(text: str) -> str:
    if text == "" or any(c in text for c in ',"\r\n') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


def _text(value: Any, separator: str = " ") -> str | None:
    """One value as text: what a table and a CSV file show."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return instant(value, separator)
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """One value as JSON can hold it without loss."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime):
        return instant(value, "T")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value)
