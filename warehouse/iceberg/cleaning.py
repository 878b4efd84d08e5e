"""Expire superseded snapshots, and remove files that no snapshot has.

Iceberg never overwrites a file: what a snapshot held stays until it is expired, so that a reader
who began with it can end with it.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import pyarrow.fs as pafs
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from warehouse.iceberg.tables import in_threads

_SLACK: Final = 1.1
"""Snapshots are expired when one is older than so many times what is kept: not at each publish."""


def expire(table: IcebergTable, keep_hours: float) -> None:
    """Expire the snapshots that were superseded more than ``keep_hours`` ago, and their files.

    What breaks off half-way leaves files without a snapshot: :func:`sweep` removes them.
    """
    now = datetime.now(UTC)
    heads = {ref.snapshot_id for ref in table.metadata.refs.values()}
    since = _superseded(table)
    spare = [s for s in table.metadata.snapshots if s.snapshot_id not in heads]
    if not any(_is_before(since(s), now - timedelta(hours=keep_hours * _SLACK)) for s in spare):
        return
    gone = [s for s in spare if _is_before(since(s), now - timedelta(hours=keep_hours))]
    before = _files_of(table, gone)
    table.maintenance.expire_snapshots().by_ids([s.snapshot_id for s in gone]).commit()
    _delete(table, before - _files_of(table, table.metadata.snapshots))


def sweep(table: IcebergTable) -> None:
    """Remove the files below the table's place that neither it nor a snapshot has.

    The caller is the only one who writes there.
    """
    known = _files_of(table, table.metadata.snapshots)
    known |= {table.metadata_location, *(m.metadata_file for m in table.metadata.metadata_log)}
    known |= {s.statistics_path for s in table.metadata.statistics}
    known |= {s.statistics_path for s in table.metadata.partition_statistics}
    _delete(table, set(_listed(table)) - known)


def _superseded(table: IcebergTable) -> Callable[[Snapshot], int]:
    """Since when, in milliseconds, a snapshot is the table's current one no longer.

    One that never was: since it was made.
    """
    log = table.metadata.snapshot_log
    found = {one.snapshot_id: after.timestamp_ms for one, after in pairwise(log)}
    return lambda snapshot: found.get(snapshot.snapshot_id, snapshot.timestamp_ms)


def _is_before(milliseconds: int, moment: datetime) -> bool:
    return milliseconds < moment.timestamp() * 1000


def _files_of(table: IcebergTable, snapshots: Sequence[Snapshot]) -> set[str]:
    """Every file that a reader of ``snapshots`` may open."""
    manifests: dict[str, ManifestFile] = {}
    for snapshot in snapshots:
        manifests |= {m.manifest_path: m for m in snapshot.manifests(table.io)}
    found = {snapshot.manifest_list for snapshot in snapshots} | manifests.keys()
    for manifest in manifests.values():
        found |= {e.data_file.file_path for e in manifest.fetch_manifest_entry(table.io)}
    return found


def _listed(table: IcebergTable) -> Iterable[str]:
    scheme, host, path = PyArrowFileIO.parse_location(table.location())
    system = PyArrowFileIO(table.io.properties).fs_by_scheme(scheme, host)
    start = table.location().removesuffix(path)
    selector = pafs.FileSelector(path, recursive=True, allow_not_found=True)
    return [start + f.path for f in system.get_file_info(selector) if f.type is pafs.FileType.File]


def _delete(table: IcebergTable, paths: Iterable[str]) -> None:
    def delete(path: str) -> None:
        with suppress(FileNotFoundError):
            table.io.delete(path)

    in_threads(delete, sorted(paths))
