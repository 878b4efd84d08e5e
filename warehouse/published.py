"""What the live version of the DuckDB file holds, as the metastore recorded it.

Opening a file to find nothing new in it costs more than all else that an idle pull does. So each
publish records what it put into which file. A file that is another now (restored, damaged, gone) is
opened and looked into.
"""

import zlib
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas import TABLES
from warehouse import catalog
from warehouse.metastore import Metastore

_PREFIX: Final = "published "
_ROWS: Final = "rows of "


@dataclass(frozen=True)
class Published:
    """What a publish did: ``changed`` is false when there was nothing to load."""

    path: Path
    changed: bool
    rows_before: dict[str, int]
    rows: dict[str, int]


def rows_if_current(
    metastore: Metastore, live: Path | None, large: Set[str] = frozenset()
) -> dict[str, int] | None:
    """The rows of each table, where the file ``live`` has all that lake and program now have.

    ``large``: the datasets that are to be views on lake files.

    ``None``: it lacks something, or that is not known.
    """
    if live is None:
        return None
    found = metastore.counters(_PREFIX)
    now = _marks(metastore, live, large, metastore.newest_change(), metastore.state_mark())
    if any(found.get(name) != value for name, value in now.items()):
        return None
    rows = {name: found[_ROWS + name] for name in TABLES if _ROWS + name in found}
    return rows if len(rows) == len(TABLES) else None


def record(
    metastore: Metastore,
    live: Path,
    large: Set[str],
    change: int,
    state: int,
    rows: Mapping[str, int],
) -> None:
    """Record that ``live`` holds all up to these marks, and how many rows each table has."""
    known = {
        **_marks(metastore, live, large, change, state),
        **{_ROWS + name: n for name, n in rows.items()},
    }
    metastore.record_counters({_PREFIX + name: value for name, value in known.items()})


def _marks(
    metastore: Metastore, live: Path, large: Set[str], change: int, state: int
) -> dict[str, int]:
    stat = live.stat()
    # a view names files by their whole path
    views = "\0".join([*sorted(large), str(metastore.home.absolute())] if large else ())
    return {
        "change": change,
        "state": state,
        "catalog": int(catalog.digest()[:15], 16),
        "views": zlib.crc32(views.encode()),
        "name": zlib.crc32(live.name.encode()),
        "bytes": stat.st_size,
        "mtime": stat.st_mtime_ns,
    }
