"""Copy a home to another folder while pulls run.

A copy taken in any order could name rows that it does not hold. Here the metastore is copied first,
as of one moment, then the lake, whose files only gain rows from one commit to the next, and the
copied metastore gets its name last. At every moment of a backup, also of one that broke off, the
copy is what a crash could have left in a home: rows without coverage, never coverage without rows.

The copy's metastore is an SQLite file, wherever the home has its own: the copy can be used as a
home as it is. DuckDB is not copied: it is built from the lake. Nothing that was copied is deleted.
A file that the home has given up (its rows moved) is moved to ``removed/`` of the copy. A file that
the home has lost (its metastore names it) stays where it is in the copy.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas import ConfigError
from warehouse.clock import stamp
from warehouse.errors import StorageError, from_os_error
from warehouse.files import sync_folder
from warehouse.heal import metastore_damage
from warehouse.home import home_of
from warehouse.locks import exclusive
from warehouse.metastore import Metastore
from warehouse.metastore_backend import is_postgres, read_marker
from warehouse.metastore_file import FILE_NAME, OLDER_NAME, UNUSABLE, as_storage_error, existing
from warehouse.paths import LAKE
from warehouse.raw import RAW, SUFFIX

REMOVED: Final = "removed"
_NEW: Final = f"{FILE_NAME}.new"
"""The metastore of a backup that has not ended."""
_TORN: Final = f"{FILE_NAME}.tmp"
"""The same while it is written."""
_PARTIAL: Final = ".partial"
_OF_A_HOME_IN_USE: Final = ("locks", "versions")

Progress = Callable[[int, int, str], None]
"""Called before each file: its number, how many there are, and its path below the home."""


@dataclass(frozen=True)
class Backup:
    """``files`` of the home, of which ``copied`` were new or changed (``bytes``).

    ``removed``: files that the home has given up, moved aside in the copy. ``lost``: files that the
    home should have and has not, by their path below it; ``kept``: those of them that the copy has.
    """

    files: int
    copied: int
    bytes: int
    removed: int
    lost: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def backup(
    home: Path | str | None, target: Path | str, on_progress: Progress | None = None
) -> Backup:
    """Copy lake, raw response archive and metastore of ``home`` to the folder ``target``.

    Files that ``target`` holds unchanged (size and time) are not copied again. Raises
    ``ConfigError`` where ``target`` is no folder for a backup of this home, ``StorageError`` where
    something cannot be read or written.
    """
    home = home_of(home).absolute()
    target = Path(target).expanduser().absolute()
    damage = metastore_damage(home)
    if damage == "missing":
        raise StorageError(
            f"nothing was copied: the metastore of {home} is missing. "
            "Fix: point TIDEMARK_HOME at a home with data; where it was lost, tidemark verify"
        )
    if damage is not None:
        raise StorageError(
            f"nothing was copied: the metastore of {home} cannot be used ({damage}). "
            "Fix: tidemark verify"
        )
    _check_place(home, target)
    try:
        with exclusive(home, "backup"):
            return _copy(home, target, on_progress)
    except UNUSABLE as error:
        raise as_storage_error(target / _NEW, error) from error
    except OSError as error:
        raise from_os_error(error, "cannot back up to", target) from error


def _check_place(home: Path, target: Path) -> None:
    one, other = home.resolve(), target.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise ConfigError(
            f"{target} and the home {home} lie within each other. "
            "Fix: choose a folder elsewhere, best on another disk"
        )
    if not target.exists():
        return
    if not target.is_dir():
        raise ConfigError(f"{target} is no folder. Fix: choose another")
    for name in _OF_A_HOME_IN_USE:
        if (target / name).exists():
            raise ConfigError(
                f"{target} was used as a home: it has a folder {name}. Fix: choose an empty folder"
            )


def _copy(home: Path, target: Path, on_progress: Progress | None) -> Backup:
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = None if is_postgres(home) else existing(home)
    name = FILE_NAME if source is None else source.name  # in PostgreSQL: the copy is a file
    for torn in target.glob(f"{_TORN}*"):
        torn.unlink()
    _check_identity(home, source, target)
    _snapshot(home, source, target)
    # the lake is listed after the metastore was copied: it holds all that the metastore names
    paths = [path.relative_to(home) for path in (*_files(home / LAKE), *_files(home / RAW))]
    now = _recorded(source) if source else _recorded_in_postgres(home)
    lost = (_recorded(target / _NEW) & now) - {p.as_posix() for p in paths}
    copied = size = 0
    for number, path in enumerate(paths):
        if on_progress is not None:
            on_progress(number, len(paths), path.as_posix())
        written = _copy_file(home, path, target / path)
        copied += written is not None
        size += written or 0
    removed = _move_aside(target, {*paths, *map(Path, lost)})
    os.replace(target / _NEW, target / name)
    if name == FILE_NAME:
        (target / OLDER_NAME).unlink(missing_ok=True)
    sync_folder(target)
    kept = (path for path in sorted(lost) if (target / path).exists())
    return Backup(len(paths), copied, size, removed, tuple(sorted(lost)), tuple(kept))


def _check_identity(home: Path, source: Path | None, target: Path) -> None:
    """Refuse a folder that holds anything but a backup of this very metastore's home."""
    held = [target / n for n in (FILE_NAME, OLDER_NAME, _NEW) if (target / n).exists()]
    if not held and any(target.iterdir()):
        raise ConfigError(f"{target} holds other files. Fix: choose an empty folder")
    if not held:
        return
    marker = read_marker(home)
    identity = _identity(source) if source else marker and marker.identity
    if _identity(held[0]) != identity:
        raise ConfigError(
            f"{target} is the backup of another home, or of a metastore that was lost since. "
            "Fix: keep it, and choose an empty folder"
        )


def _identity(path: Path) -> int | None:
    with closing(_opened(path)) as db:
        row = db.execute("SELECT value FROM counters WHERE name = 'identity'").fetchone()
    return row[0] if row else None


def _opened(path: Path) -> sqlite3.Connection:
    """An existing metastore: none is created where another process has just migrated it."""
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=60)


def _recorded(metastore: Path) -> set[str]:
    """The paths of the lake files that ``metastore`` names."""
    with closing(_opened(metastore)) as db:
        return {path for (path,) in db.execute("SELECT path FROM files")}


def _recorded_in_postgres(home: Path) -> set[str]:
    with closing(Metastore(home)) as metastore, metastore.reading() as db:
        return {path for (path,) in db.execute("SELECT path FROM files")}


def _snapshot(home: Path, source: Path | None, target: Path) -> None:
    """Put the metastore as of one moment into ``target``, in one file, whole."""
    torn = target / _TORN
    os.close(os.open(torn, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    if source is None:
        from warehouse.metastore_postgres import open_backend  # with it psycopg

        open_backend(home).copy_to(torn)
    else:
        with closing(_opened(source)) as old, closing(sqlite3.connect(torn)) as new:
            old.backup(new)
            new.execute("PRAGMA journal_mode = DELETE")
    os.replace(torn, target / _NEW)


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names))


def _copy_file(home: Path, path: Path, target: Path) -> int | None:
    """Copy a file that changed; its size, or ``None`` where it did not change (or is gone)."""
    # lake files are replaced whole, those of the archive are appended to under this lock
    stream = path.parent.parts[1:] if path.name.endswith(SUFFIX) else ()
    lock = exclusive(home, RAW, stream[0], ".".join(stream[1:])) if len(stream) == 3 else None
    with lock or nullcontext():
        try:
            source = (home / path).open("rb")
        except FileNotFoundError:
            return None
        with source:
            stat = os.fstat(source.fileno())
            if _is_same(target, stat):
                return None
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}{_PARTIAL}")
            with partial.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
                sink.flush()
                os.fsync(sink.fileno())
    os.utime(partial, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    partial.chmod(0o600)
    os.replace(partial, target)
    return stat.st_size


def _is_same(target: Path, stat: os.stat_result) -> bool:
    try:
        held = target.stat()
    except FileNotFoundError:
        return False
    return (held.st_size, held.st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)


def _move_aside(target: Path, kept: set[Path]) -> int:
    """Move files that the home has no longer out of the copied lake: readers would see them."""
    place = target / REMOVED / stamp()
    moved = 0
    for folder in (LAKE, RAW):
        for path in _files(target / folder):
            relative = path.relative_to(target)
            if relative in kept:
                continue
            if path.name.endswith(_PARTIAL):
                path.unlink()
                continue
            (place / relative).parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place / relative)
            moved += 1
    return moved
