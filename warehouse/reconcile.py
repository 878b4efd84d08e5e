"""What a crash left between lake and ledger: adopt whole files, remove temporary ones.

Looked for when a stream is opened, and only where its folder changed since its last commit.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from schemas import Dataset
from warehouse import files
from warehouse.errors import from_os_error
from warehouse.ledger import FileRecord, Ledger, StreamId
from warehouse.unclaim import shrank, unclaim


def folder_mark(dataset: Dataset, stream: StreamId) -> str:
    """The name under which the ledger keeps the folder's mtime after this stream's commits.

    Streams may share a folder (timeframes, quarantine), and the commit of one must not hide what
    a crash of another left there: each remembers the folder as it left it itself.
    """
    return f"{files.stream_folder(dataset, stream)} {stream.stream}"


def reconcile(home: Path, ledger: Ledger, dataset: Dataset, stream: StreamId) -> None:
    """Make the ledger's files of ``stream`` those on disk. The caller holds the stream's lock.

    Raises ``StorageError`` for a folder or file that cannot be read.
    """
    folder = home / files.stream_folder(dataset, stream)
    try:
        _reconcile(home, ledger, dataset, stream, folder)
    except OSError as error:
        raise from_os_error(error, "cannot read", folder) from error


def is_changed(path: Path, record: FileRecord) -> bool:
    """Whether the file is another than the one recorded."""
    stat = path.stat()
    return stat.st_size != record.bytes or stat.st_mtime_ns != record.mtime_ns


def _reconcile(
    home: Path, ledger: Ledger, dataset: Dataset, stream: StreamId, folder: Path
) -> None:
    _remove_partial(home, dataset, stream)
    mark = folder_mark(dataset, stream)
    known = {f.path: f for f in ledger.files(stream)}
    try:
        mtime = folder.stat().st_mtime_ns
    except FileNotFoundError:
        if known:
            _take_back(home, ledger, dataset, stream, known.values(), [])
            ledger.adopt(stream, [], [(mark, 0)])
        return
    if ledger.folder_mtime(mark) == mtime:
        return
    found: list[FileRecord] = []
    for path in sorted(folder.iterdir()):
        period = files.period_of_name(dataset, stream, path.name)
        if period is None or path.suffix == ".tmp":
            continue
        relative = path.relative_to(home).as_posix()
        record = known.get(relative)
        if record is None or is_changed(path, record):
            table = files.read(dataset, path)
            record = files.describe(dataset, home, relative, period, table)
        found.append(record)
    folders = [(mark, folder.stat().st_mtime_ns)]
    _take_back(home, ledger, dataset, stream, known.values(), found)
    if {f.path for f in found} != set(known) or any(known.get(f.path) != f for f in found):
        ledger.adopt(stream, found, folders)
    else:
        ledger.note_folders(folders)


def _remove_partial(home: Path, dataset: Dataset, stream: StreamId) -> None:
    folder = home / files.partial_folder(dataset, stream)
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if files.period_of_name(dataset, stream, path.name) is not None:
            path.unlink(missing_ok=True)


def _take_back(
    home: Path,
    ledger: Ledger,
    dataset: Dataset,
    stream: StreamId,
    known: Iterable[FileRecord],
    found: Sequence[FileRecord],
) -> None:
    """Claim no more what files held that are gone, or that hold fewer rows: to be fetched again."""
    now = {f.path: f for f in found}
    gone = [f for f in known if shrank(f, now.get(f.path))]
    if gone:
        lacking = {f.path for f in gone}
        left = [f for f in found if f.path not in lacking]
        ledger.record(stream, unclaim(home, dataset, stream, ledger.state(stream), gone, left))
