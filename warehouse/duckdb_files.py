"""Homes whose path DuckDB cannot take literally.

DuckDB reads a file name with ``*``, ``?`` or ``[`` as a pattern, which may match another home's
files as well, ``\\`` as a separator, also where the operating system does not, and puts the
``.wal`` of a database before a ``?``.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import duckdb

Config = dict[str, str | bool | int | float | list[str]]
_SEPARATORS: Final = frozenset("?\\") if os.sep == "/" else frozenset()
_PATTERN: Final = _SEPARATORS | set("*?[")


def literal(home: Path) -> Path:
    """``home`` under a name without patterns, for SQL that reads its lake files."""
    return _link(home.absolute()) if _PATTERN.intersection(str(home)) else home


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """The database ``path`` under a name that DuckDB opens; once open, it may go."""
    path = path.resolve()
    if is_plain(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="tidemark-") as folder:
        place = Path(folder) / path.name
        try:
            os.link(path, place)
        except OSError:  # on another file system
            shutil.copyfile(path, place)
        yield place


def open_read_only(path: Path, config: Config | None = None) -> duckdb.DuckDBPyConnection:
    """The database ``path``, which nobody writes any more, with times in UTC.

    Raises ``duckdb.Error`` for one that is damaged.
    """
    with readable(path) as place:
        db = duckdb.connect(str(place), read_only=True, config=config or {})
    db.execute("SET TimeZone = 'UTC'")
    db.execute("SET enable_progress_bar = false")  # it would be drawn where a run logs
    return db


@contextmanager
def writable(path: Path) -> Iterator[Path]:
    """A database that nobody else opens, under a name that DuckDB opens, for writing."""
    if is_plain(path.absolute()):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="tidemark-") as folder:
        place = Path(folder) / path.name
        if path.exists():
            shutil.copyfile(path, place)
        yield place
        shutil.copyfile(place, path)


def is_plain(path: Path) -> bool:
    """Whether DuckDB opens ``path`` under its own name."""
    return not _SEPARATORS.intersection(str(path))


@cache
def _link(home: Path) -> Path:
    """A link to ``home``; it lasts as long as this process."""
    link = Path(_links().name) / str(len(os.listdir(_links().name)))
    link.symlink_to(home, target_is_directory=True)
    return link


@cache
def _links() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="tidemark-")
