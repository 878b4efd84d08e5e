"""Rows of one table or view of the warehouse, with filters, as CSV or as one Parquet file.

CSV is written as ``tidemark sql --format csv`` writes it, but of any length: DuckDB makes the text
of each line (``queries/csv.sql``), so that no value passes through a float and Python handles one
string a row. Parquet has the contracted types of a table; of a view, those of its header.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import IO, Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.export import sql
from pipelines.output.formatting import with_fix
from schemas import DATASETS, TABLES, ConfigError
from warehouse.views import views

Columns = dict[str, str]
"""Column names and their DuckDB types, in order."""

_TIMES: Final = ("timestamp", "observed_at", "valid_from", "day", "month")
"""What the time of a view's row is called."""
_PLAIN: Final = frozenset({"BOOLEAN", "DATE", "INTEGER", "BIGINT", "HUGEINT"})
"""Types whose text needs no quotes."""
_BATCH: Final = 20_000
"""Rows at a time."""
_MEMORY: Final = "500MB"
"""What sorting a table may take; beyond it DuckDB sorts on disk, beside its file."""


@dataclass(frozen=True)
class Selection:
    """Which rows; ``start`` inclusive, ``end`` exclusive, by the time of the table's rows."""

    table: str
    exchange: str | None = None
    symbol: str | None = None
    account: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    @property
    def values(self) -> dict[str, str]:
        """The filters by value that are given."""
        named = {"exchange": self.exchange, "symbol": self.symbol, "account": self.account}
        return {name: value for name, value in named.items() if value is not None}


class Rows:
    """The rows of a selection, in the order of their keys and times.

    Raises ``ConfigError`` for a table, column or value that there is not.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection, wanted: Selection) -> None:
        self._db = db
        self._wanted = wanted
        self.name, self.columns = _find(db, wanted.table)
        self._declared = DATASETS.get(self.name)
        self._where, self._given = self._conditions()
        if self._declared is not None:
            db.execute(f"SET memory_limit = '{_MEMORY}'")

    @property
    def contract(self) -> pa.Schema | None:
        """The contracted columns and types; ``None`` for a view, whose types are DuckDB's."""
        return self._declared.schema if self._declared else None

    def batches(self, shown: str = "*") -> pa.RecordBatchReader:
        """What ``shown`` (SQL) makes of each row, a batch at a time."""
        query = f"SELECT {shown} FROM {self.name}{self._where} ORDER BY {self._order()}"
        reader = self._db.sql(query, params=self._given).to_arrow_reader(_BATCH)
        first = next(reader, None)
        if first is None:
            self._explain_none()
            return reader
        return pa.RecordBatchReader.from_batches(reader.schema, chain([first], reader))

    def _explain_none(self) -> None:
        """A value that the whole table lacks is a mistake; a time without rows is not."""
        for column, value in self._wanted.values.items():
            held = f"SELECT DISTINCT {column} FROM {self.name} ORDER BY ALL"
            known = [str(row[0]) for row in self._db.execute(held).fetchall()]
            if known and value not in known:
                raise ConfigError(
                    with_fix(
                        f"{self.name} has no rows of {column} {value!r}",
                        f"choose another --{column}; it has: {', '.join(known)}",
                    )
                )

    def _conditions(self) -> tuple[str, dict[str, Any]]:
        given: dict[str, Any] = dict(self._wanted.values)
        for column in given:
            if column not in self.columns:
                raise ConfigError(
                    with_fix(
                        f"{self.name} has no column {column!r}",
                        f"leave out --{column}; it has: {', '.join(self.columns)}",
                    )
                )
        terms = [f'"{column}" = ${column}' for column in given]
        bounds = (("start", ">=", self._wanted.start), ("end", "<", self._wanted.end))
        for option, sign, bound in bounds:
            if bound is not None:
                terms.append(f'"{self._time(option)}" {sign} ${option}')
                given[option] = bound
        return (f" WHERE {' AND '.join(terms)}" if terms else ""), given

    def _time(self, option: str) -> str:
        for column in (self._declared.time_column,) if self._declared else _TIMES:
            if column in self.columns:
                return column
        raise ConfigError(
            with_fix(f"{self.name} has no time to choose by", f"leave out --{option}")
        )

    def _order(self) -> str:
        names, number = list(self.columns), None
        if self._declared is not None:
            declared = self._declared
            names = list(dict.fromkeys((*declared.partition, *declared.order, *declared.key)))
            number = declared.id_column  # integers are written as text
        return ", ".join(
            f'TRY_CAST("{name}" AS HUGEINT), "{name}"' if name == number else f'"{name}"'
            for name in names
        )


def write_csv(
    db: duckdb.DuckDBPyConnection, wanted: Selection, out: IO[str], *, safe: bool = False
) -> int:
    """Write header and rows as CSV; returns how many rows.

    ``safe``: for spreadsheets, see :func:`pipelines.output.results.no_formula`.
    """
    rows = Rows(db, wanted)
    db.execute(sql.text("csv"))
    return write_lines(rows.columns, rows.batches(line(rows.columns, safe=safe)), out)


def line(columns: Columns, *, safe: bool = False) -> str:
    """The SQL of a row's line; needs the macros of ``csv.sql``."""
    texts = (_text(name, type_, safe=safe) for name, type_ in columns.items())
    return " || ',' || ".join(f"coalesce({text}, '')" for text in texts)


def write_lines(columns: Columns, lines: pa.RecordBatchReader, out: IO[str]) -> int:
    """Write the header, then batches of one column of lines; returns how many lines."""
    out.write(",".join(columns) + "\n")
    count = 0
    for batch in lines:
        out.write("\n".join([*batch.column(0).to_pylist(), ""]))
        count += batch.num_rows
    return count


def write_parquet(db: duckdb.DuckDBPyConnection, wanted: Selection, out: IO[bytes]) -> int:
    """Write the rows as one Parquet file; returns how many."""
    rows = Rows(db, wanted)
    batches = rows.batches()
    schema = rows.contract or batches.schema
    count = 0
    with pq.ParquetWriter(out, schema, compression="zstd") as file:
        for batch in batches:
            # the cast also checks that required columns hold no null
            file.write_table(pa.Table.from_batches([batch]).cast(schema))
            count += batch.num_rows
    return count


def _text(name: str, type_: str, *, safe: bool) -> str:
    """The SQL of a value's text; null where the value is."""
    if type_.startswith("DECIMAL"):
        return f'csv_decimal("{name}")'
    if type_ == "TIMESTAMP WITH TIME ZONE":
        return f'csv_time("{name}")'
    text = f'"{name}"::VARCHAR'
    if safe and type_ == "VARCHAR":
        text = f"csv_no_formula({text})"
    return text if type_ in _PLAIN else f"csv_text({text})"


def _find(db: duckdb.DuckDBPyConnection, asked: str) -> tuple[str, Columns]:
    """The table's full name and columns; ``fills`` is enough for ``marts.fills``."""
    found: dict[str, Columns] = {}
    for name, column, type_ in db.execute(sql.text("columns")).fetchall():
        found.setdefault(name, {})[column] = type_
    name = asked.removeprefix("main.")
    for candidate in (name, f"marts.{name}"):
        if candidate in found:
            return candidate, found[candidate]
        if candidate in TABLES or candidate in views():
            raise sql.other_version(f"there is no {candidate}")
    raise ConfigError(
        with_fix(
            f"there is no table or view {asked!r}; there are: {', '.join(found)}",
            "choose one of them, or write any query: tidemark sql QUERY --format csv",
        )
    )
