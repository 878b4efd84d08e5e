"""Large tables: views on the lake's Parquet files in place of copies of their rows.

A pull replaces lake files. So a view names links of its own to them, below ``versions/files``: a
link is a second name of the same bytes, which stay as they were when it was made, and take no space
until the lake has another file in their place. A link is named by what it holds, and goes with the
last version that names it.
"""

import errno
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from schemas import Dataset
from warehouse import files
from warehouse.errors import StorageError, from_os_error
from warehouse.lake_migration import SCHEMAS
from warehouse.metastore import FileRecord, Metastore
from warehouse.paths import LAKE, LINKS
from warehouse.sound import Busy

_NO_LINKS: Final = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV, errno.EMLINK}
_PATTERN: Final = frozenset("*?[\\")


def large_datasets(home: Path, metastore: Metastore, above: int) -> frozenset[str]:
    """The datasets with more than ``above`` rows (0: none), which are to be views.

    None in a home whose path DuckDB would take for a pattern, or with files of an older schema.
    """
    if not above or _PATTERN.intersection(str(home.absolute())):
        return frozenset()
    if metastore.lake_schemas() != SCHEMAS:
        return frozenset()
    return frozenset(name for name, rows in metastore.row_counts().items() if rows > above)


def link_path(record: FileRecord) -> str:
    """The link to a lake file, relative to the home: the same folders, named by its content."""
    path = Path(record.path).relative_to(LAKE)
    return f"{LINKS}/{path.with_name(f'{path.stem}-{record.digest[:16]}.parquet').as_posix()}"


def link(home: Path, records: Sequence[FileRecord]) -> list[str]:
    """Make the links to lake files that there are not yet; the paths of all.

    The content of each is recorded. Raises ``Busy`` where a file is another one now,
    ``StorageError`` where links cannot be made.
    """
    paths = [link_path(record) for record in records]
    folders = set()
    for record, path in zip(records, paths, strict=True):
        if not (home / path).exists():
            _link(home / record.path, home / path, record.digest)
            folders.add((home / path).parent)
    for folder in folders:
        files.sync_folder(folder)
    return paths


def _link(source: Path, path: Path, digest: str) -> None:
    making = files.beside(path)
    try:
        files.make_folder(making.parent)
        making.unlink(missing_ok=True)
        os.link(source, making)
        if files.digest_of(making) != digest:
            making.unlink()
            raise Busy
        os.replace(making, path)
    except FileNotFoundError:
        raise Busy from None
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise StorageError(
                f"cannot link {source}: this file system has no hard links. "
                "Fix: unset TIDEMARK_VIEWS_ABOVE_ROWS"
            ) from error
        raise from_os_error(error, "cannot link", source) from error


def linked(home: Path, record: FileRecord) -> Path | None:
    """A link that holds just what ``record`` says was written; ``None`` where there is none."""
    path = home / link_path(record)
    with suppress(OSError):
        if record.digest and files.digest_of(path) == record.digest:
            return path
    return None


def remove_unused(home: Path, used: Iterable[str]) -> None:
    """Remove the links that no version names, ``used`` being those that one does."""
    kept = set(used)
    folder = home / LINKS
    for path in folder.rglob("*.parquet") if folder.is_dir() else ():
        if path.relative_to(home).as_posix() not in kept:
            with suppress(OSError):
                path.unlink()


def view_of(home: Path, declared: Dataset, links: Sequence[str]) -> str:
    """SQL that makes the view in place of the table."""
    columns = ", ".join(f'"{name}"' for name in declared.schema.names)
    hive = ", ".join(f"'{name}': VARCHAR" for name in declared.partition)
    root = home.absolute()
    listed = ", ".join("'" + str(root / path).replace("'", "''") + "'" for path in links)
    return (
        f'CREATE OR REPLACE VIEW main."{declared.name}" AS SELECT {columns} FROM read_parquet('
        f"[{listed}], hive_partitioning = true, hive_types = {{{hive}}})"
    )
