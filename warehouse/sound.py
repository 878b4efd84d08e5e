"""The files of a stream and period, whole on disk as the metastore records them, for a publish.

A lake file that does not hold what was written is never published.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from schemas import Dataset, StreamId
from warehouse import files
from warehouse.errors import StorageError
from warehouse.locks import exclusive_if_free
from warehouse.metastore import FileRecord, Metastore
from warehouse.paths import lock_name
from warehouse.recovery import recover

_TRIES: Final = 40
_PAUSE_SECONDS: Final = 0.05
_REBUILD: Final = (
    "Fix: `tidemark rebuild` drops the coverage of its rows, `tidemark pull` fetches them"
)


class Busy(Exception):
    """A pull is writing the files just now; it publishes them when it is done."""


@dataclass(frozen=True)
class Group:
    """The files of one stream and period: published, and replaced, together."""

    stream: StreamId
    period: str
    files: tuple[FileRecord, ...]


def stream_columns(declared: Dataset, stream: StreamId) -> dict[str, str]:
    """The columns of the table that are constant in ``stream``, and their values."""
    named = {
        "exchange": stream.exchange,
        "symbol": stream.symbol,
        "account": stream.account,
        "timeframe": stream.timeframe,
    }
    names = declared.schema.names
    return {column: value for column, value in named.items() if value and column in names}


def sound(
    home: Path,
    metastore: Metastore,
    group: Group,
    read: Callable[[Sequence[FileRecord]], Sequence[FileRecord]],
) -> Group:
    """``group`` as the metastore has it now; those of its files to ``read`` are as written.

    Raises ``StorageError`` for a file that is damaged or gone, ``Busy`` where a pull is writing.
    """
    found: Sequence[FileRecord] = group.files
    for _ in range(_TRIES):
        if all(_is_as_recorded(home, file) for file in read(found)):
            return replace(group, files=tuple(found))
        with exclusive_if_free(home, *lock_name(group.stream)) as held:
            if held:  # nobody writes: what a crash left is recorded, anything else is damage
                found = metastore.files(group.stream, group.period)
                for file in found:
                    if not (home / file.path).exists():
                        raise StorageError(f"{home / file.path} is gone. {_REBUILD}")
                recover(home, metastore, group.stream)
                found = metastore.files(group.stream, group.period)
                for file in read(found):
                    files.check(home / file.path, file.digest)
                return replace(group, files=tuple(found))
        time.sleep(_PAUSE_SECONDS)
        found = metastore.files(group.stream, group.period)
    raise Busy


def _is_as_recorded(home: Path, file: FileRecord) -> bool:
    try:
        files.check(home / file.path, file.digest)
    except StorageError:
        return False
    return (home / file.path).exists()
