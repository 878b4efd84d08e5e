"""Rows that only files brought, and what the exchange says of them.

What a file proves counts at once, but whether it is of this market is known only when the exchange
shows a row of it. So the ids of such files are remembered (``Windows.imported``). The first answer
with a row that the file has as well decides: if one is equal, the file is confirmed. If all differ,
it is of another market or numbering; then its claim and its rows go, and the exchange's rows are
fetched.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Page
from pipelines.ingest import checkpoint
from pipelines.ingest.session import Session
from pipelines.output.formatting import interval_text, with_fix
from schemas.wording import count
from warehouse import files
from warehouse.intervals import Interval, Intervals, subtract, union
from warehouse.merge import differs, row_keys
from warehouse.reader import StreamReader

_LISTED: Final = 3
_FIX: Final = (
    "import the file of this market, if that was another; what is stored now is the exchange's"
)


def judged(session: Session, page: Page, spans: Intervals) -> tuple[Intervals, Intervals]:
    """Those of ``spans`` that ``page`` confirms, and those that it contradicts.

    Rows that are newer than all held ones contradict none: the exchange may have begun its ids
    again, which is found out elsewhere.
    """
    good: list[Interval] = []
    bad: list[Interval] = []
    if not spans or not page.table.num_rows:
        return (), ()
    ids = pc.cast(page.table.column("trade_id"), pa.int64()).to_numpy()
    for span in spans:
        inside = (ids >= span.lower) & (ids < span.upper)
        if not inside.any():
            continue
        shown = files.file_rows(session.declared, [page.table.filter(pa.array(inside))], 0)
        found = _compared(session, shown)
        earliest = pc.min(pc.cast(shown.column("timestamp"), pa.int64())).as_py()
        if found and earliest > (session.state.newest_at or 0):
            continue
        if found is not None:
            (bad if found else good).append(span)
    return tuple(good), tuple(bad)


def withdraw(session: Session, spans: Intervals) -> str:
    """Take the claim on ``spans`` back, then remove their rows; what to tell the user of it.

    The claim goes first: a crash in between leaves rows that nothing claims, and ``spans`` are
    remembered until all rows are gone.
    """
    session.flush()
    writer = session.writer
    empty = session.declared.file_schema.empty_table()
    state = writer.state()
    writer.put(empty, replace(state, complete=without(state.complete, spans, writer)))
    removed = 0
    for record in writer.records():
        table = writer.read(record)
        ids = pc.cast(table.column("trade_id"), pa.int64()).to_numpy()
        gone = np.zeros(len(ids), bool)
        for span in spans:
            gone |= (ids >= span.lower) & (ids < span.upper)
        if gone.any():
            removed += int(gone.sum())
            writer.shrink(record, table.filter(pa.array(~gone)))
    state = writer.state()
    left = subtract(checkpoint.imported_of(state.checkpoint), spans)
    noted = checkpoint.with_imported(state.checkpoint, left)
    writer.put(empty, replace(state, checkpoint=noted))
    ids_ = ", ".join(interval_text(span, "id") for span in spans[:_LISTED])
    return with_fix(
        f"{session.stream.exchange} shows other rows than a file had ({ids_}): "
        f"{count(removed, 'imported row')} removed and no longer claimed; the exchange's own rows "
        "are fetched instead",
        _FIX,
    )


def without(complete: Intervals, spans: Sequence[Interval], rows: StreamReader) -> Intervals:
    """``complete`` less ``spans``, of ids without holes: each end is a row, of which ``rows`` has
    the time.
    """
    found: list[Interval] = []
    for run in complete:
        met = [s for s in spans if s.lower < run.upper and run.lower < s.upper]
        for piece in subtract((run,), met):
            low, high = piece.lower, piece.upper - 1
            first = (low, rows.time_of(low)) if low != run.lower else (run.first, run.first_at)
            last = (high, rows.time_of(high)) if high != run.upper - 1 else (run.last, run.last_at)
            found.append(Interval(low, high + 1, first[0], last[0], first[1], last[1]))
    return tuple(found)


def noted(
    known: Intervals, rows: Interval, shown: Intervals, contested: Sequence[int], *, agrees: bool
) -> Intervals:
    """What is to be remembered: ``known`` with the ids of a file.

    ``shown``: what the exchange has shown; ``agrees``: the file has a row of it. ``contested``: ids
    on which two files differ. Each is a span of its own, which only the exchange's row decides.
    """
    single = {s.lower for s in known if s.upper - s.lower == 1} | {*contested}
    apart = tuple(Interval(id_, id_ + 1) for id_ in sorted(single))
    plain = (Interval(i.lower, i.upper) for i in (*known, rows))
    spans = subtract(union(plain), (*shown, *apart))
    if agrees:
        spans = tuple(s for s in spans if s.upper < rows.lower or rows.upper < s.lower)
    return tuple(sorted((*spans, *apart), key=lambda span: span.lower))


def _compared(session: Session, shown: pa.Table) -> bool | None:
    """Whether stored rows differ from all of ``shown``; ``None`` where none of them is stored."""
    is_met = False
    for record in session.writer.files_meeting(shown):
        stored = session.writer.read(record)
        keys, held = row_keys(session.declared, shown, stored)
        at = pc.index_in(keys, value_set=held)
        is_held = pc.is_valid(at)
        mine, theirs = shown.filter(is_held), stored.take(at.drop_null())
        if mine.num_rows:
            is_met = True
            if not pc.all(differs(mine, theirs)).as_py():
                return False
    return True if is_met else None
