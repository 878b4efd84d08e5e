"""The raw response archive: every recorded response is whole, and files only grow."""

import hashlib
from pathlib import Path

from schemas import StreamId
from schemas.wording import count
from warehouse import raw
from warehouse.errors import from_os_error
from warehouse.metastore import Metastore
from warehouse.restore import keep
from warehouse.verification.report import Verification

FIX = (
    "restore the file from a backup, or let `tidemark rebuild` keep it in damaged/ and go on with "
    "the responses that are whole"
)


def check_archive(home: Path, metastore: Metastore, report: Verification, *, repair: bool) -> None:
    """Read every file of the archive. ``repair``: what is damaged leaves it."""
    recorded = metastore.archived()
    now: dict[str, tuple[int, str]] = {}
    for stream in raw.streams(home):
        with raw.lock(home, stream):
            for path in raw.days(home, stream):
                name = path.relative_to(home).as_posix()
                try:
                    before = recorded.get(name)
                    now[name] = _check_file(home, stream, path, before, report, repair=repair)
                except OSError as error:
                    raise from_os_error(error, "cannot read", path) from error
    for name in sorted(recorded.keys() - now.keys()):  # deleting old ones is allowed
        report.note("raw", name, "is gone: its responses can no longer be replayed")
    if now != recorded:
        metastore.record_archived(now)


def _check_file(
    home: Path,
    stream: StreamId,
    path: Path,
    before: tuple[int, str] | None,
    report: Verification,
    *,
    repair: bool,
) -> tuple[int, str]:
    """Length and digest to record of a file; what was recorded while it is damaged."""
    name = path.relative_to(home).as_posix()
    found = raw.scan(path)
    content = path.read_bytes()
    whole = content[: found.whole]
    report.count("raw", files=1, responses=len(found.spots), bytes=len(whole))
    problem = ""
    if found.damaged or found.is_last_damaged:
        problem = f"{count(found.damaged or found.torn, 'damaged byte')} between its responses"
    elif before is not None and hashlib.sha256(whole[: before[0]]).hexdigest() != before[1]:
        problem = "does not hold the responses that it held when it was last verified"
    if problem and not repair:
        report.error("raw", name, problem, FIX)
        return before or (0, hashlib.sha256().hexdigest())
    if problem or found.torn:
        kept = keep(home, name)
        whole = raw.put_whole(home, stream, path, content, found)
        what = problem or f"{count(found.torn, 'byte')} at its end: no whole response"
        report.healed("raw", name, f"{what}: taken out, the file as it was is kept as {kept}")
    return len(whole), hashlib.sha256(whole).hexdigest()
