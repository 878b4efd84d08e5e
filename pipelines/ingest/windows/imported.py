"""Rows that only files brought, and what the exchange says of them.

What a file proves counts at once, but whether it is of this market is known only when the exchange
shows rows of it. So the ids of each file are remembered (``Windows.imported``) until then. The
first answer with rows that the file has as well decides of the rest of it:

- All are equal: the file is ``CONFIRMED``.
- All differ: it is of another market or numbering. Its claim and its rows go.
- Some differ: its claim goes and its rows stay, ``DOUBTED``.

Whatever becomes of the rest, a row that differs is replaced by the exchange's.

Where ids have holes, or are text, files prove nothing. There an answer is compared with what files
brought row by row (``corrected``): a row that differs is replaced, and one that the exchange does
not show where it shows all rows goes to quarantine.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Key, Page, Paging, Window
from pipelines.ingest import checkpoint
from pipelines.ingest.checkpoint import CONFIRMED, DOUBTED, FileIds, FilesIds
from pipelines.ingest.session import Session
from pipelines.ingest.windows.evidence import Flags, Numbers, proved, receive
from pipelines.output.formatting import interval_text, with_fix
from schemas.wording import count
from warehouse import files
from warehouse.intervals import Interval, Intervals, subtract, union
from warehouse.merge import differs, row_keys
from warehouse.quarantine import contradictions
from warehouse.reader import StreamReader
from warehouse.store import StreamWriter

_LISTED: Final = 3
_SLACK_US: Final = 60_000_000
"""Times of rows need not rise strictly with their ids."""
NOT_SHOWN: Final = "the exchange shows all rows of this stretch, and not this one"
_FIX: Final = (
    "import the file of this market, if that was another; what is stored now is the exchange's"
)


@dataclass(frozen=True)
class Verdict:
    """What an answer says of imported rows.

    ``ids``: what only files brought, without the rows of the answer. ``wrong``: ids of rows that
    differ. ``removed`` and ``doubted``: the numbers of files all or some of whose rows differ.
    ``astray``: ids that are of another numbering than the exchange's.
    """

    ids: FilesIds
    wrong: tuple[int, ...] = ()
    removed: frozenset[int] = frozenset()
    doubted: frozenset[int] = frozenset()
    astray: Intervals = ()

    @property
    def withdraws(self) -> bool:
        """Whether a claim has to be taken back."""
        return bool(self.removed or self.doubted or self.astray)


@dataclass(frozen=True)
class Compared:
    """What is left of ``known`` after an answer. ``differs``: stored rows made room for its rows.
    ``stopped``: why the pull is to begin anew; empty where it goes on.
    """

    known: FilesIds
    differs: bool = False
    stopped: str = ""


class Comparison:
    """What one pull finds out of rows that only files brought."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._newest: dict[int, int] = {}
        self._replaced: set[int] = set()
        self._gone: set[str] = set()

    def compare(self, page: Page, window: Window, complete: Intervals, known: FilesIds) -> Compared:
        """``known`` with what ``page``, the answer to ``window``, says of it."""
        session, paging = self._session, self._session.paging
        if not known:
            return Compared(known)
        if not paging.dense:
            spans = proved(receive(page, window, paging), complete, paging)
            left, gone = corrected(session, page, spans, known)
            self._gone |= gone
            return Compared(left, bool(gone))
        verdict = judged(session, page, known, self._newest)
        if verdict.withdraws:
            return Compared(known, stopped=withdraw(session, verdict))
        if verdict.wrong:
            replace_wrong(session, verdict.wrong)
            self._replaced.update(verdict.wrong)
        return Compared(verdict.ids, bool(verdict.wrong))

    @property
    def problem(self) -> str:
        """What to tell the user at the end of the pull; empty where no row differed."""
        if self._gone:
            return corrections(self._session, self._gone)
        if not self._replaced:
            return ""
        what = f"{count(len(self._replaced), 'imported row')} replaced by the exchange's"
        return _other_rows(self._session, _as_spans([*self._replaced]), what)


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
        inside = within(ids, [span for span in met if span.file == file])
        if not inside.any():
            continue
        shown = files.file_rows(session.declared, [page.table.filter(pa.array(inside))], 0)
        equal, other = (_numbers(found) for found in _compared(session, shown))
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
    astray = _out_of_order(session, page, known, confirmed, newest)
    left = without_ids(known, _as_spans(seen))
    numbers = dict.fromkeys(confirmed, CONFIRMED) | dict.fromkeys(doubted, DOUBTED)
    left = tuple(FileIds(s.lower, s.upper, numbers.get(s.file, s.file)) for s in left)
    return Verdict(
        left,
        tuple(sorted(set(wrong))),
        frozenset(removed),
        frozenset(doubted),
        intervals(astray),
    )


def _out_of_order(
    session: Session, page: Page, known: FilesIds, confirmed: set[int], newest: dict[int, int]
) -> FilesIds:
    """The ids of files beyond those of ``page`` whose times lie among the exchange's.

    Rows of higher ids are newer. Ids of an older numbering may be higher; but then all of their
    rows are older than all of the exchange's. A file is looked at where it has the highest or the
    lowest ids of all. A single id of a file may be garbled. ``confirmed``: files with equal rows in
    ``page``. ``newest``: times that were looked up.
    """
    claimed = [s for s in known if s.file != DOUBTED]
    if not claimed:
        return ()
    ids = pc.cast(page.table.column("trade_id"), pa.int64()).to_numpy()
    ends = pc.min_max(pc.cast(page.table.column("timestamp"), pa.int64())).as_py()
    low, high, oldest = int(ids.min()), int(ids.max()), ends["min"]
    outermost = (claimed[0], max(claimed, key=lambda s: s.upper))
    if not any(s.upper <= low or s.lower > high for s in outermost):
        return ()
    alone = intervals(claimed)
    sure = intervals(s for s in claimed if s.file == CONFIRMED or s.file in confirmed)
    apart: list[Interval] = []  # what adjoins other rows has the ids of their numbering
    for i in session.state.complete:
        is_alone = _contains(alone, i)
        if is_alone:
            apart.append(i)
        is_shown = not is_alone or _contains(sure, i)
        if is_shown and i.upper <= high + 1 and i.first_at is not None:
            oldest = min(oldest, i.first_at)

    def is_astray(span: FileIds) -> bool:
        last = span.upper - 1
        is_below, is_above = last < low, span.lower > high
        if not (is_below or is_above) or not any(span.lower in i for i in apart):
            return False
        if last not in newest:
            newest[last] = session.writer.time_of(last)
        at = newest[last]
        if is_below:
            return bool(at > ends["min"] + _SLACK_US)
        return bool(oldest + _SLACK_US < at < ends["max"] - _SLACK_US)

    of = {s.file for s in outermost if is_astray(s)}
    return tuple(s for s in claimed if s.file in of and is_astray(s))


def _contains(spans: Intervals, run: Interval) -> bool:
    """Whether ``run`` lies in one of ``spans``, which are in order and do not touch."""
    at = bisect_right(spans, run.lower, key=lambda span: span.lower) - 1
    return at >= 0 and run.upper <= spans[at].upper


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
    spans = [*(Interval(s.lower, s.upper) for s in known if s.file in named), *verdict.astray]
    seams = _seams(known, named, spans)
    doubts = [Interval(s.lower, s.upper) for s in seams]
    complete = without(state.complete, [*spans, *doubts], writer)
    # what lay between a file's rows and the exchange's need not exist
    unshown = tuple(one for one in state.unshown if one.lost)
    writer.put(empty, replace(state, complete=complete, unshown=unshown))
    gone = [Interval(s.lower, s.upper) for s in known if s.file in verdict.removed]
    gone += verdict.astray
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


def corrected(
    session: Session, page: Page, spans: Intervals, known: FilesIds
) -> tuple[FilesIds, set[str]]:
    """``known``, of ids with holes or times, without ``spans``: those that ``page`` proves.

    There the exchange's rows count. Rows of files that differ make room for those of ``page``,
    which are committed next; rows that it does not show go to quarantine. Also gives their ids.
    """
    left = without_ids(known, spans)
    if not page.table.num_rows:
        return left, set()
    places = page.positions.to_numpy(zero_copy_only=False)
    met = [s for s in known if s.lower <= places.max() and places.min() < s.upper]
    inside = within(places, met)
    if not inside.any() and left == known:
        return known, set()
    rows = page.table.filter(pa.array(inside))
    _, wrong = _compared(session, files.file_rows(session.declared, [rows], 0))
    surplus = _not_shown(session, page, spans, known)
    gone = {*wrong, *surplus.column("trade_id").to_pylist()}
    if gone:
        session.flush()
        writer = session.writer
        rejected = contradictions(surplus, NOT_SHOWN)
        writer.put(session.declared.file_schema.empty_table(), writer.state(), rejected)
        names = pa.array(sorted(gone), pa.string())
        for record in writer.records():
            table = writer.read(record)
            is_gone = pc.is_in(table.column("trade_id"), value_set=names)
            if pc.any(is_gone).as_py():
                writer.shrink(record, table.filter(pc.invert(is_gone)))
    return left, gone


def _not_shown(session: Session, page: Page, spans: Intervals, known: FilesIds) -> pa.Table:
    """The stored rows of files in ``spans`` that ``page`` does not show."""
    proved = [
        Interval(max(s.lower, i.lower), min(s.upper, i.upper))
        for s in known
        for i in spans
        if s.lower < i.upper and i.lower < s.upper
    ]
    if not proved:
        return session.declared.file_schema.empty_table()
    ends = pc.min_max(pc.cast(page.table.column("timestamp"), pa.int64())).as_py()
    stored = session.writer.between(ends["min"], ends["max"] + 1)
    shown = pc.is_in(stored.column("trade_id"), value_set=page.table.column("trade_id"))
    places = positions_of(stored, session.paging)
    unreadable = [row.position for row in page.rejected if row.position is not None]
    keep = within(places, proved) & ~np.isin(places, np.array(unreadable, np.int64))
    return stored.filter(pc.and_(pa.array(keep), pc.invert(shown)))


def positions_of(rows: pa.Table, paging: Paging) -> Numbers:
    """The positions of trades: integer ids, or times in microseconds."""
    name = "trade_id" if paging.key is Key.INTEGER else "timestamp"
    found: Numbers = pc.cast(rows.column(name), pa.int64()).to_numpy()
    return found


def corrections(session: Session, gone: Iterable[str]) -> str:
    """What to tell the user of rows of files that ``corrected`` took away."""
    ids = sorted(gone)
    listed = ", ".join(ids[:_LISTED]) + (", …" if len(ids) > _LISTED else "")
    return with_fix(
        f"{session.stream.exchange} shows other rows than a file had (ids {listed}): "
        f"{count(len(ids), 'imported row')} taken out; what is stored there now is the exchange's",
        _FIX,
    )


def not_held(writer: StreamWriter, rows: pa.Table) -> pa.Table:
    """Those of ``rows`` whose keys are not stored."""
    for record in writer.files_meeting(rows):
        keys, held = row_keys(writer.declared, rows, writer.read(record, ["trade_id"]))
        rows = rows.filter(pc.invert(pc.is_in(keys, value_set=held)))
    return rows


def within(places: Numbers, spans: Iterable[FileIds | Interval]) -> Flags:
    """Which of ``places`` lie in one of ``spans``."""
    found = np.zeros(len(places), np.bool_)
    for span in spans:
        found |= (places >= span.lower) & (places < span.upper)
    return found


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
        gone = within(ids, spans)
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
        if not met:
            found.append(run)
            continue
        for piece in subtract((run,), met):
            low, high = piece.lower, piece.upper - 1
            first = (low, rows.time_of(low)) if low != run.lower else (run.first, run.first_at)
            last = (high, rows.time_of(high)) if high != run.upper - 1 else (run.last, run.last_at)
            found.append(Interval(low, high + 1, first[0], last[0], first[1], last[1]))
    return tuple(found)


def without_ids(known: Iterable[FileIds], taken: Sequence[Interval]) -> FilesIds:
    """``known`` less ``taken``."""
    left: list[FileIds] = []
    for span in known:
        met = [t for t in taken if t.lower < span.upper and span.lower < t.upper]
        pieces = subtract((Interval(span.lower, span.upper),), met) if met else ()
        left += [FileIds(p.lower, p.upper, span.file) for p in pieces] if met else [span]
    return in_order(left)


def in_order(ids: Iterable[FileIds]) -> FilesIds:
    """``ids`` in order; those of one kind that touch become one."""
    found: dict[int, list[FileIds]] = {}
    for span in sorted(ids, key=lambda span: (span.lower, span.file)):
        before = found.setdefault(span.file, [])
        if before and span.lower <= before[-1].upper:
            before[-1] = FileIds(before[-1].lower, max(before[-1].upper, span.upper), span.file)
        else:
            before.append(span)
    return tuple(sorted(chain(*found.values()), key=lambda span: (span.lower, span.file)))


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


def _numbers(ids: Iterable[str]) -> list[int]:
    return [int(id_) for id_ in ids]


def _compared(session: Session, shown: pa.Table) -> tuple[list[str], list[str]]:
    """The ids of ``shown`` that are stored with the same values, and those with others."""
    session.flush()  # a page before may be about to replace a file
    equal: list[str] = []
    other: list[str] = []
    for record in session.writer.files_meeting(shown):
        stored = session.writer.read(record)
        keys, held = row_keys(session.declared, shown, stored)
        at = pc.index_in(keys, value_set=held)
        is_held = pc.is_valid(at)
        mine, theirs = shown.filter(is_held), stored.take(at.drop_null())
        for id_, is_other in zip(
            mine.column("trade_id").to_pylist(), differs(mine, theirs).to_pylist(), strict=True
        ):
            (other if is_other else equal).append(id_)
    return equal, other
