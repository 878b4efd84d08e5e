"""``tidemark sql``: query the warehouse, and write the result for people or programs."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.output.formatting import with_fix
from schemas import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa


class Format(StrEnum):
    """How a result is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def sql(
    query: Annotated[str, typer.Argument(help="SQL of DuckDB; - reads it from standard input.")],
    format: Annotated[Format, typer.Option(help="How to write the result.")] = Format.TABLE,
) -> None:
    """Query the DuckDB warehouse. It is opened read-only, also while a pull runs.

    Decimals are exact, times are UTC, NULL is shown. In JSON decimals are strings, because most
    readers of JSON would round them.

    \b
    Examples:
      tidemark sql "SELECT symbol, count(*) FROM trades GROUP BY symbol"
      tidemark sql "FROM candles WHERE timeframe = '1d' ORDER BY timestamp" --format csv
      tidemark sql "SHOW TABLES"
      tidemark sql - --format json < query.sql
    """
    from pipelines.output import results
    from pipelines.settings import load_settings

    text = sys.stdin.read() if query == "-" else query
    if not text.strip():
        raise ConfigError(with_fix("the query is empty", 'tidemark sql "SHOW TABLES"'))
    write = {
        Format.TABLE: results.write_table,
        Format.CSV: results.write_csv,
        Format.JSON: results.write_json,
    }
    write[format](run(load_settings().home, text))


def run(home: Path, query: str) -> "pa.Table":
    """The result of ``query``. ``ConfigError`` for a mistake in ``query`` itself."""
    import duckdb

    import warehouse

    try:
        return warehouse.sql(query, home=home)
    except warehouse.StorageError as error:
        if isinstance(error.__cause__, duckdb.ProgrammingError):
            fix = 'tidemark sql "SHOW TABLES" lists the tables'
            raise ConfigError(with_fix(str(error), fix)) from error
        raise
