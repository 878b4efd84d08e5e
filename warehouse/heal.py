"""Repair a home: a lost or damaged metastore, and leftovers of interrupted writes.

The coverage in a lost metastore cannot be derived from rows. The files of the lake are registered,
nothing is recorded as complete, and the next pulls prove it again. Of a damaged one, every row that
has its checksum is kept.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from warehouse.clock import stamp
from warehouse.errors import from_os_error
from warehouse.locks import exclusive
from warehouse.metastore import Metastore
from warehouse.metastore_backend import backend_of, has_metastore
from warehouse.metastore_file import UNUSABLE, existing, readable_rows, version_of
from warehouse.metastore_tables import VERSION, sound_rows
from warehouse.versions import Versions


def metastore_damage(home: Path) -> str | None:
    """Why the metastore cannot be used: ``missing``, or SQLite's message; ``None`` if it can.

    Raises ``StorageError`` where that cannot be found out, or is not for a program to repair.
    """
    return backend_of(home).damage() if has_metastore(home) else "missing"


def salvage(home: Path, damaged: Path) -> int:
    """Copy what is whole in a ``damaged`` metastore into the new one; how many rows that were."""
    try:
        with closing(sqlite3.connect(damaged, timeout=60)) as db:
            if version_of(db) not in (4, VERSION):
                return 0  # of a version without checksums: nothing proves a row
            rows = sound_rows(readable_rows(db))
    except UNUSABLE:
        return 0
    with closing(Metastore(home)) as metastore:
        metastore.replace_rows(rows)
    return sum(map(len, rows.values()))


def set_aside(home: Path) -> Path | None:
    """Move a metastore that cannot be used out of the way; where to, if there was one."""
    with exclusive(home, "metastore"):
        if metastore_damage(home) is None:  # another process was first
            return None
        path = existing(home)
        if path is None:
            return None
        moved = path.with_name(f"{path.name}.damaged-{stamp()}")
        # the log first: without its metastore it must never be read again
        for suffix in ("-wal", "-shm", ""):
            source = path.with_name(f"{path.name}{suffix}")
            if source.exists():
                try:
                    source.rename(moved.with_name(f"{moved.name}{suffix}"))
                except OSError as error:
                    raise from_os_error(error, "cannot move", source) from error
        return moved


def clean_up(home: Path) -> list[str]:
    """Remove leftovers of interrupted publishes; returns their names."""
    with exclusive(home, "publish"):
        try:
            found = Versions(home).remove_leftovers()
        except OSError as error:
            raise from_os_error(error, "cannot remove what is left in", home) from error
    return [p.relative_to(home).as_posix() for p in found]
