"""The lake's writing end: commit rows of one stream, exactly once each, with what they prove.

The order of a commit: Parquet (temporary name, fsync, rename, folder fsync), then quarantine, then
one ledger transaction. A crash between any two leaves rows that nothing claims yet; the next pull
receives them again and finds them there.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas import Dataset, Period, dataset
from warehouse import files
from warehouse.clock import now_us
from warehouse.errors import StorageError
from warehouse.ledger import FileRecord, Ledger, StreamId, StreamState
from warehouse.locks import exclusive
from warehouse.merge import merge, row_keys
from warehouse.quarantine import (
    QUARANTINE,
    Refused,
    contradictions,
    quarantine_rows,
    quarantine_stream,
)
from warehouse.reconcile import folder_mark, is_changed, reconcile

SEGMENT_ROWS: Final = 256 * 1024
"""A period grows a second file beyond this, so that neither memory nor a rewrite grows with it."""

_CONTRADICTS: Final = "contradicts the row already stored"


@dataclass(frozen=True)
class Committed:
    """What a commit changed."""

    added: int = 0
    replaced: int = 0
    quarantined: int = 0


def stream_lock(home: Path, stream: StreamId) -> AbstractContextManager[None]:
    """The lock of whoever writes ``stream``; a quarantine is written with its stream's."""
    owner, name = stream.dataset, stream.stream
    if owner == QUARANTINE:
        owner, _, name = name.partition(".")
    return exclusive(home, "streams", stream.exchange, f"{owner}.{quote(name, safe='')}")


class StreamWriter:
    """Writes one stream. The caller holds the stream's lock for as long as this object lives."""

    def __init__(self, home: Path, ledger: Ledger, stream: StreamId) -> None:
        self.home = home
        self.ledger = ledger
        self.stream = stream
        self.dataset = dataset(stream.dataset)
        self.folder = files.stream_folder(self.dataset, stream)
        self._last: tuple[str, pa.Table] | None = None
        self._failed = False
        reconcile(home, ledger, self.dataset, stream)

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
        if self._failed:  # a commit broke off between file and ledger
            self._last = None
            reconcile(self.home, self.ledger, self.dataset, self.stream)
        self._failed = True
        done = self._commit(rows, state, refused)
        self._failed = False
        return done

    def _commit(
        self, rows: Sequence[pa.Table], state: StreamState, refused: Sequence[Refused]
    ) -> Committed:
        table = self._as_file_rows(rows)
        records: list[FileRecord] = []
        added = replaced = 0
        conflicts: list[Refused] = []
        placed: list[tuple[str, pa.Table]] = []
        for period, part in _by_period(self.dataset, table):
            part, moved = self._without_other_periods(period, part, placed)
            placed.append((period, part))
            conflicts += moved
            for path, segment in self._assign(period, part):
                stored = self._stored(path)
                merged = merge(self.dataset, stored, segment)
                if self.dataset.name != QUARANTINE:  # there, the first refusal stands
                    conflicts += contradictions(merged.conflicts, _CONTRADICTS)
                if merged.table is None:
                    if not self._is_recorded(path, period):
                        records.append(self._described(path, period, stored))
                    continue
                added += merged.added
                replaced += merged.replaced
                self._write(path, merged.table)
                records.append(self._described(path, period, merged.table))
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
            part = self._read(record, columns)
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
            self._read(f)
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
        return files.file_rows(self.dataset, rows, now_us())

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
            below = mine.filter(pc.less(number, segment.min_key))
            if below.num_rows:  # only of the lowest segment
                yield self._free_path(period), below
            above = mine.filter(pc.greater(number, segment.max_key))
            if above.num_rows:
                follower = segments[int(index) + 1 : int(index) + 2]
                room = follower and follower[0].rows + above.num_rows <= SEGMENT_ROWS
                yield follower[0].path if room else self._free_path(period), above

    def _without_other_periods(
        self, period: str, part: pa.Table, placed: Sequence[tuple[str, pa.Table]]
    ) -> tuple[pa.Table, list[Refused]]:
        """Rows already stored under another period's date: the same id with another time.

        ``placed`` are the rows of this very commit that went to other periods.
        """
        if self.dataset.key[-1] == self.dataset.time_column or self.dataset.period is Period.ALL:
            return part, []
        keys = files.key_numbers(self.dataset, part)
        low, high = (0, 0) if keys is None else (pc.min(keys).as_py(), pc.max(keys).as_py())
        wanted = [n for n in self.dataset.file_schema.names if n in self.dataset.key]
        refused: list[Refused] = []
        others = [(p, rows) for p, rows in placed if _overlap(self.dataset, rows, low, high)]
        for record in self.ledger.files_overlapping(self.stream, low, high):
            if record.period != period:
                others.append((record.period, self._read(record, wanted)))
        for other, stored in others:
            twice = pc.is_in(row_keys(self.dataset, part), value_set=row_keys(self.dataset, stored))
            if pc.any(twice).as_py():
                refused += contradictions(
                    part.filter(twice), f"this id is already stored with a time in {other}"
                )
                part = part.filter(pc.invert(twice))
        return part, refused

    def _is_recorded(self, path: str, period: str) -> bool:
        """Whether the ledger knows the file as it is (a crash may have left it ahead)."""
        known = {f.path: f for f in self.ledger.files(self.stream, period)}
        return path in known and not is_changed(self.home / path, known[path])

    def _read(self, record: FileRecord, columns: list[str] | None = None) -> pa.Table:
        try:
            return files.read(self.dataset, self.home / record.path, columns)
        except FileNotFoundError as error:
            raise StorageError(
                f"{self.home / record.path} is gone. Restore it from a backup, or pull again"
            ) from error

    def _stored(self, path: str) -> pa.Table:
        if self._last is not None and self._last[0] == path:
            return self._last[1]
        try:
            return files.read(self.dataset, self.home / path)
        except FileNotFoundError:
            return self.dataset.file_schema.empty_table()

    def _described(self, path: str, period: str, table: pa.Table) -> FileRecord:
        return files.describe(self.dataset, self.home, path, period, table)

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
        mark = folder_mark(self.dataset, self.stream)
        return [(mark, files.sync_folder(self.home / self.folder))]

    def _path(self, period: str, segment: int) -> str:
        return f"{self.folder}/{files.stem(self.dataset, self.stream, period, segment)}.parquet"

    def _free_path(self, period: str) -> str:
        segment = 1
        while (self.home / self._path(period, segment)).exists():
            segment += 1
        return self._path(period, segment)


def _overlap(declared: Dataset, rows: pa.Table, low: int, high: int) -> bool:
    keys = files.key_numbers(declared, rows)
    if keys is None or not rows.num_rows:
        return bool(rows.num_rows)
    ends = pc.min_max(keys).as_py()
    return not (ends["max"] < low or high < ends["min"])


def _by_time(record: FileRecord) -> tuple[int, int]:
    return record.max_time or 0, record.max_key or 0


def _by_period(declared: Dataset, table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """In the order in which they came: the next rows probably go where the last ones went."""
    if table.num_rows == 0:
        return
    time = table.column(declared.time_column)
    ends = pc.min_max(pc.cast(time, pa.int64())).as_py()
    first, last = (files.period_of(declared, ends[end]) for end in ("min", "max"))
    if first == last:
        yield first, table
        return
    starts = pc.cast(pc.floor_temporal(time, unit=declared.period.value), pa.int64())
    numbers = starts.to_numpy()
    for start in pc.unique(starts).to_pylist():
        rows = np.flatnonzero(numbers == start)
        together = rows[-1] - rows[0] < len(rows)  # and a slice copies nothing
        part = table.slice(rows[0], len(rows)) if together else table.take(rows)
        yield files.period_of(declared, start), part
