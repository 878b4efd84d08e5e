"""Where an export goes: a file that appears only whole, or standard output."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from schemas import ConfigError
from warehouse import StorageError

STDOUT: Final = "-"


@contextmanager
def writing(out: str) -> Iterator[IO[str]]:
    """Text into the file ``out``, or to standard output where it is ``-``."""
    if out == STDOUT:
        yield sys.stdout
        return
    with _file(Path(out), "w", encoding="utf-8", newline="") as file:
        yield file


@contextmanager
def writing_bytes(out: str) -> Iterator[IO[bytes]]:
    """Bytes into the file ``out``."""
    with _file(Path(out), "wb") as file:
        yield file


@contextmanager
def _file(path: Path, mode: str, **how: Any) -> Iterator[IO[Any]]:
    """A file under another name beside ``path``, renamed to it once it is whole and on disk."""
    if path.is_dir():
        raise ConfigError(f"{path} is a folder\nMend: name a file in it: --out {path / 'FILE'}")
    # a pipe or device is written to, never replaced
    is_special = path.exists() and not path.is_file()
    path = path if is_special else path.resolve()
    partial = path if is_special else path.with_name(f".{path.name}.{os.getpid()}.tmp")
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
