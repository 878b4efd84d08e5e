"""Replace stored rows, and release rows from quarantine, after a parser was fixed.

A pull keeps the first state of a row that never changes; a rewrite takes the given rows instead. A
row that moves to another file is removed from the first file before it is written to the second, so
that no reader sees it twice. After a crash between the two, repeating the rewrite restores the row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas import Dataset, RejectedRow
from warehouse.merge import differs, row_keys
from warehouse.metastore import FileRecord
from warehouse.paths import QUARANTINE
from warehouse.state import StreamState
from warehouse.store import StreamWriter

NEWER_US: Final = 300_000_000
"""A state stored so much later than a row was received (5 min) is of a later response."""


@dataclass(frozen=True)
class Rewritten:
    """What a rewriting changed. ``newer``: rows left as they were stored, from a later response."""

    added: int = 0
    replaced: int = 0
    quarantined: int = 0
    newer: int = 0


def rewrite(
    writer: StreamWriter,
    rows: pa.Table,
    state: StreamState,
    rejected: Sequence[RejectedRow] = (),
) -> Rewritten:
    """Store ``rows``, each key once, in place of what is stored under the same keys.

    ``rows`` are rows of lake files (``ingested_at``: when they came). A row that equals the stored
    one changes nothing; nor does one of a dataset whose rows may change where the stored state is
    of a later response.
    """
    declared = writer.declared
    table = rows.select(declared.file_schema.names).cast(declared.file_schema)
    times = table.column(declared.time_column)
    due = np.ones(table.num_rows, dtype=bool)
    newer = moved = removed = 0
    leaving: list[tuple[FileRecord, pa.Table]] = []
    for record in writer.files_meeting(table):
        stored = writer.read(record)
        keys, stored_keys = row_keys(declared, table, stored)
        if declared.snapshot:
            gone_rows = _not_observed(writer, table, stored, keys, stored_keys)
            if pc.any(gone_rows).as_py():
                removed += int(pc.sum(gone_rows).as_py())
                leaving.append((record, stored.filter(pc.invert(gone_rows))))
        at = pc.index_in(keys, value_set=stored_keys)
        held = np.flatnonzero(pc.is_valid(at).to_numpy(zero_copy_only=False))
        if not len(held):
            continue
        mine = table.take(held)
        theirs = stored.take(at.take(held))
        other = differs(mine, theirs).to_numpy(zero_copy_only=False)
        later = _later(mine, theirs) if declared.replaces else np.zeros(len(held), bool)
        newer += int((other & later).sum())
        due[held[~other | later]] = False
        gone = held[other & ~later]
        gone = gone[[writer.period_of(times[i].value) != record.period for i in gone]]
        if len(gone):
            moved += len(gone)
            out = pc.is_in(stored_keys, value_set=keys.take(gone))
            leaving.append((record, stored.filter(pc.invert(out))))
    for record, left in leaving:
        writer.shrink(record, left)
    done = writer.put(table.filter(pa.array(due)), state, rejected, replaces=True)
    replaced = done.replaced + moved + removed
    return Rewritten(done.added - moved, replaced, done.quarantined, newer)


def release(writer: StreamWriter, hashes: set[str]) -> int:
    """Take the rows ``hashes`` out of the quarantine of a stream; how many there were."""
    quarantine = writer.sibling(QUARANTINE)
    released = 0
    for record in quarantine.records():
        table = quarantine.read(record)
        out = pc.is_in(table.column("row_hash"), value_set=pa.array(sorted(hashes), pa.string()))
        count = int(pc.sum(out).as_py() or 0)
        if count:
            quarantine.shrink(record, table.filter(pc.invert(out)))
            released += count
    return released


def quarantined_rows(writer: StreamWriter) -> dict[str, str]:
    """The rows of a stream in quarantine: payload by hash."""
    found: dict[str, str] = {}
    for table in writer.sibling(QUARANTINE).scan(["row_hash", "payload"]):
        found |= dict(zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True))
    return found


def _not_observed(
    writer: StreamWriter, table: pa.Table, stored: pa.Table, keys: pa.Array, stored_keys: pa.Array
) -> pa.Array:
    """Stored rows of an observation in ``table`` that it does not hold: it is one whole."""
    then = pc.is_in(_observation(writer.declared, stored), _observation(writer.declared, table))
    there = pc.is_in(stored_keys, value_set=keys)
    return pc.and_(then, pc.invert(there))


def _observation(declared: Dataset, rows: pa.Table) -> pa.ChunkedArray:
    """What the rows of one observation have in common: the moment, and the market of many."""
    time = pc.cast(rows.column(declared.time_column), pa.int64())
    if not declared.holds_markets:
        return time
    return pc.binary_join_element_wise(rows.column("symbol"), pc.cast(time, pa.string()), " ")


def _later(mine: pa.Table, theirs: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    came = pc.cast(mine.column("ingested_at"), pa.int64()).to_numpy()
    written = pc.cast(theirs.column("ingested_at"), pa.int64()).to_numpy()
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = written > came + NEWER_US
    return found
