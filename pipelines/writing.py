"""Files that appear only whole: written under another name beside their place, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from schemas import ConfigError
from warehouse import StorageError
from warehouse.files import beside


@contextmanager
def whole_file(path: Path, mode: str, **how: Any) -> Iterator[IO[Any]]:
    """The file ``path`` (which the user named by ``--out``), there once it is whole and on disk.

    ``mode`` and ``how``: as ``open`` takes them. Raises ``ConfigError`` where it cannot be begun,
    and ``StorageError`` where it cannot be ended.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder\nMend: name a file in it: --out {path / 'FILE'}")
    # a pipe or device is written to, never replaced
    is_special = path.exists() and not path.is_file()
    path = path if is_special else path.resolve()
    partial = path if is_special else beside(path)
    try:
        file = partial.open(mode, **how)
    except OSError as error:
        raise ConfigError(
            f"cannot write {path}: {error.strerror or error}\n"
            "Mend: name a file in a folder that exists and that you may write: --out FILE"
        ) from None
    try:
        with file:
            yield file
            if not is_special:
                file.flush()
                os.fsync(file.fileno())
        if not is_special:
            os.replace(partial, path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if not is_special:
            with suppress(OSError):
                partial.unlink()
