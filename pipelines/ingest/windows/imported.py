"""Rows that only files brought, and what the exchange says of them.

What a file proves counts at once, but whether it is of this market is known only when the exchange
shows rows of it. So the ids of each file are remembered (``Windows.imported``) until then. The
first answer with rows that the file has as well decides of the rest of it:

- All are equal: the file is ``CONFIRMED``.
- All differ: it is of another market or numbering. Its claim and its rows go.
- Some differ: its claim goes and its rows stay, ``DOUBTED``.

Whatever becomes of the rest, a row that differs is replaced by the exchange's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Page
from pipelines.ingest import checkpoint
from pipelines.ingest.checkpoint import CONFIRMED, DOUBTED, FileIds, FilesIds
from pipelines.ingest.session import Session
from pipelines.ingest.windows.evidence import Numbers
from pipelines.output.formatting import interval_text, with_fix
from schemas.wording import count
from warehouse import files
from warehouse.intervals import Interval, Intervals, subtract, union
from warehouse.merge import differs, row_keys
from warehouse.reader import StreamReader

_LISTED: Final = 3
_SLACK_US: Final = 60_000_000
"""Times of rows need not rise strictly with their ids."""
_FIX: Final = (
    "import the file of this market, if that was another; what is stored now is the exchange's"
)


@dataclass(frozen=True)
class Verdict:
    """What an answer says of imported rows.

    ``ids``: what only files brought, without the rows of the answer. ``wrong``: ids of rows that
    differ. ``removed`` and ``doubted``: the numbers of files all or some of whose rows differ.
    """

    ids: FilesIds
    wrong: tuple[int, ...] = ()
    removed: frozenset[int] = frozenset()
    doubted: frozenset[int] = frozenset()


def judged(session: Session, page: Page, known: FilesIds, newest: dict[int, int]) -> Verdict:
    """What ``page`` says of ``known``. ``newest``: what a pull remembers of the times of files.

    Rows that are newer than all held ones contradict none where the exchange may have begun its ids
    again, which is found out elsewhere.
    """
    if not known or not page.table.num_rows:
        return Verdict(known)
    ids = pc.cast(page.table.column("trade_id"), pa.int64()).to_numpy()
    low, high = int(ids.min()), int(ids.max())
    removed, doubted, confirmed = set[int](), set[int](), set[int]()
    wrong: list[int] = []
    seen: list[int] = []
    met = [s for s in known if s.lower <= high and low < s.upper]
    for file in {s.file for s in met}:
        inside = np.zeros(len(ids), bool)
        for span in met:
            if span.file == file:
                inside |= (ids >= span.lower) & (ids < span.upper)
        if not inside.any():
            continue
        shown = files.file_rows(session.declared, [page.table.filter(pa.array(inside))], 0)
        equal, other = _compared(session, shown)
        earliest = pc.min(pc.cast(shown.column("timestamp"), pa.int64())).as_py()
        is_newer = earliest > (session.state.newest_at or 0)
        if other and not equal and is_newer and not _continues(session, ids, known, file):
            continue
        seen += [*equal, *other]
        if file > 0 and other:
            (doubted if equal else removed).add(file)
        elif file > 0 and equal:
            confirmed.add(file)
        if file not in removed:
            wrong += other
    removed |= _out_of_order(session, page, known, newest)
    left = without_ids(known, _as_spans(seen))
    numbers = dict.fromkeys(confirmed, CONFIRMED) | dict.fromkeys(doubted, DOUBTED)
    left = tuple(FileIds(s.lower, s.upper, numbers.get(s.file, s.file)) for s in left)
    return Verdict(left, tuple(sorted(set(wrong))), frozenset(removed), frozenset(doubted))


def _out_of_order(
    session: Session, page: Page, known: FilesIds, newest: dict[int, int]
) -> set[int]:
    """The files whose ids lie beyond those of ``page``, and whose times lie among the exchange's.

    Rows of higher ids are newer. Ids of an older numbering may be higher; but then all of their
    rows are older than all of the exchange's. ``newest``: by file, the time of its highest id.
    """
    alone = intervals(s for s in known if s.file > 0)
    if not alone:
        return set()
    ids = pc.cast(page.table.column("trade_id"), pa.int64()).to_numpy()
    ends = pc.min_max(pc.cast(page.table.column("timestamp"), pa.int64())).as_py()
    low, high, oldest = int(ids.min()), int(ids.max()), ends["min"]
    apart: list[Interval] = []  # a file that adjoins other rows has the ids of their numbering
    for i in session.state.complete:
        if any(a.lower <= i.lower and i.upper <= a.upper for a in alone):
            apart.append(i)
        elif i.upper <= high + 1 and i.first_at is not None:
            oldest = min(oldest, i.first_at)
    found = set[int]()
    for file in {s.file for s in known if s.file > 0 and any(s.lower in i for i in apart)}:
        spans = [s for s in known if s.file == file]
        first, last = min(s.lower for s in spans), max(s.upper for s in spans) - 1
        if first <= high and low <= last:
            continue
        if file not in newest:
            newest[file] = session.writer.time_of(last)
        at = newest[file]
        if last < low and at > ends["min"] + _SLACK_US:
            found.add(file)
        if first > high and oldest + _SLACK_US < at < ends["max"] - _SLACK_US:
            found.add(file)
    return found


def _continues(session: Session, ids: Numbers, known: FilesIds, file: int) -> bool:
    """Whether the exchange goes on with ids that it has shown below those of ``file``."""
    complete = session.state.complete
    shown = subtract(complete, intervals(known))
    lowest = min(s.lower for s in known if s.file == file)
    return bool(shown) and shown[0].lower < lowest and int(ids.max()) >= complete[-1].upper


def withdraw(session: Session, verdict: Verdict) -> str:
    """Take the claim on the files of ``verdict`` back, and remove the rows of those that are of
    another market; what to tell the user of it.

    The claim goes first: a crash in between leaves rows that nothing claims, and their ids are
    remembered until all rows are gone. The outermost row of a file that touches is doubted as well,
    so that it is asked for and compared.
    """
    session.flush()
    writer = session.writer
    empty = session.declared.file_schema.empty_table()
    state = writer.state()
    known = checkpoint.imported_of(state.checkpoint)
    named = verdict.removed | verdict.doubted
    spans = [Interval(s.lower, s.upper) for s in known if s.file in named]
    seams = _seams(known, named, spans)
    doubts = [Interval(s.lower, s.upper) for s in seams]
    complete = without(state.complete, [*spans, *doubts], writer)
    # what lay between a file's rows and the exchange's need not exist
    unshown = tuple(one for one in state.unshown if one.lost)
    writer.put(empty, replace(state, complete=complete, unshown=unshown))
    gone = [Interval(s.lower, s.upper) for s in known if s.file in verdict.removed]
    removed = _remove(session, gone)
    state = writer.state()
    left = (s for s in known if s.file not in named)
    kept = (FileIds(s.lower, s.upper) for s in known if s.file in verdict.doubted)
    ids = in_order([*without_ids(left, gone), *kept, *seams])
    noted = checkpoint.with_imported(state.checkpoint, ids)
    writer.put(empty, replace(state, checkpoint=noted))
    what = f"{count(removed, 'imported row')} removed and " if gone else "what it says is "
    return _other_rows(
        session, spans, f"{what}no longer claimed; the exchange's own rows are fetched instead"
    )


def replace_wrong(session: Session, wrong: Sequence[int]) -> None:
    """Make room for the exchange's rows at ``wrong``, which are committed next."""
    session.flush()
    writer = session.writer
    state = writer.state()
    spans = _as_spans(wrong)
    complete = without(state.complete, spans, writer)
    writer.put(session.declared.file_schema.empty_table(), replace(state, complete=complete))
    _remove(session, spans)


def replaced(session: Session, wrong: Iterable[int]) -> str:
    """What to tell the user of rows at ``wrong`` that were replaced."""
    ids = [*wrong]
    what = f"{count(len(ids), 'imported row')} replaced by the exchange's"
    return _other_rows(session, _as_spans(ids), what)


def _other_rows(session: Session, spans: Sequence[Interval], what: str) -> str:
    listed = ", ".join(interval_text(span, "id") for span in spans[:_LISTED])
    more = ", …" if len(spans) > _LISTED else ""
    return with_fix(
        f"{session.stream.exchange} shows other rows than a file had ({listed}{more}): {what}", _FIX
    )


def _seams(known: FilesIds, named: frozenset[int], spans: Sequence[Interval]) -> list[FileIds]:
    """The outermost rows of other files that touch ``spans`` and that nothing confirmed yet."""
    beside = {s.lower - 1 for s in spans} | {s.upper for s in spans}
    return [
        FileIds(id_, id_ + 1)
        for s in known
        if s.file > 0 and s.file not in named
        for id_ in {s.lower, s.upper - 1}
        if id_ in beside
    ]


def _remove(session: Session, spans: Sequence[Interval]) -> int:
    """Remove the stored rows with ids in ``spans``; how many there were."""
    removed = 0
    if not spans:
        return removed
    writer = session.writer
    low, high = min(s.lower for s in spans), max(s.upper for s in spans)
    for record in writer.records():
        if (record.max_key or high) < low or (record.min_key or low) >= high:
            continue
        table = writer.read(record)
        ids = pc.cast(table.column("trade_id"), pa.int64()).to_numpy()
        gone = np.zeros(len(ids), bool)
        for span in spans:
            gone |= (ids >= span.lower) & (ids < span.upper)
        if gone.any():
            removed += int(gone.sum())
            writer.shrink(record, table.filter(pa.array(~gone)))
    return removed


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


def without_ids(known: Iterable[FileIds], taken: Sequence[Interval]) -> FilesIds:
    """``known`` less ``taken``."""
    return in_order(
        FileIds(piece.lower, piece.upper, span.file)
        for span in known
        for piece in subtract((Interval(span.lower, span.upper),), taken)
    )


def in_order(ids: Iterable[FileIds]) -> FilesIds:
    """``ids`` in order; those of one kind that touch become one."""
    by_file: dict[int, list[Interval]] = {}
    for span in ids:
        by_file.setdefault(span.file, []).append(Interval(span.lower, span.upper))
    found = (
        FileIds(i.lower, i.upper, file) for file, spans in by_file.items() for i in union(spans)
    )
    return tuple(sorted(found, key=lambda span: (span.lower, span.file)))


def intervals(known: Iterable[FileIds]) -> Intervals:
    """``known`` as intervals, whatever the file."""
    return union(Interval(span.lower, span.upper) for span in known)


def runs_of(ids: Numbers) -> Intervals:
    """The runs of consecutive numbers in ``ids``, in any order."""
    numbers = np.unique(ids)
    ends = np.flatnonzero(np.diff(numbers) > 1)
    low = numbers[np.concatenate([[0], ends + 1])] if len(numbers) else numbers
    high = numbers[np.concatenate([ends, [-1]])] if len(numbers) else numbers
    return tuple(Interval(int(a), int(b) + 1) for a, b in zip(low, high, strict=True))


def _as_spans(ids: Sequence[int]) -> Intervals:
    return runs_of(np.array(ids, np.int64))


def _compared(session: Session, shown: pa.Table) -> tuple[list[int], list[int]]:
    """The ids of ``shown`` that are stored with the same values, and those with others."""
    equal: list[int] = []
    other: list[int] = []
    for record in session.writer.files_meeting(shown):
        stored = session.writer.read(record)
        keys, held = row_keys(session.declared, shown, stored)
        at = pc.index_in(keys, value_set=held)
        is_held = pc.is_valid(at)
        mine, theirs = shown.filter(is_held), stored.take(at.drop_null())
        for id_, is_other in zip(
            mine.column("trade_id").to_pylist(), differs(mine, theirs).to_pylist(), strict=True
        ):
            (other if is_other else equal).append(int(id_))
    return equal, other
