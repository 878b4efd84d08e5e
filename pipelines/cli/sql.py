"""``tidemark sql``: ask the warehouse, and write the answer for eyes or for programs."""

import json
import math
import sys
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer

from pipelines.cli.output import count, instant, number, print_table
from schemas import ConfigError


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def sql(
    query: Annotated[str, typer.Argument(help="SQL of DuckDB; - reads it from standard input.")],
    format: Annotated[Format, typer.Option(help="How to write the answer.")] = Format.TABLE,
) -> None:
    """Ask the DuckDB warehouse. It is opened read-only, also while a pull runs.

    Decimals are exact, times are UTC, NULL is shown. In JSON decimals are strings, because most
    readers of JSON would round them.

    \b
    Examples:
      tidemark sql "SELECT symbol, count(*) FROM trades GROUP BY symbol"
      tidemark sql "FROM candles WHERE timeframe = '1d' ORDER BY timestamp" --format csv
      tidemark sql "SHOW TABLES"
      tidemark sql - --format json < query.sql
    """
    from pipelines.settings import load_settings

    text = sys.stdin.read() if query == "-" else query
    if not text.strip():
        raise ConfigError('the query is empty\nMend: tidemark sql "SHOW TABLES"')
    answer = ask(load_settings().home, text)
    if format is Format.TABLE:
        write_table(answer)
    elif format is Format.CSV:
        write_csv(answer)
    else:
        write_json(answer)


def ask(home: Path, query: str) -> pa.Table:
    """The answer of the warehouse. ``ConfigError`` for a mistake in ``query`` itself."""
    import duckdb

    import warehouse

    try:
        return warehouse.sql(query, home)
    except warehouse.StorageError as error:
        if isinstance(error.__cause__, duckdb.ProgrammingError):
            raise ConfigError(
                f'{error}\nMend: tidemark sql "SHOW TABLES" lists what there is'
            ) from error
        raise


def write_table(answer: pa.Table) -> None:
    """Write ``answer`` for eyes, with the number of rows below where a terminal is."""
    right = [f.name for f in answer.schema if _is_number(f.type)]
    print_table(answer.column_names, ([_text(v) for v in row] for row in _rows(answer)), right)
    if sys.stdout.isatty():
        print(f"({count(answer.num_rows, 'row')})")


def write_csv(answer: pa.Table) -> None:
    """Write ``answer`` as CSV: NULL is nothing at all, the empty text is ``""``."""
    print(",".join(_quoted(name) for name in answer.column_names))
    for row in _rows(answer):
        print(",".join("" if v is None else _quoted(_text(v, "T") or "") for v in row))


def write_json(answer: pa.Table) -> None:
    """Write ``answer`` as one JSON array with an object a row."""
    names = answer.column_names
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ConfigError(
            f"JSON cannot hold two columns of one name: {', '.join(twice)}\n"
            "Mend: give one of them another name in the query (… AS name)"
        )
    print("[", end="")
    for index, row in enumerate(_rows(answer)):
        item = {name: _plain(value) for name, value in zip(names, row, strict=True)}
        print(",\n " if index else "", json.dumps(item, ensure_ascii=False), sep="", end="")
    print("]")


def _is_number(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
    )


def _rows(answer: pa.Table) -> Iterator[tuple[Any, ...]]:
    """The rows as Python values, batch by batch, so that a long answer needs little memory."""
    for batch in answer.to_batches(max_chunksize=10_000):
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
