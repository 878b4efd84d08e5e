"""The content of every file against the hash that was recorded when it was written.

A file that differs is damaged, unless a commit that broke off left it. It is restored, as one that
is gone, where a published version of DuckDB holds the rows that were written; nothing else is
believed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from schemas import StreamId, dataset
from schemas.wording import count
from warehouse import files, paths, raw
from warehouse.errors import StorageError
from warehouse.metastore import FileRecord, Metastore
from warehouse.paths import LakePath
from warehouse.recovery import is_newer
from warehouse.restore import PublishedRows, keep, put_back
from warehouse.verification.report import Verification, short


@dataclass
class Contents:
    """The files of a stream that may be read, with their digests; those that are ``damaged``."""

    files: list[LakePath] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)


class ContentCheck:
    """Checks, and restores where it is safe, the files of one stream after the other."""

    def __init__(
        self,
        home: Path,
        metastore: Metastore,
        published: PublishedRows,
        report: Verification,
        *,
        repair: bool,
    ) -> None:
        self._home = home
        self._metastore = metastore
        self._published = published
        self._report = report
        self._repair = repair

    def check(self, stream: StreamId, found: Sequence[LakePath]) -> Contents:
        """All files of ``stream``, of which the caller holds the lock."""
        known = {r.path: r for r in self._metastore.files(stream)}
        if not self._repair and self._restore_missing(stream, known, found):
            found = [f for f in paths.of_stream(self._home, stream) if not f.temporary]
            known = {r.path: r for r in self._metastore.files(stream)}
        contents = Contents()
        for item in found:
            digest: str | None
            try:
                digest = self._trusted(stream, item, known.get(item.path))
            except (OSError, StorageError) as error:
                digest = self._damaged(stream, item, known.get(item.path), error)
            if digest is not None:
                contents.files.append(item)
                contents.digests[item.path] = digest
            elif (self._home / item.path).exists():
                contents.damaged.add(item.path)
        return contents

    def _restore_missing(
        self, stream: StreamId, known: Mapping[str, FileRecord], found: Sequence[LakePath]
    ) -> bool:
        """Put back the files that are gone, where it is safe; whether there was one.

        ``rebuild`` does not: it takes the lake as it is, so that a file may be left out for good.
        """
        gone = known.keys() - {item.path for item in found}
        missing = [known[path] for path in sorted(gone) if known[path].rows]
        return any([self._put_back(stream, record, "was gone") for record in missing])

    def _trusted(self, stream: StreamId, item: LakePath, record: FileRecord | None) -> str:
        """The digest of a file that may be read. Raises ``StorageError`` for a damaged one."""
        path = self._home / item.path
        digest = files.digest_of(path)
        if record is not None and digest == record.digest:
            self._report.count("files", hashes=1)
            return digest
        table = files.read_untrusted(dataset(stream.dataset), path)
        if record is None:
            return digest
        if not record.digest:
            return self._first_digest(stream, record, table, digest)
        if "ingested_at" in table.column_names and is_newer(table, record, path):
            return digest
        return self._put_back(stream, record, "did not hold what was written") or digest

    def _first_digest(
        self, stream: StreamId, record: FileRecord, table: pa.Table, digest: str
    ) -> str:
        """Of a file that was recorded before hashes were: recorded now if DuckDB holds the same."""
        rows = self._published.of(stream, record)
        if rows is None:
            self._report.count("files", unhashed=1)
        elif rows.equals(table):
            self._metastore.record_digests(stream, {record.path: digest})
            self._report.count("files", hashes=1)
        elif self._repair:
            what = "did not hold what was published"
            return self._put_back(stream, record, what) or digest
        else:
            self._report.error(
                "files",
                record.path,
                "differs from the published copy, and its hash was not recorded when it was "
                "written; DuckDB proves its own blocks, so the file is the damaged side",
                "`tidemark rebuild` restores it from the published copy, and keeps it in damaged/",
            )
        return digest

    def _damaged(
        self, stream: StreamId, item: LakePath, record: FileRecord | None, error: Exception
    ) -> str | None:
        """The digest of what could be put in place of a file that cannot be read."""
        if record is not None:
            restored = self._put_back(stream, record, "was damaged")
            if restored is not None:
                return restored
        if not self._repair:
            again = "`tidemark pull` to fetch its rows again"
            if raw.days(self._home, stream):
                name = f"{stream.exchange}/{stream.dataset}"
                again = f"`tidemark replay {name}` (its responses were recorded) and {again}"
            self._report.error(
                "files",
                item.path,
                f"is damaged, and no published copy holds its rows: {short(error)}",
                "`tidemark rebuild`, which keeps the file in damaged/ and invalidates the coverage "
                f"of its rows; then {again}. Or restore the file from a backup",
            )
            return None
        rows = None if record is None else self._published.some_of(stream, record)
        kept = keep(self._home, item.path, move=True)
        restored = None
        what = f"was damaged: it is kept as {kept}"
        if rows is not None and record is not None and rows.num_rows:
            restored = files.write(dataset(stream.dataset), self._home, item.path, rows)
            files.sync_folder(self._home / paths.stream_folder(stream))
            held = count(record.rows, "row")
            what += f"; {rows.num_rows:,} of {held} restored from the published copy"
        self._report.healed("files", item.path, f"{what}; `tidemark pull` fetches what lacks")
        return restored

    def _put_back(self, stream: StreamId, record: FileRecord, what: str) -> str | None:
        rows = self._published.of(stream, record)
        if rows is None:
            return None
        is_there = (self._home / record.path).exists()
        restored = put_back(self._home, self._metastore, stream, record, rows)
        exactly = "byte for byte" if restored.digest == record.digest else "the same rows"
        self._report.healed(
            "files",
            record.path,
            f"{what}: restored from the published copy ({exactly})"
            + ("; the damaged file is kept in damaged/" if is_there else ""),
        )
        self._report.count("files", hashes=1)
        return restored.digest
