"""Files that appear only when complete: written under a temporary name beside, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from pipelines.output.console import data_out
from pipelines.output.formatting import with_fix
from schemas import ConfigError
from warehouse import StorageError
from warehouse.files import beside

STDOUT: Final = "-"


@contextmanager
def text_file(out: str) -> Iterator[IO[str]]:
    """Text into the file ``out``, as :func:`whole_file`, or to standard output for ``-``."""
    if out == STDOUT:
        yield data_out()
        return
    with whole_file(Path(out), "w", encoding="utf-8", newline="") as file:
        yield file


@contextmanager
def whole_file(path: Path, mode: str, **how: Any) -> Iterator[IO[Any]]:
    """The file ``path`` (which the user named by ``--out``), there once it is complete and on disk.

    ``mode`` and ``how``: as ``open`` takes them. Raises ``ConfigError`` where it cannot be opened,
    and ``StorageError`` where it cannot be finished.
    """
    if path.is_dir():
        fix = f"name a file in it: --out {path / 'FILE'}"
        raise ConfigError(with_fix(f"{path} is a folder", fix))
    # a pipe or device is written to, never replaced
    is_special = path.exists() and not path.is_file()
    path = path if is_special else path.resolve()
    partial = path if is_special else beside(path)
    try:
        file = partial.open(mode, **how)
    except OSError as error:
        raise ConfigError(
            with_fix(
                f"cannot write {path}: {error.strerror or error}",
                "name a file in a folder that exists and that you may write: --out FILE",
            )
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
