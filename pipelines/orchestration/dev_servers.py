"""One development server (``dagster dev``, ``dg dev``) on one Dagster storage.

Two would both launch what is due. Dagster only logs an error where it notices. All processes of one
server share a process group; each that loads the definitions holds a lock named after it.
"""

import os
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from pipelines.output.formatting import with_fix
from schemas import ConfigError
from warehouse.locks import file_lock

_DEV: Final = "DAGSTER_IS_DEV_CLI"
"""Set by Dagster in the processes of a development server."""

_held: dict[Path, FileLock] = {}
"""Until the process ends."""


def refuse_second() -> None:
    """Raise ``ConfigError`` where another development server works on the same storage."""
    if os.environ.get(_DEV) and hasattr(os, "getpgid"):
        _hold(_folder(), os.getpgid(0))


def _folder() -> Path:
    """Beside Dagster's storage: the shipped dagster.yaml puts it in data/dagster."""
    home = Path(os.environ.get("DAGSTER_HOME") or Path.cwd()).absolute()
    storage = home / "data" / "dagster" if home == Path.cwd() else home
    return storage / "servers"


def _hold(folder: Path, group: int) -> None:
    mine = folder / f"{group}-{os.getpid()}.lock"
    if mine in _held:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for other in folder.glob("*.lock"):
        owner = other.name.partition("-")[0]
        try:
            with file_lock(other, timeout=0):
                other.unlink(missing_ok=True)  # its process has ended
        except Timeout:
            if owner != str(group):
                raise ConfigError(
                    with_fix(
                        f"another Dagster development server (process group {owner}) works on the "
                        f"storage in {folder.parent}; both would launch what is due",
                        "stop one of them, or give this one another DAGSTER_HOME",
                    )
                ) from None
    lock = file_lock(mine, timeout=0)
    lock.acquire()
    _held[mine] = lock
