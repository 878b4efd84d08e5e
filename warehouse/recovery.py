"""What a crash left between lake and metastore: adopt whole files, remove temporary ones.

Looked for when a stream is opened, and only where its folder changed since its last commit.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from schemas import StreamId, dataset
from warehouse import files, paths
from warehouse.errors import from_os_error
from warehouse.invalidate import invalidate, shrank
from warehouse.metastore import FileRecord, Metastore


def recover(home: Path, metastore: Metastore, stream: StreamId) -> None:
    """Make the metastore's files of ``stream`` those on disk. The caller holds the stream's lock.

    Raises ``StorageError`` for a folder or file that cannot be read.
    """
    folder = home / paths.stream_folder(stream)
    try:
        _recover(home, metastore, stream, folder)
    except OSError as error:
        raise from_os_error(error, "cannot read", folder) from error


def is_changed(path: Path, record: FileRecord) -> bool:
    """Whether the file is another than the one recorded."""
    stat = path.stat()
    return stat.st_size != record.bytes or stat.st_mtime_ns != record.mtime_ns


def _recover(home: Path, metastore: Metastore, stream: StreamId, folder: Path) -> None:
    mark = paths.folder_mark(stream)
    try:
        mtime = folder.stat().st_mtime_ns
    except FileNotFoundError:
        _remove_partial(home, stream)
        known = metastore.files(stream)
        if known:
            _take_back(home, metastore, stream, known, [])
            metastore.adopt(stream, [], [(mark, 0)])
        return
    _remove_partial(home, stream)
    if metastore.folder_mtime(mark) == mtime:
        return
    recorded = {f.path: f for f in metastore.files(stream)}
    found: list[FileRecord] = []
    for item in paths.of_stream(home, stream):
        if item.temporary:
            continue
        record = recorded.get(item.path)
        if record is None or is_changed(home / item.path, record):
            table = files.read(dataset(stream.dataset), home / item.path)
            record = files.describe(dataset(stream.dataset), home, item.path, item.period, table)
        found.append(record)
    folders = [(mark, folder.stat().st_mtime_ns)]
    _take_back(home, metastore, stream, recorded.values(), found)
    if {f.path for f in found} != set(recorded) or any(recorded[f.path] != f for f in found):
        metastore.adopt(stream, found, folders)
    else:
        metastore.note_folders(folders)


def _remove_partial(home: Path, stream: StreamId) -> None:
    if (home / paths.partial_folder(stream)).is_dir():
        for item in paths.of_stream(home, stream):
            if item.temporary:
                (home / item.path).unlink(missing_ok=True)


def _take_back(
    home: Path,
    metastore: Metastore,
    stream: StreamId,
    known: Iterable[FileRecord],
    found: Sequence[FileRecord],
) -> None:
    """Invalidate the coverage of files that are gone, or that hold fewer rows."""
    now = {f.path: f for f in found}
    gone = [f for f in known if shrank(f, now.get(f.path))]
    if gone:
        lacking = {f.path for f in gone}
        left = [f for f in found if f.path not in lacking]
        state = invalidate(home, stream, metastore.state(stream), gone, left)
        metastore.record(stream, state)
