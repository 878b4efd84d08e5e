"""The lake's writing end: commit rows of one stream, exactly once each, with what they prove.

The order of a commit: quarantine, then Parquet (temporary name, fsync, rename, folder fsync), then
one ledger transaction. A crash between any two leaves rows that nothing claims yet; the next pull
receives them again and finds them there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas import Dataset, Period, dataset
from warehouse import files
from warehouse.clock import now_us
from warehouse.ledger import FileRecord, Ledger, StreamId, StreamState
from warehouse.merge import merge, row_keys
from warehouse.quarantine import Refused, contradictions, quarantine_rows, quarantine_stream

SEGMENT_ROWS: Final = 256 * 1024
"""A period grows a second file beyond this, so that neither memory nor a rewrite grows with it."""


@dataclass(frozen=True)
class Committed:
    """What a commit changed."""

    added: int = 0
    replaced: int = 0
    quarantined: int = 0


class StreamWriter:
    """Writes one stream. The caller holds the stream's lock for as long as this object lives."""

    def __init__(self, home: Path, ledger: Ledger, stream: StreamId) -> None:
        self.home = home
        self.ledger = ledger
        self.stream = stream
        self.dataset = dataset(stream.dataset)
        self.folder = files.stream_folder(self.dataset, stream)
        self._last: tuple[str, pa.Table] | None = None
        self._reconcile()

    def commit(
        self,
        rows: Sequence[pa.Table],
        state: StreamState,
        refused: Sequence[Refused] = (),
    ) -> Committed:
        """Store ``rows`` (any columns beyond the file's are dropped) and record ``state``.

        ``refused`` rows go to quarantine; so does a row that contradicts a stored one which never
        changes. Raises ``StorageError``; what was stored before stays whole.
        """
        table = self._as_file_rows(rows)
        records: list[FileRecord] = []
        added = replaced = 0
        conflicts: list[Refused] = []
        for period, part in _by_period(self.dataset, table):
            part, moved = self._without_other_periods(period, part)
            conflicts += moved
            for path, segment in self._assign(period, part):
                stored = self._stored(path)
                merged = merge(self.dataset, stored, segment)
                conflicts += contradictions(merged.conflicts, "contradicts the row already stored")
                if merged.table is None:
                    continue
                added += merged.added
                replaced += merged.replaced
                self._write(path, merged.table)
                records.append(files.describe(self.dataset, self.home, path, period, merged.table))
        quarantined = self._quarantine([*refused, *conflicts])
        folders = self._sync(records)
        self.ledger.record(self.stream, state, records, folders)
        return Committed(added, replaced, quarantined)

    def tail(self, rows: int, columns: list[str] | None = None) -> pa.Table:
        """The newest ``rows`` stored rows, oldest first (whole, or some ``columns``)."""
        parts: list[pa.Table] = []
        wanted = rows
        for record in reversed(sorted(self.ledger.files(self.stream), key=_by_time)):
            if wanted <= 0:
                break
            part = files.read(self.dataset, self.home / record.path, columns)
            part = part.slice(max(0, part.num_rows - wanted))
            wanted -= part.num_rows
            parts.insert(0, part)
        if not parts:
            schema = self.dataset.file_schema
            return (
                pa.schema([schema.field(c) for c in columns]) if columns else schema
            ).empty_table()
        return pa.concat_tables(parts)

    def read_range(self, low: int, high: int) -> pa.Table:
        """Stored rows of this stream whose time (microseconds) is in ``[low, high)``, in order."""
        parts = [
            files.read(self.dataset, self.home / f.path)
            for f in sorted(self.ledger.files(self.stream), key=_by_time)
            if f.max_time is not None and f.min_time is not None
            if f.max_time >= low and f.min_time < high
        ]
        if not parts:
            return self.dataset.file_schema.empty_table()
        table = pa.concat_tables(parts)
        time = pc.cast(table.column(self.dataset.time_column), pa.int64())
        return table.filter(pc.and_(pc.greater_equal(time, low), pc.less(time, high)))

    def _as_file_rows(self, rows: Sequence[pa.Table]) -> pa.Table:
        schema = self.dataset.file_schema
        names = schema.names[:-1]
        if not rows:
            return schema.empty_table()
        table = pa.concat_tables([t.select(names) for t in rows])
        moment = pa.scalar(now_us(), pa.int64()).cast(schema.field("ingested_at").type)
        return table.append_column("ingested_at", pa.repeat(moment, table.num_rows)).cast(schema)

    def _assign(self, period: str, part: pa.Table) -> Iterator[tuple[str, pa.Table]]:
        """Which file of the period each row belongs to: where its key lies, or the nearest end."""
        if part.num_rows == 0:
            return
        segments = self.ledger.files(self.stream, period)
        keys = files.key_numbers(self.dataset, part)
        if keys is None or not segments:
            yield (segments[0].path if segments else self._path(period, 0)), part
            return
        segments.sort(key=lambda s: s.min_key or 0)
        starts = np.array([s.min_key for s in segments[1:]], dtype=np.int64)
        chosen = np.searchsorted(starts, keys.to_numpy(), side="right")
        for index in np.unique(chosen):
            segment = segments[int(index)]
            mine = part.filter(pa.array(chosen == index))
            if segment.rows + mine.num_rows <= SEGMENT_ROWS:
                yield segment.path, mine
                continue
            # a full file takes only what belongs between its rows; the rest begins a new one
            number = files.key_numbers(self.dataset, mine)
            inside = pc.and_(
                pc.greater_equal(number, segment.min_key), pc.less_equal(number, segment.max_key)
            )
            if pc.any(inside).as_py():
                yield segment.path, mine.filter(inside)
            for side in (pc.less(number, segment.min_key), pc.greater(number, segment.max_key)):
                outside = mine.filter(side)
                if outside.num_rows:
                    yield self._free_path(period), outside

    def _without_other_periods(self, period: str, part: pa.Table) -> tuple[pa.Table, list[Refused]]:
        """Rows already stored under another period's date: the same id with another time."""
        if self.dataset.key[-1] == self.dataset.time_column or self.dataset.period is Period.ALL:
            return part, []
        keys = files.key_numbers(self.dataset, part)
        low, high = (0, 0) if keys is None else (pc.min(keys).as_py(), pc.max(keys).as_py())
        refused: list[Refused] = []
        for record in self.ledger.files_overlapping(self.stream, low, high):
            if record.period == period or part.num_rows == 0:
                continue
            wanted = [n for n in self.dataset.file_schema.names if n in self.dataset.key]
            stored = files.read(self.dataset, self.home / record.path, wanted)
            twice = pc.is_in(row_keys(self.dataset, part), value_set=row_keys(self.dataset, stored))
            if pc.any(twice).as_py():
                refused += contradictions(
                    part.filter(twice), f"this id is already stored with a time in {record.period}"
                )
                part = part.filter(pc.invert(twice))
        return part, refused

    def _stored(self, path: str) -> pa.Table:
        if self._last is not None and self._last[0] == path:
            return self._last[1]
        try:
            return files.read(self.dataset, self.home / path)
        except FileNotFoundError:
            return self.dataset.file_schema.empty_table()

    def _write(self, path: str, table: pa.Table) -> None:
        files.write(self.dataset, self.home / path, table)
        self._last = (path, table)

    def _quarantine(self, refused: Sequence[Refused]) -> int:
        if not refused:
            return 0
        target = quarantine_stream(self.stream)
        rows = quarantine_rows(self.stream, refused)
        return StreamWriter(self.home, self.ledger, target).commit([rows], StreamState()).added

    def _sync(self, records: Sequence[FileRecord]) -> list[tuple[str, int]]:
        if not records:
            return []
        return [(self.folder, files.sync_folder(self.home / self.folder))]

    def _path(self, period: str, segment: int) -> str:
        return f"{self.folder}/{files.stem(self.dataset, self.stream, period, segment)}.parquet"

    def _free_path(self, period: str) -> str:
        segment = 1
        while (self.home / self._path(period, segment)).exists():
            segment += 1
        return self._path(period, segment)

    def _reconcile(self) -> None:
        """Adopt files that a crash left without a ledger record; remove its temporary files."""
        folder = self.home / self.folder
        try:
            mtime = folder.stat().st_mtime_ns
        except FileNotFoundError:
            if self.ledger.files(self.stream):
                self.ledger.adopt(self.stream, [], [(self.folder, 0)])
            return
        if self.ledger.folder_mtime(self.folder) == mtime:
            return
        known = {f.path: f for f in self.ledger.files(self.stream)}
        found: list[FileRecord] = []
        for path in sorted(folder.iterdir()):
            period = files.period_of_name(self.dataset, self.stream, path.name)
            if period is None:
                continue
            if path.suffix == ".tmp":
                path.unlink(missing_ok=True)
                continue
            relative = f"{self.folder}/{path.name}"
            record = known.get(relative)
            if record is None or _changed(path, record):
                record = self._described(relative, period)
            found.append(record)
        moved = {f.path for f in found} != set(known) or any(known.get(f.path) != f for f in found)
        folders = [(self.folder, folder.stat().st_mtime_ns)]
        if moved:
            self.ledger.adopt(self.stream, found, folders)
        else:
            self.ledger.note_folders(folders)

    def _described(self, path: str, period: str) -> FileRecord:
        table = files.read(self.dataset, self.home / path)
        return files.describe(self.dataset, self.home, path, period, table)


def _changed(path: Path, record: FileRecord) -> bool:
    stat = path.stat()
    return stat.st_size != record.bytes or stat.st_mtime_ns != record.mtime_ns


def _by_time(record: FileRecord) -> tuple[int, int]:
    return record.max_time or 0, record.max_key or 0


def _by_period(declared: Dataset, table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    if table.num_rows == 0:
        return
    time = table.column(declared.time_column)
    ends = pc.min_max(pc.cast(time, pa.int64())).as_py()
    first, last = (files.period_of(declared, ends[end]) for end in ("min", "max"))
    if first == last:
        yield first, table
        return
    starts = pc.cast(pc.floor_temporal(time, unit=declared.period.value), pa.int64())
    for start in sorted(pc.unique(starts).to_pylist()):
        yield files.period_of(declared, start), table.filter(pc.equal(starts, start))
