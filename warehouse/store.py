"""The store of one home, through which pulls read and write rows.

A commit stores rows of one stream, exactly once each, with the coverage that they prove. Its order:
Parquet (temporary name, fsync, rename, folder fsync), then quarantine, then one transaction of the
metastore. A crash between two of these leaves rows without coverage; the next pull receives them
again and finds them stored.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas import Dataset, Period, RejectedRow, StreamId, dataset
from schemas.arrays import from_numpy
from warehouse import files, paths
from warehouse.clock import now_us
from warehouse.errors import from_os_error
from warehouse.ids import integer_ids
from warehouse.locks import exclusive
from warehouse.merge import in_order, merge, row_keys
from warehouse.metastore import FileRecord, Metastore
from warehouse.paths import QUARANTINE, quarantine_of
from warehouse.quarantine import contradictions, quarantine_rows
from warehouse.reader import StreamReader
from warehouse.recovery import is_changed, is_newer, recover
from warehouse.rules import fitting
from warehouse.state import StreamState

__all__ = ["Committed", "Store", "StreamReader", "StreamState", "StreamWriter", "stream_lock"]

SEGMENT_ROWS: Final = 256 * 1024
"""Rows of a file; a period with more has several files, which bounds memory and rewriting."""
ENOUGH_ROWS: Final = SEGMENT_ROWS // 8
"""So many rows beside those of a file begin one of their own: nothing is written again."""

_CONTRADICTS: Final = "contradicts the row already stored"


@dataclass(frozen=True)
class Committed:
    """What a commit changed. ``quarantined``: rows that are new in quarantine.

    ``conflicts``: received rows that contradict a stored row which never changes; they lie in
    quarantine, perhaps since an earlier commit.
    """

    added: int = 0
    replaced: int = 0
    quarantined: int = 0
    conflicts: Sequence[RejectedRow] = ()


def stream_lock(home: Path, stream: StreamId, wait: bool = True) -> AbstractContextManager[None]:
    """The lock under which ``stream``, and what is written with it (its quarantine), is written."""
    return exclusive(home, *paths.lock_name(stream), wait=wait)


class Store:
    """Lake and metastore of one home. Safe for several threads and processes."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._metastore = Metastore(home)

    @contextmanager
    def open_stream(self, stream: StreamId, wait: bool = True) -> Iterator["StreamWriter"]:
        """The writer of ``stream``, under the stream's lock. Waits for another holder.

        First recovers what a crash left. Raises ``StorageError``, and without ``wait``
        ``InUseError`` where another process writes the stream.
        """
        if dataset(stream.dataset).holds_markets:
            from warehouse.regrouping import regroup  # needed once in the life of a home

            regroup(self._home, self._metastore)
        with stream_lock(self._home, stream, wait):
            yield StreamWriter(self._home, self._metastore, stream)

    def reader(self, stream: StreamId) -> StreamReader:
        """A reader of ``stream``; it takes no lock."""
        return StreamReader(self._home, self._metastore, stream)

    def streams(self, exchange: str | None = None, dataset: str | None = None) -> list[StreamId]:
        """The streams with a state (be it one without coverage), in order."""
        return self._metastore.streams(exchange, dataset)

    def state(self, stream: StreamId) -> StreamState:
        """What is known of ``stream``; an empty state for a new one."""
        return self._metastore.state(stream)

    def close(self) -> None:
        """Close what this thread has open."""
        self._metastore.close()


class StreamWriter(StreamReader):
    """Writes one stream. The caller holds the stream's lock for as long as this object lives."""

    def __init__(self, home: Path, metastore: Metastore, stream: StreamId) -> None:
        super().__init__(home, metastore, stream)
        self._last: tuple[str, pa.Table] | None = None
        self._keys: dict[str, tuple[int, pa.Table]] = {}
        """Key columns of files of which no key range is known, by path, and their change."""
        self._failed = False
        self._segment_rows = min(SEGMENT_ROWS, self.declared.segment_rows or SEGMENT_ROWS)
        recover(home, metastore, stream)

    def commit(
        self,
        rows: Sequence[pa.Table],
        state: StreamState,
        rejected: Sequence[RejectedRow] = (),
    ) -> Committed:
        """Store ``rows`` (any columns beyond the file's are dropped) and record ``state``.

        ``rejected`` rows go to quarantine; so does a row that contradicts a stored one which never
        changes, and one that breaks a rule of the dataset. Raises ``StorageError``; what was
        stored before stays whole.
        """
        return self.put(files.file_rows(self.declared, rows, now_us()), state, rejected)

    def put(
        self,
        table: pa.Table,
        state: StreamState,
        rejected: Sequence[RejectedRow] = (),
        *,
        replaces: bool | None = None,
    ) -> Committed:
        """A commit of rows that have their ``ingested_at`` (and all else that a file holds).

        ``replaces``: whether they replace stored rows; ``None``: as the dataset declares.
        """
        if self._failed:  # a commit broke off between file and metastore
            self._last = None
            recover(self._home, self._metastore, self.stream)
        self._failed = True
        declared = self.declared if replaces is None else replace(self.declared, replaces=replaces)
        if declared.name != QUARANTINE and table.num_rows:
            table, refused = fitting(declared, self.stream, table)
            rejected = [*rejected, *refused]
        done = self._put(declared, table.cast(declared.file_schema), state, rejected)
        self._failed = False
        return done

    def files_meeting(self, table: pa.Table) -> list[FileRecord]:
        """The files that may hold a row with the key of a row of ``table``."""
        if not table.num_rows:
            return []
        return self._metastore.files_overlapping(self.stream, *_key_range(self.declared, table))

    def read(self, record: FileRecord, columns: list[str] | None = None) -> pa.Table:
        """The rows of one file. Raises ``StorageError``, also for whole rows of a damaged file.

        Whole rows are about to be written again.
        """
        if columns is None:
            files.check(self._home / record.path, record.digest)
        return super().read(record, columns)

    def shrink(self, record: FileRecord, left: pa.Table) -> None:
        """Let a file hold ``left`` only; without rows it is removed."""
        path = self._home / record.path
        self._last = None
        if left.num_rows:
            described = self._write(record.path, record.period, left)
            folders = self._sync([described])
            self._metastore.record(self.stream, self.state(), [described], folders)
            return
        try:
            with files.placing(self._home, record.path):
                path.unlink()
        except OSError as error:
            raise from_os_error(error, "cannot remove", path) from error
        folders = self._sync([record])
        rest = [f for f in self.records() if f.path != record.path]
        self._metastore.adopt(self.stream, rest, folders)

    def rename(self, ids: Mapping[str, str]) -> int:
        """Give stored rows other ids, new by old one; how many rows had an old one.

        A row whose new id is held is that row once more, and is left out. Every file is replaced
        whole, so that no reader sees a row twice or not at all.
        """
        name = self.declared.naming_column
        old, new = pa.array(ids.keys(), pa.string()), pa.array(ids.values(), pa.string())
        held = pa.chunked_array([t.column(0) for t in self.scan([name])], pa.string())
        count = 0
        for record in self.records():
            table = self.read(record)
            at = pc.index_in(table.column(name), value_set=old)
            is_old = pc.is_valid(at)
            if not pc.any(is_old).as_py():
                continue
            count += int(pc.sum(is_old).as_py())
            given = new.take(at)
            twice = pc.is_in(given, value_set=held.drop_null(), skip_nulls=True)
            stamp = pa.scalar(now_us(), pa.int64()).cast(table.schema.field("ingested_at").type)
            for column, values in (
                (name, pc.coalesce(given, table.column(name))),
                ("ingested_at", pc.if_else(is_old, stamp, table.column("ingested_at"))),
            ):
                place = table.schema.get_field_index(column)
                table = table.set_column(place, table.schema.field(place), values)
            self.shrink(record, in_order(self.declared, table.filter(pc.invert(twice))))
        return count

    def sibling(self, name: str) -> "StreamWriter":
        """The writer of another dataset of the same market, written under the same lock.

        That is the history of a list, and the quarantine.
        """
        stream = replace(self.stream, dataset=name)
        if name == QUARANTINE:
            stream = quarantine_of(self.stream)
        if paths.lock_name(stream) != paths.lock_name(self.stream):
            raise ValueError(f"{stream} has another lock than {self.stream}")
        return StreamWriter(self._home, self._metastore, stream)

    def _put(
        self,
        declared: Dataset,
        table: pa.Table,
        state: StreamState,
        rejected: Sequence[RejectedRow],
    ) -> Committed:
        records: list[FileRecord] = []
        added = replaced = 0
        conflicts: list[RejectedRow] = []
        placed: list[tuple[str, pa.Table]] = []
        for period, part in _by_period(self.declared, table):
            part, moved = self._without_other_periods(period, part, placed)
            placed.append((period, part))
            conflicts += moved
            for path, segment in self._assign(period, part):
                stored = self._stored(path)
                merged = merge(declared, stored, segment)
                if declared.name != QUARANTINE:  # there, the first reason is kept
                    conflicts += contradictions(merged.conflicts, _CONTRADICTS)
                if merged.table is None:
                    if not self._is_recorded(path, period):
                        digest = files.digest_of(self._home / path)
                        records.append(self._described(path, period, stored, digest))
                    continue
                added += merged.added
                replaced += merged.replaced
                records.append(self._write(path, period, merged.table))
        quarantined = self._quarantine([*rejected, *conflicts])
        folders = self._sync(records)
        self._metastore.record(self.stream, state, records, folders)
        return Committed(added, replaced, quarantined, conflicts)

    # -- which file a row belongs to --------------------------------------------------------------

    def _assign(self, period: str, part: pa.Table) -> Iterator[tuple[str, pa.Table]]:
        """The rows of one period, by the file that they belong to."""
        if part.num_rows == 0:
            return
        segments = self._metastore.files(self.stream, period)
        if not segments:
            yield self._path(period, 0), part
            return
        keys = files.key_numbers(self.declared, part)
        segments.sort(key=lambda s: s.min_key or 0)
        if keys is not None and _are_apart(segments):
            yield from self._place(period, part, keys.to_numpy(), segments)
            return
        # by time: ids that are text have no order from which a file could be known
        yield from self._place_by_time(period, part, segments)

    def _place_by_time(
        self, period: str, part: pa.Table, segments: Sequence[FileRecord]
    ) -> Iterator[tuple[str, pa.Table]]:
        """A key that a file holds is placed there, whatever its time; others by their time."""
        ordered = sorted(
            (replace(s, min_key=s.min_time, max_key=s.max_time) for s in segments),
            key=lambda s: s.min_key or 0,
        )
        new = np.ones(part.num_rows, dtype=bool)
        held: dict[str, pa.Table] = {}
        if len(ordered) > 1 or ordered[0].rows + part.num_rows > self._segment_rows:
            for segment in segments:
                keys, stored = row_keys(self.declared, part, self._keys_of(segment))
                known = pc.is_in(keys, value_set=stored).to_numpy(zero_copy_only=False)
                if known.any():
                    held[segment.path] = part.filter(from_numpy(known))
                    new &= ~known
        fresh = part.filter(from_numpy(new))
        (keys,) = row_keys(self.declared, fresh)
        first = pc.index_in(keys, value_set=keys).to_numpy(zero_copy_only=False).astype(np.int64)
        times = pc.cast(fresh.column(self.declared.time_column), pa.int64()).to_numpy()
        # a key that comes twice, with two times, goes to one file
        for path, mine in self._place(period, fresh, times[first], ordered):
            known_there = held.pop(path, None)
            yield path, mine if known_there is None else pa.concat_tables([known_there, mine])
        yield from held.items()

    def _place(
        self,
        period: str,
        part: pa.Table,
        numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]",
        segments: Sequence[FileRecord],
    ) -> Iterator[tuple[str, pa.Table]]:
        """Rows by ``numbers`` (ids or times): where each lies, or the nearest end.

        ``segments``: in order of their ``min_key``, which is of the same kind.
        """
        starts = np.array([s.min_key or 0 for s in segments[1:]], dtype=np.int64)
        chosen = np.searchsorted(starts, numbers, side="right")
        for index in np.flatnonzero(np.bincount(chosen)):
            segment = segments[int(index)]
            mask = chosen == index
            mine, number = part.filter(from_numpy(mask)), numbers[mask]
            low, high = segment.min_key or 0, segment.max_key or 0
            beside = mine.num_rows >= ENOUGH_ROWS and (number.max() < low or number.min() > high)
            if segment.rows + mine.num_rows <= self._segment_rows and not beside:
                yield segment.path, mine
                continue
            # a full file takes only what belongs between its rows; the rest begins a new one
            inside = (number >= low) & (number <= high)
            if inside.any():
                yield segment.path, mine.filter(from_numpy(inside))
            below = mine.filter(from_numpy(number < low))
            if below.num_rows:  # only of the lowest segment
                yield self._free_path(period), below
            above = mine.filter(from_numpy(number > high))
            if above.num_rows:
                follower = segments[int(index) + 1 : int(index) + 2]
                room = follower and follower[0].rows + above.num_rows <= self._segment_rows
                yield follower[0].path if room else self._free_path(period), above

    def _without_other_periods(
        self, period: str, part: pa.Table, placed: Sequence[tuple[str, pa.Table]]
    ) -> tuple[pa.Table, list[RejectedRow]]:
        """Rows already stored under another period's date: the same id with another time.

        ``placed`` are the rows of this very commit that went to other periods.
        """
        declared = self.declared
        if declared.naming_column == declared.time_column or declared.period is Period.ALL:
            return part, []
        if declared.keeps_time:
            return part, []
        low, high = _key_range(declared, part)
        conflicts: list[RejectedRow] = []
        others = [(p, rows) for p, rows in placed if _overlap(declared, rows, low, high)]
        for record in self._metastore.files_overlapping(self.stream, low, high):
            if record.period != period:
                others.append((record.period, self._keys_of(record)))
        for other, stored in others:
            keys, there = row_keys(declared, part, stored)
            twice = pc.is_in(keys, value_set=there)
            if pc.any(twice).as_py():
                conflicts += contradictions(
                    part.filter(twice), f"this id is already stored with a time in {other}"
                )
                part = part.filter(pc.invert(twice))
        return part, conflicts

    def _keys_of(self, record: FileRecord) -> pa.Table:
        """The key columns of a file; of one without a key range they are remembered."""
        names = [n for n in self.declared.file_schema.names if n in self.declared.key]
        if record.min_key is not None:
            return self.read(record, names)
        change, table = self._keys.get(record.path, (0, None))
        if table is None or change != record.change:
            table = self.read(record, names)
            self._keys[record.path] = (record.change, table)
        return table

    # -- files ------------------------------------------------------------------------------------

    def _is_recorded(self, path: str, period: str) -> bool:
        """Whether the metastore knows the file as it is (a crash may have left it ahead)."""
        known = {f.path: f for f in self._metastore.files(self.stream, period)}
        return path in known and not is_changed(self._home / path, known[path])

    def _stored(self, path: str) -> pa.Table:
        if self._last is not None and self._last[0] == path:
            return self._last[1]
        known = self._metastore.file(path)
        try:
            if known is not None and not self._is_of_a_crash(known):
                files.check(self._home / path, known.digest)
            return files.read(self.declared, self._home / path)
        except FileNotFoundError:
            return self.declared.file_schema.empty_table()

    def _is_of_a_crash(self, known: FileRecord) -> bool:
        """Whether a commit broke off that wrote the file, within one tick of the folder's time."""
        path = self._home / known.path
        if not is_changed(path, known):
            return False
        return is_newer(files.read_untrusted(self.declared, path), known, path)

    def _described(self, path: str, period: str, table: pa.Table, digest: str) -> FileRecord:
        return files.describe(self.declared, self._home, path, period, table, digest)

    def _write(self, path: str, period: str, table: pa.Table) -> FileRecord:
        digest = files.write(self.declared, self._home, path, table)
        self._last = (path, table)
        return self._described(path, period, table, digest)

    def _quarantine(self, rejected: Sequence[RejectedRow]) -> int:
        if not rejected:
            return 0
        rows = quarantine_rows(self.stream, rejected)
        return self.sibling(QUARANTINE).commit([rows], StreamState(unit="none")).added

    def _sync(self, records: Sequence[FileRecord]) -> list[tuple[str, int]]:
        if not records:
            return []
        folder = self._home / paths.stream_folder(self.stream)
        return [(paths.folder_mark(self.stream), files.sync_folder(folder))]

    def _path(self, period: str, segment: int) -> str:
        return paths.lake_path(self.stream, period, segment)

    def _free_path(self, period: str) -> str:
        segment = 1
        while (self._home / self._path(period, segment)).exists():
            segment += 1
        return self._path(period, segment)


def _are_apart(segments: Sequence[FileRecord]) -> bool:
    """Whether every file has a key range, and no two of them meet; ``segments`` in order."""
    if any(s.min_key is None or s.max_key is None for s in segments):
        return False
    return all((a.max_key or 0) < (b.min_key or 0) for a, b in pairwise(segments))


def _key_range(declared: Dataset, rows: pa.Table) -> tuple[int | None, int | None]:
    """The least and the greatest key that is a number; ``None`` where there is none."""
    numbers = files.key_numbers(declared, rows)
    if numbers is None and declared.id_column is not None:
        numbers = integer_ids(rows.column(declared.id_column))
    if numbers is None:
        return None, None
    ends = pc.min_max(numbers).as_py()
    return ends["min"], ends["max"]


def _overlap(declared: Dataset, rows: pa.Table, low: int | None, high: int | None) -> bool:
    keys = files.key_numbers(declared, rows)
    if keys is None or not rows.num_rows:
        return bool(rows.num_rows)
    ends = pc.min_max(keys).as_py()
    return low is not None and high is not None and not (ends["max"] < low or high < ends["min"])


def _by_period(declared: Dataset, table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Rows by period, periods in the order received: the next rows probably go to the last one."""
    if table.num_rows == 0:
        return
    time = table.column(declared.time_column)
    ends = pc.min_max(pc.cast(time, pa.int64())).as_py()
    first, last = (paths.period_of(declared, ends[end]) for end in ("min", "max"))
    if first == last:
        yield first, table
        return
    starts = pc.cast(pc.floor_temporal(time, unit=declared.period.value), pa.int64())
    numbers = starts.to_numpy()
    for start in pc.unique(starts).to_pylist():
        rows = np.flatnonzero(numbers == start)
        together = rows[-1] - rows[0] < len(rows)  # and a slice copies nothing
        part = table.slice(rows[0], len(rows)) if together else table.take(from_numpy(rows))
        yield paths.period_of(declared, start), part
