"""Read the warehouse: SQL over the published DuckDB file, and what the ledger knows."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import duckdb
import pyarrow as pa

from warehouse.coverage_table import coverage_rows, spans
from warehouse.errors import StorageError
from warehouse.frames import As, check, hand_over
from warehouse.home import home_of
from warehouse.ledger import Ledger, StreamId, StreamState
from warehouse.ledger_file import FILE_NAME
from warehouse.publish import LINK

if TYPE_CHECKING:
    from warehouse.frames import PandasFrame, PolarsFrame


@dataclass(frozen=True)
class StreamStatus:
    """One stream as ``tidemark status`` shows it. Times in microseconds since 1970."""

    stream: StreamId
    state: StreamState
    rows: int
    files: int
    oldest_at: int | None
    newest_at: int | None
    gaps: int
    lost: int


def connect(home: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the newest published version, with times in UTC."""
    path = home / LINK
    if not path.exists():
        raise StorageError(
            f"{path} does not exist yet: run `tidemark pull` (or `tidemark rebuild` if there is a "
            "lake), or point TIDEMARK_HOME at the folder that holds the data"
        )
    try:
        db = duckdb.connect(str(path.resolve()), read_only=True)
        db.execute("SET TimeZone = 'UTC'")
    except duckdb.Error as error:
        raise StorageError(
            f"cannot open {path}: {error}. The lake is whole: run `tidemark rebuild`"
        ) from error
    return db


if TYPE_CHECKING:  # at run time typing would keep them, and with them DuckDB, past the end

    @overload
    def sql(
        query: str, home: Path | str | None = None, *, as_: Literal["arrow"] = "arrow"
    ) -> pa.Table: ...
    @overload
    def sql(
        query: str, home: Path | str | None = None, *, as_: Literal["pandas"]
    ) -> "PandasFrame": ...
    @overload
    def sql(
        query: str, home: Path | str | None = None, *, as_: Literal["polars"]
    ) -> "PolarsFrame": ...


def sql(
    query: str, home: Path | str | None = None, *, as_: As = "arrow"
) -> "pa.Table | PandasFrame | PolarsFrame":
    """The result of ``query``, exact: decimals stay decimals, times are UTC.

    ``home``: else ``TIDEMARK_HOME``, else ``./data``. Raises ``StorageError``.
    """
    check(as_)
    with connect(home_of(home)) as db:
        try:
            answer = db.sql(query).to_arrow_table() if query.strip() else pa.table({})
            return hand_over(answer, as_)
        except duckdb.Error as error:
            raise StorageError(str(error)) from error
        except AttributeError as error:  # a statement without a result
            raise StorageError("this statement returns no rows; ask with SELECT") from error


def has_data(home: Path) -> bool:
    """Whether anything was ever collected in this home."""
    return (home / FILE_NAME).exists()


def coverage(home: Path) -> pa.Table:
    """The ``coverage`` table as the ledger has it now (published or not)."""
    return coverage_rows(Ledger(home))


def status(home: Path, ledger: Ledger | None = None) -> list[StreamStatus]:
    """Every stream (quarantine streams too) with rows, files, span and holes."""
    ledger = ledger or Ledger(home)
    with ledger.reading() as db:
        rows = db.execute(
            "SELECT s.exchange, s.dataset, s.stream, coalesce(sum(f.rows), 0), count(f.path),"
            " min(f.min_time), max(f.max_time)"
            " FROM streams s LEFT JOIN files f USING (exchange, dataset, stream)"
            " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        ).fetchall()
    result = []
    for exchange, dataset, stream, count, files, oldest, newest in rows:
        stream_id = StreamId(exchange, dataset, stream)
        state = ledger.state(stream_id)
        states = [name for name, _ in spans(state)]
        result.append(
            StreamStatus(
                stream_id,
                state,
                count,
                files,
                oldest,
                newest,
                states.count("gap"),
                states.count("lost"),
            )
        )
    return result
