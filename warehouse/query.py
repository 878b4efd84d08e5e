"""Read the warehouse: SQL over the published DuckDB file."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, overload

import duckdb
import pyarrow as pa

from warehouse.catalog import views_held
from warehouse.duckdb_files import Config, open_read_only
from warehouse.errors import StorageError
from warehouse.frames import As, check, hand_over
from warehouse.home import home_of
from warehouse.paths import LINK, LINKS

if TYPE_CHECKING:
    from warehouse.frames import PandasFrame, PolarsFrame

Params = Sequence[object] | Mapping[str, object] | None
"""Values that a query names: for each ``?``, or by ``$name``."""


_TRIES: Final = 3
_CLOSED: Final[Config] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def connect(home: Path | str | None = None, *, external: bool = True) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the newest published version, with times in UTC.

    ``external=False``: it reads and writes nothing else, neither files nor addresses, and loads no
    extension; no statement can change that. Tables that are views on lake files cannot be read then
    (:func:`sql` reads them).
    """
    return _connect(home, external=external, links=False)


def _connect(home: Path | str | None, *, external: bool, links: bool) -> duckdb.DuckDBPyConnection:
    """``links``: without external access, the links to lake files can be read all the same."""
    path = home_of(home) / LINK
    if not path.exists():
        raise StorageError(
            f"{path} does not exist yet. Fix: run `tidemark pull` (or `tidemark rebuild` if there "
            "is a lake), or point TIDEMARK_HOME at the folder that holds the data"
        )
    for left in reversed(range(_TRIES)):
        try:
            db = open_read_only(path, None if external else _CLOSED)
            _check_place(db, path.parent)
            if not external:
                if links:
                    folder = str((path.parent / LINKS).absolute())
                    db.execute("SET allowed_directories = [?]", [folder])
                db.execute("SET enable_external_access = false")
                db.execute("SET lock_configuration = true")
            return db
        except duckdb.Error as error:
            if not left:  # else: a version that became old since the link was read is in use
                raise StorageError(
                    f"cannot open {path}: {error}. The lake is whole. Fix: run `tidemark rebuild`"
                ) from error
    raise AssertionError("unreachable")


def _check_place(db: duckdb.DuckDBPyConnection, home: Path) -> None:
    """Raise ``StorageError`` where views name the files of another place than ``home``.

    Those of a home that was moved are gone. Where it was copied they are the other home's, which
    removes them when it likes.
    """
    if not (home / LINKS).is_dir():
        return
    for name, (_, place) in views_held(db).items():
        if not (Path(place) / LINKS).is_dir() or not os.path.samefile(place, home):
            raise StorageError(
                f"the table {name} is a view on files below {place}, and this home lies at "
                f"{home.absolute()}. Fix: after a home was moved or copied: `tidemark verify`"
            )


_WRITING: Final = frozenset({"COPY", "EXPORT", "IMPORT", "ATTACH", "INSTALL", "LOAD"})


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
    links = not external and (home_of(home) / LINKS).is_dir()
    if links:
        _check_writes_nothing(query)
    with _connect(home, external=external, links=links) as db:
        try:
            result = (
                db.sql(query, params=params).to_arrow_table() if query.strip() else pa.table({})
            )
            return hand_over(result, as_)
        except duckdb.Error as error:
            raise StorageError(str(error)) from error
        except AttributeError as error:  # a statement without a result
            raise StorageError("this statement returns no rows. Fix: use SELECT") from error


def _check_writes_nothing(query: str) -> None:
    """Raise ``StorageError`` for a statement that writes files, also where reading is allowed."""
    text, tokens = query.encode(), duckdb.tokenize(query)
    for start, kind in tokens:
        word = re.match(rb"\w+", text[start:])
        if kind == duckdb.token_type.keyword and word and word[0].decode().upper() in _WRITING:
            raise StorageError(f"{word[0].decode()}: a query reads the warehouse alone")
