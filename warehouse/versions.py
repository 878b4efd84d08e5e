"""The published versions of the DuckDB file: the live one behind a link, and those before it.

A version is never written while it is live. What is published next is made of the oldest version
before it, brought up to date in place: a load then writes what changed, not the whole file. A
version that a session still has open is left alone; where no other is free, the live one is
copied, where there is none, an empty database is the start.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from warehouse import files
from warehouse.locks import guarded
from warehouse.paths import LINK, LINKS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VERSIONS: Final = "versions"
_KEEP: Final = 3
_NAMED: Final = ".files"
"""The end of the name of the file beside a version that lists the links to lake files it names."""
_OPEN_FILES: Final = Path("/dev/fd")
_COPY: Final = "import shutil, sys; shutil.copyfile(*sys.argv[1:])"


class Start(Enum):
    """What the next version is made of."""

    OLDER = auto()
    """A version before the live one."""
    COPY = auto()
    """A copy of the live one."""
    NOTHING = auto()
    """No rows at all."""


class Versions:
    """The versions of one home. All that writes is to be called under the lock ``publish``."""

    def __init__(self, home: Path) -> None:
        self.link = home / LINK
        self._folder = home / VERSIONS

    def live(self) -> Path | None:
        """The newest version; ``None`` before the first."""
        return self.link.resolve() if self.link.exists() else None

    def all(self) -> list[Path]:
        """Every version, oldest first."""
        return sorted(self._folder.glob("warehouse-*.duckdb"))

    def starts(self) -> list[Start]:
        """What the next version can be made of, the cheapest first."""
        if self.live() is None:
            return [Start.NOTHING]
        return [*([Start.OLDER] if self._spare() else []), Start.COPY, Start.NOTHING]

    def _spare(self) -> list[Path]:
        """The versions that may be written. Not the last one: a session may be opening it now."""
        return self.superseded()[:-1]

    def superseded(self) -> list[Path]:
        """Those before the live one, oldest first."""
        live = self.live()
        return [path for path in self.all() if path != live]

    @contextmanager
    def building(self, start: Start) -> Iterator["tuple[DuckDBPyConnection, Path] | None"]:
        """The next version, open for writing, and its file; ``None``: all older ones are in use.

        It is closed when the block ends, and stays a leftover unless it is published.
        """
        import duckdb  # where all is published, nobody needs it

        from warehouse.duckdb_files import writable
        from warehouse.template import LOADING, template_database

        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._next().with_suffix(f".{token_hex(4)}.building")
        if start is Start.OLDER:
            db = self._reopened(path)
            if db is None:
                yield None
                return
            with db:
                yield db, path
            return
        if start is Start.NOTHING:
            path.write_bytes(template_database(self._folder))
        else:
            _copy(self.link.resolve(), path)
        with writable(path) as place, duckdb.connect(str(place), config=LOADING) as db:
            yield db, path

    def _reopened(self, path: Path) -> "DuckDBPyConnection | None":
        """The oldest version that nobody has open, under the name ``path``, for writing.

        A session of another process holds DuckDB's lock on the file; one of this process is seen
        by its open file. The file is renamed first, so that no session begins meanwhile.
        """
        import duckdb

        from warehouse.duckdb_files import is_plain
        from warehouse.template import LOADING

        for older in self._spare():
            if not is_plain(path.absolute()):
                return None
            with guarded(self.link.parent, "publish"):
                os.rename(older, path)
            if not _is_open_here(path):
                with suppress(duckdb.Error):
                    return duckdb.connect(str(path), config=LOADING)
            os.rename(path, older)
        return None

    def publish(self, building: Path, links: Sequence[str] = ()) -> Path:
        """Make ``building`` the live version, whole on disk, and remove those that are too old.

        Returns its file. ``links``: to lake files, which its views name. A version with links stays
        as long as a session has it open, and with it the links.
        """
        with building.open("rb+") as handle:
            os.fsync(handle.fileno())
        target = self._folder / f"{building.name.partition('.')[0]}.duckdb"
        with guarded(self.link.parent, "publish"):
            if links:
                files.put(target.with_suffix(_NAMED), "\n".join(links).encode())
            os.replace(building, target)
            self._point(target)
        for old in self.superseded()[: 1 - _KEEP]:
            if not (old.with_suffix(_NAMED).exists() and _is_in_use(old)):
                with suppress(OSError):
                    old.unlink()
        self._remove_links()
        return target

    def _remove_links(self) -> None:
        """Remove the links to lake files that no version names any more."""
        home = self.link.parent
        if not (home / LINKS).is_dir():
            return
        from warehouse.linked import remove_unused  # most homes have none

        used: list[str] = []
        for named in self._folder.glob(f"warehouse-*{_NAMED}"):
            if named.with_suffix(".duckdb").exists():
                used += named.read_text(encoding="utf-8").split("\n")
            else:
                named.unlink()
        remove_unused(home, used)

    def remove_leftovers(self) -> list[Path]:
        """Remove versions that were begun and not published, and links; what there was."""
        found = [
            *self._folder.glob("*.building*"),
            *self.link.parent.glob(f".{LINK}.*.tmp"),
        ]
        for leftover in found:  # a version, its log, its folder of spilled data
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
        return found

    def _next(self) -> Path:
        number = 1 + max((int(p.stem.split("-")[-1]) for p in self.all()), default=0)
        return self._folder / f"warehouse-{number:08d}.duckdb"

    def _point(self, target: Path) -> None:
        """Move the link in one step; relative, so that the whole home can be moved."""
        temporary = self.link.with_name(f".{LINK}.{os.getpid()}.tmp")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target.relative_to(self.link.parent))
        os.replace(temporary, self.link)
        files.sync_folder(target.parent)
        files.sync_folder(self.link.parent)


def _is_open_here(path: Path) -> bool:
    """Whether this process has the file open; taken to be so where the system does not tell."""
    status = path.stat()
    try:
        names = os.listdir(_OPEN_FILES)
    except OSError:
        return True
    for name in names:
        with suppress(OSError, ValueError):
            if os.path.samestat(os.fstat(int(name)), status):
                return True
    return False


def _is_in_use(path: Path) -> bool:
    """Whether a session has a version open: DuckDB holds a lock of the system on its file."""
    if _is_open_here(path):
        return True
    import fcntl

    try:
        with path.open("rb+") as handle:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _copy(source: Path, target: Path) -> None:
    """Copy a version, and leave the locks alone that sessions of this process have on it.

    A process loses all its locks on a file where it closes any of its handles: then another one
    copies.
    """
    if _is_open_here(source):
        subprocess.run(
            [sys.executable, "-S", "-c", _COPY, str(source), str(target)],
            check=True,
            capture_output=True,
        )
    else:
        shutil.copyfile(source, target)
