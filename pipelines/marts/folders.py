"""A folder of Parquet files that appears only when it is complete."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from schemas import ConfigError
from warehouse.errors import from_os_error
from warehouse.views import views

_TAKEN: Final = {errno.EWOULDBLOCK, errno.EACCES}


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """The folder ``out``, made where there is none, for this process: two would mix their files.

    Raises ``ConfigError`` where nothing can be written there, and where another process writes.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
        handle = os.open(out, os.O_RDONLY)
    except OSError as error:
        what = f"cannot write to {out}: {error.strerror}"
        raise ConfigError(f"{what}. Fix: another folder for --out") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:  # else a file system that cannot lock folders
                what = f"another process writes marts to {out}"
                fix = "wait for it, or another folder for --out"
                raise ConfigError(f"{what}. Fix: {fix}") from error
        yield
    finally:
        os.close(handle)


def check_marts(out: Path) -> None:
    """Raise ``ConfigError`` where a folder of ``out`` holds something else than a mart's files."""
    for view in views().values():
        if view.schema == "marts":
            _check(out / view.name)


def _check(folder: Path) -> None:
    odd = next((p for p in sorted(folder.glob("*")) if p.suffix != ".parquet" or p.is_dir()), None)
    if folder.exists() and (odd or not folder.is_dir()):
        raise ConfigError(f"{odd or folder} is no file of a mart. Fix: another folder for --out")


@contextmanager
def placed(folder: Path) -> Iterator[Path]:
    """A folder to write to, which takes the place of ``folder`` at the end, if all went well.

    Raises ``StorageError`` where it cannot be put there.
    """
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    try:
        building.parent.mkdir(parents=True, exist_ok=True)
        yield building
        for path in building.glob(".*"):  # Hadoop's checksums
            path.unlink()
        _check(folder)
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    except OSError as error:
        raise from_os_error(error, "cannot write", folder) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
