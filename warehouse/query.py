"""Read the warehouse: SQL over the published DuckDB file, coverage and status of streams."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Literal, overload

import duckdb
import pyarrow as pa

from schemas import StreamId
from warehouse.coverage_table import coverage_rows, spans
from warehouse.duckdb_files import Config, open_read_only
from warehouse.errors import StorageError
from warehouse.frames import As, check, hand_over
from warehouse.home import home_of
from warehouse.metastore import Metastore
from warehouse.metastore_file import FILE_NAME, OLDER_NAME, existing
from warehouse.state import StreamState
from warehouse.versions import LINK

if TYPE_CHECKING:
    from warehouse.frames import PandasFrame, PolarsFrame

Params = Sequence[object] | Mapping[str, object] | None
"""Values that a query names: for each ``?``, or by ``$name``."""


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


_TRIES: Final = 3
_CLOSED: Final[Config] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def connect(home: Path | str | None = None, *, external: bool = True) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the newest published version, with times in UTC.

    ``external=False``: it reads and writes nothing else, neither files nor addresses, and loads no
    extension; no statement can change that.
    """
    path = home_of(home) / LINK
    if not path.exists():
        raise StorageError(
            f"{path} does not exist yet. Fix: run `tidemark pull` (or `tidemark rebuild` if there "
            "is a lake), or point TIDEMARK_HOME at the folder that holds the data"
        )
    for left in reversed(range(_TRIES)):
        try:
            db = open_read_only(path, None if external else _CLOSED)
            if not external:
                db.execute("SET lock_configuration = true")
            return db
        except duckdb.Error as error:
            if not left:  # else: a version that became old since the link was read is in use
                raise StorageError(
                    f"cannot open {path}: {error}. The lake is whole. Fix: run `tidemark rebuild`"
                ) from error
    raise AssertionError("unreachable")


if TYPE_CHECKING:  # at run time typing would keep them, and with them DuckDB, past the end

    @overload
    def sql(
        query: str,
        params: Params = None,
        home: Path | str | None = None,
        *,
        as_: Literal["arrow"] = "arrow",
        external: bool = True,
    ) -> pa.Table: ...
    @overload
    def sql(
        query: str,
        params: Params = None,
        home: Path | str | None = None,
        *,
        as_: Literal["pandas"],
        external: bool = True,
    ) -> "PandasFrame": ...
    @overload
    def sql(
        query: str,
        params: Params = None,
        home: Path | str | None = None,
        *,
        as_: Literal["polars"],
        external: bool = True,
    ) -> "PolarsFrame": ...


def sql(
    query: str,
    params: Params = None,
    home: Path | str | None = None,
    *,
    as_: As = "arrow",
    external: bool = True,
) -> "pa.Table | PandasFrame | PolarsFrame":
    """The result of ``query``, exact: decimals stay decimals, times are UTC.

    ``params``: values for ``?`` (a sequence) or ``$name`` (a mapping) in the query. ``home``: else
    ``TIDEMARK_HOME``, else ``./data``. ``external=False``: of the warehouse alone, see
    :func:`connect`. Raises ``StorageError``.
    """
    check(as_)
    with connect(home, external=external) as db:
        try:
            result = (
                db.sql(query, params=params).to_arrow_table() if query.strip() else pa.table({})
            )
            return hand_over(result, as_)
        except duckdb.Error as error:
            raise StorageError(str(error)) from error
        except AttributeError as error:  # a statement without a result
            raise StorageError("this statement returns no rows. Fix: use SELECT") from error


def has_data(home: Path | str | None = None) -> bool:
    """Whether anything was ever collected in this home."""
    return existing(home_of(home)) is not None


def coverage(home: Path | str | None = None) -> pa.Table:
    """The ``coverage`` table as the metastore has it now (published or not)."""
    with _metastore(home_of(home)) as metastore:
        return coverage_rows(metastore)


def status(home: Path | str | None = None) -> list[StreamStatus]:
    """Every stream (quarantine streams too) with rows, files, span and holes."""
    result = []
    with _metastore(home_of(home)) as metastore:
        for stream, rows, files, oldest, newest in metastore.totals():
            state = metastore.state(stream)
            states = [name for name, _ in spans(state)]
            gaps, lost = states.count("gap"), states.count("lost")
            result.append(StreamStatus(stream, state, rows, files, oldest, newest, gaps, lost))
    return result


@contextmanager
def _metastore(home: Path) -> Iterator[Metastore]:
    """The metastore for reading; of a home that cannot be written, a copy: SQLite needs to lock."""
    with ExitStack() as stack:
        if not os.access(home, os.W_OK):
            copied = Path(stack.enter_context(TemporaryDirectory(prefix="tidemark-")))
            for name in (FILE_NAME, f"{FILE_NAME}-wal", OLDER_NAME, f"{OLDER_NAME}-wal"):
                with suppress(FileNotFoundError):
                    shutil.copyfile(home / name, copied / name)
            home = copied
        yield stack.enter_context(closing(Metastore(home)))
