"""Read the stored rows of one stream: by time, by file, by what changed."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from schemas import StreamId, dataset
from warehouse import files, paths
from warehouse.errors import StorageError
from warehouse.merge import in_order
from warehouse.metastore import FileRecord, Metastore
from warehouse.recovery import fresh_state, unsettled_rows
from warehouse.state import StreamState


class StreamReader:
    """Reads the stored rows of one stream, file by file. Takes no lock."""

    def __init__(self, home: Path, metastore: Metastore, stream: StreamId) -> None:
        self.stream = stream
        self.declared = dataset(stream.dataset)
        self._home = home
        self._metastore = metastore

    def state(self) -> StreamState:
        """What is known of the stream now."""
        return self._metastore.state(self.stream)

    def is_new(self) -> bool:
        """Whether the metastore has no state of the stream."""
        return not self._metastore.is_registered(self.stream)

    def fresh_state(self) -> StreamState:
        """The state that follows from the stored rows alone: without coverage."""
        return fresh_state(self.declared, self.records(), self.read)

    def unsettled(self) -> frozenset[int]:
        """Integer ids of stored rows whose state may still change."""
        return unsettled_rows(self.declared, self.records(), self.read)

    def span(self) -> tuple[int, int] | None:
        """The times (microseconds) of the oldest and the newest stored row; ``None``: no row."""
        held = [f for f in self.records() if f.min_time is not None and f.max_time is not None]
        if not held:
            return None
        return min(f.min_time or 0 for f in held), max(f.max_time or 0 for f in held)

    def newest_time(self) -> int | None:
        """The time (microseconds) of the newest stored row."""
        return self._metastore.newest_time(self.stream)

    def tail(self, rows: int, columns: list[str] | None = None) -> pa.Table:
        """The newest ``rows`` stored rows, oldest first (whole, or some ``columns``)."""
        chosen: list[FileRecord] = []
        for record in reversed(self.records()):
            held = sum(f.rows for f in chosen)
            earliest = min((f.min_time or 0 for f in chosen), default=0)
            if rows <= 0 or (held >= rows and (record.max_time or 0) < earliest):
                break
            chosen.insert(0, record)
        table = self._together(chosen, columns)
        return table.slice(max(0, table.num_rows - rows))

    def between(self, low_us: int, high_us: int, columns: list[str] | None = None) -> pa.Table:
        """Stored rows whose time (microseconds) is in ``[low_us, high_us)``, in order."""
        chosen = [
            f
            for f in self.records()
            if f.max_time is not None and f.min_time is not None
            if f.max_time >= low_us and f.min_time < high_us
        ]
        time = self.declared.time_column
        wanted = None if columns is None else list(dict.fromkeys([*columns, time]))
        table = self._together(chosen, wanted)
        at = pc.cast(table.column(time), pa.int64())
        table = table.filter(pc.and_(pc.greater_equal(at, low_us), pc.less(at, high_us)))
        return table if columns is None else table.select(columns)

    def before(self, moment_us: int) -> pa.Table:
        """The rows before ``moment_us`` of the newest file that has any."""
        for record in reversed(self.records()):
            if record.min_time is not None and record.min_time < moment_us:
                return self.between(record.min_time, moment_us)
        return self.declared.file_schema.empty_table()

    def scan(self, columns: list[str], since_change: int = 0) -> Iterator[pa.Table]:
        """``columns`` of every file that changed after ``since_change``, oldest file first."""
        for record in self.records():
            if record.change > since_change:
                yield self.read(record, columns)

    def change(self) -> int:
        """The number of the newest change of the stream's files; 0 if there is none."""
        return self._metastore.change_of(self.stream)

    def periods(self, since_change: int = 0) -> list[str]:
        """The periods with a file that changed after ``since_change``, oldest first."""
        return sorted({f.period for f in self.records() if f.change > since_change})

    def period_of(self, time_us: int) -> str:
        """The period that a row of this time (microseconds) belongs to."""
        return paths.period_of(self.declared, time_us)

    def period(self, name: str) -> pa.Table:
        """The rows of one period, in the dataset's order; none for a period without a file."""
        return self._together([f for f in self.records() if f.period == name], None)

    def time_of(self, row_id: int) -> int:
        """The time (microseconds) of the row with this integer id.

        Where it is not stored (it may lie in quarantine): the newest time of the files that hold
        ids up to it; 0 if there is none.
        """
        column = self.declared.id_column
        below = [f for f in self.records() if f.min_key is not None and f.min_key <= row_id]
        for record in below:
            if column is not None and row_id <= (record.max_key or 0):
                table = self.read(record, [column, self.declared.time_column])
                at = pc.index(table.column(column), str(row_id)).as_py()
                if at >= 0:
                    return int(table.column(self.declared.time_column)[at].value)
        return max((f.max_time or 0 for f in below), default=0)

    def records(self) -> list[FileRecord]:
        """The stream's files, in order of their newest row."""
        return sorted(
            self._metastore.files(self.stream), key=lambda f: (f.max_time or 0, f.max_key or 0)
        )

    def _together(self, records: Sequence[FileRecord], columns: list[str] | None) -> pa.Table:
        """The rows of some files as one table in order; sorted only where files overlap."""
        if not records:
            schema = self.declared.file_schema
            return (
                pa.schema([schema.field(c) for c in columns]) if columns else schema
            ).empty_table()
        apart = all((a.max_time or 0) < (b.min_time or 0) for a, b in pairwise(records))
        if apart:
            return pa.concat_tables([self.read(f, columns) for f in records])
        wanted = None if columns is None else list(dict.fromkeys([*columns, *self.declared.order]))
        table = pa.concat_tables([self.read(f, wanted) for f in records])
        table = in_order(self.declared, table)
        return table if columns is None else table.select(columns)

    def read(self, record: FileRecord, columns: list[str] | None = None) -> pa.Table:
        """The rows of one file. Raises ``StorageError``."""
        path = self._home / record.path
        try:
            return files.read(self.declared, path, columns)
        except FileNotFoundError as error:
            raise StorageError(
                f"{path} is gone. Fix: restore it from a backup, or pull again"
            ) from error
