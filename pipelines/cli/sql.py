"""``tidemark sql``: query the warehouse, and write the result for people or programs."""

import sys
from collections.abc import Callable
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
    safe: Annotated[
        bool, typer.Option("--safe", help="CSV for spreadsheets: no text becomes a formula.")
    ] = False,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Let the query use files, addresses and extensions.")
    ] = False,
) -> None:
    """Query the DuckDB warehouse. It is opened read-only, also while a pull runs.

    A query reads the warehouse alone: with --unsafe it may also read and write other files, read
    addresses and load extensions of DuckDB, as far as this user may.

    Decimals are exact, times are UTC, NULL is shown. In JSON decimals are strings, because most
    readers of JSON would round them. CSV holds the exact text; with --safe a text that a
    spreadsheet would take for a formula (= + - @ at its beginning) gets a ' before it.

    \b
    Examples:
      tidemark sql "SELECT symbol, count(*) FROM trades GROUP BY symbol"
      tidemark sql "FROM candles WHERE timeframe = '1d' ORDER BY timestamp" --format csv
      tidemark sql "SHOW TABLES"
      tidemark sql - --format json < query.sql
      tidemark sql --unsafe "COPY trades TO 'trades.parquet'"
    """
    from functools import partial

    from pipelines.output import results
    from pipelines.settings import load_settings

    text = sys.stdin.read() if query == "-" else query
    if not text.strip():
        raise ConfigError(with_fix("the query is empty", 'tidemark sql "SHOW TABLES"'))
    if safe and format is not Format.CSV:
        raise ConfigError(with_fix("--safe is for CSV", "add --format csv, or leave out --safe"))
    write: dict[Format, Callable[[pa.Table], None]] = {
        Format.TABLE: results.write_table,
        Format.CSV: partial(results.write_csv, safe=safe),
        Format.JSON: results.write_json,
    }
    write[format](run(load_settings().home, text, unsafe=unsafe))


def run(home: Path, query: str, *, unsafe: bool = False) -> "pa.Table":
    """The result of ``query``. ``ConfigError`` for a mistake in ``query`` itself."""
    import warehouse

    try:
        return warehouse.sql(query, home=home, external=unsafe)
    except warehouse.StorageError as error:
        fix = _fix(error.__cause__)
        if fix is None:
            raise
        raise ConfigError(with_fix(str(error), fix)) from error


def _fix(cause: BaseException | None) -> str | None:
    """What to do about a mistake in a query; ``None`` where it is none."""
    import duckdb

    if isinstance(cause, duckdb.PermissionException):
        return "--unsafe lets the query use files, addresses and extensions"
    if isinstance(cause, duckdb.CatalogException | duckdb.BinderException):
        return 'tidemark sql "SHOW TABLES" lists the tables, "DESCRIBE trades" the columns of one'
    if isinstance(cause, duckdb.InvalidInputException) and "read-only" in str(cause):
        return (
            "only read: pulls write the warehouse. What you make belongs in a DuckDB file of yours"
        )
    if isinstance(cause, duckdb.InvalidInputException) and "locked" in str(cause):
        return "--unsafe lets the query change settings of DuckDB"
    if isinstance(cause, duckdb.ProgrammingError):
        return 'tidemark sql "FROM trades LIMIT 5" is one; https://duckdb.org/docs/sql/introduction'
    return None
