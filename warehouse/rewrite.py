"""Put rows in place of stored ones, and take rows out of quarantine: for a mended parser only.

A pull lets the first state of a row that never changes stand; here the rows that come are right,
whatever is stored. Rows that leave a file leave it before they appear in another, so no reader
meets one twice; what a crash leaves out between the two, the same rewriting puts in again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from warehouse import files
from warehouse.errors import from_os_error
from warehouse.lake import StreamWriter
from warehouse.ledger import FileRecord, Ledger, StreamId, StreamState
from warehouse.merge import differs, row_keys
from warehouse.quarantine import Refused, quarantine_stream
from warehouse.reconcile import folder_mark

NEWER_US: Final = 300_000_000
"""A stored state that was written so much later than a row came (5 min) is of a later answer."""


@dataclass(frozen=True)
class Rewritten:
    """What a rewriting changed. ``newer``: rows left as they were stored, from a later answer."""

    added: int = 0
    replaced: int = 0
    quarantined: int = 0
    newer: int = 0


class Rewriter(StreamWriter):
    """Writes one stream. The caller holds the stream's lock for as long as this object lives."""

    def __init__(self, home: Path, ledger: Ledger, stream: StreamId) -> None:
        super().__init__(home, ledger, stream)
        self._declared = self.dataset
        self.dataset = replace(self.dataset, replaces=True)

    def rewrite(
        self, rows: pa.Table, state: StreamState, refused: Sequence[Refused] = ()
    ) -> Rewritten:
        """Store ``rows``, each key once, in place of what is stored under the same keys.

        ``rows`` have the column ``ingested_at``: when they came. A row that equals the stored one
        changes nothing; nor does one of a dataset whose rows may change where the stored state is
        of a later answer.
        """
        table = self._as_file_rows([rows])
        due = np.ones(table.num_rows, dtype=bool)
        newer = moved = removed = 0
        leaving: list[tuple[FileRecord, pa.Table]] = []
        keys = row_keys(self.dataset, table)
        for record in self._files_meeting(table):
            stored = self._read(record)
            if self._declared.snapshot:
                gone_rows = self._not_observed(table, stored)
                if pc.any(gone_rows).as_py():
                    removed += int(pc.sum(gone_rows).as_py())
                    leaving.append((record, stored.filter(pc.invert(gone_rows))))
            at = pc.index_in(keys, value_set=row_keys(self.dataset, stored))
            held = np.flatnonzero(pc.is_valid(at).to_numpy(zero_copy_only=False))
            if not len(held):
                continue
            mine = table.take(held)
            theirs = stored.take(at.take(held))
            other = differs(mine, theirs).to_numpy(zero_copy_only=False)
            later = _later(mine, theirs) if self._declared.replaces else np.zeros(len(held), bool)
            newer += int((other & later).sum())
            due[held[~other | later]] = False
            gone = held[other & ~later]
            gone = gone[[self._period(table, int(i)) != record.period for i in gone]]
            if len(gone):
                moved += len(gone)
                out = pc.is_in(row_keys(self.dataset, stored), value_set=keys.take(gone))
                leaving.append((record, stored.filter(pc.invert(out))))
        for record, left in leaving:
            self.shrink(record, left)
        done = self.commit([table.filter(pa.array(due))], state, refused)
        replaced = done.replaced + moved + removed
        return Rewritten(done.added - moved, replaced, done.quarantined, newer)

    def shrink(self, record: FileRecord, left: pa.Table) -> None:
        """Let a file hold ``left`` only; without rows it is removed."""
        path = self.home / record.path
        self._last = None
        mark = folder_mark(self.dataset, self.stream)
        if left.num_rows:
            files.write(self.dataset, path, left)
            folders = [(mark, files.sync_folder(path.parent))]
            mended = files.describe(self.dataset, self.home, record.path, record.period, left)
            self.ledger.record(self.stream, self.ledger.state(self.stream), [mended], folders)
            return
        try:
            path.unlink()
        except OSError as error:
            raise from_os_error(error, "cannot remove", path) from error
        folders = [(mark, files.sync_folder(path.parent))]
        rest = [f for f in self.ledger.files(self.stream) if f.path != record.path]
        self.ledger.adopt(self.stream, rest, folders)

    def _as_file_rows(self, rows: Sequence[pa.Table]) -> pa.Table:
        schema = self.dataset.file_schema
        return pa.concat_tables([t.select(schema.names) for t in rows]).cast(schema)

    def _files_meeting(self, table: pa.Table) -> list[FileRecord]:
        if not table.num_rows:
            return []
        keys = files.key_numbers(self.dataset, table)
        ends = {"min": 0, "max": 0} if keys is None else pc.min_max(keys).as_py()
        return self.ledger.files_overlapping(self.stream, ends["min"], ends["max"])

    def _not_observed(self, table: pa.Table, stored: pa.Table) -> pa.Array:
        """Stored rows of an observation in ``table`` that it does not hold: it is one whole."""
        time = self.dataset.time_column
        then = pc.is_in(stored.column(time), value_set=table.column(time))
        keys = row_keys(self.dataset, table)
        there = pc.is_in(row_keys(self.dataset, stored), value_set=keys)
        return pc.and_(then, pc.invert(there))

    def _period(self, table: pa.Table, row: int) -> str:
        time: int = table.column(self.dataset.time_column)[row].value
        return files.period_of(self.dataset, time)


def release(home: Path, ledger: Ledger, stream: StreamId, hashes: set[str]) -> int:
    """Take the rows ``hashes`` of ``stream`` out of quarantine; how many there were.

    The caller holds the stream's lock.
    """
    writer = Rewriter(home, ledger, quarantine_stream(stream))
    released = 0
    for record in ledger.files(writer.stream):
        table = files.read(writer.dataset, home / record.path)
        out = pc.is_in(table.column("row_hash"), value_set=pa.array(sorted(hashes), pa.string()))
        count = int(pc.sum(out).as_py() or 0)
        if count:
            writer.shrink(record, table.filter(pc.invert(out)))
            released += count
    return released


def refused_rows(home: Path, ledger: Ledger, stream: StreamId) -> dict[str, str]:
    """The rows of ``stream`` in quarantine: payload by hash."""
    writer = StreamWriter(home, ledger, quarantine_stream(stream))
    found: dict[str, str] = {}
    for record in ledger.files(writer.stream):
        table = files.read(writer.dataset, home / record.path, ["row_hash", "payload"])
        found |= dict(zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True))
    return found


def _later(mine: pa.Table, theirs: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    came = pc.cast(mine.column("ingested_at"), pa.int64()).to_numpy()
    written = pc.cast(theirs.column("ingested_at"), pa.int64()).to_numpy()
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = written > came + NEWER_US
    return found
