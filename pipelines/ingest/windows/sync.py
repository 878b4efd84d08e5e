"""Pull a stream whose history is requested in windows of ids or of time.

One loop: ``plan`` the next request, fetch it, ``assess`` what the answer proves, ``advance`` the
progress, commit; until ``plan`` has no further request. All but fetching and committing is pure.
"""

import hashlib
from dataclasses import replace
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Cursor, Key, Page
from connectors.errors import ContractError
from pipelines.ingest import checkpoint, findings
from pipelines.ingest.budget import OutOfTimeError
from pipelines.ingest.checkpoint import Windows
from pipelines.ingest.session import Session
from pipelines.ingest.windows import imported
from pipelines.ingest.windows.advance import (
    advance,
    from_held_row,
    lacks_anchor,
    may_need_anchor,
)
from pipelines.ingest.windows.changes import cut
from pipelines.ingest.windows.evidence import assess, is_covered
from pipelines.ingest.windows.gaps import ignores
from pipelines.ingest.windows.plan import Done, plan
from pipelines.ingest.windows.state import Kind, Progress, Pull, Request, Upward
from schemas import TIMEFRAMES
from schemas.times import DAY_US
from schemas.wording import count
from warehouse.intervals import Interval, Intervals, subtract, union
from warehouse.state import StreamState

LOOKBACK_ROWS: Final = 1000
LOOKBACK_LEAST: Final = 100
LOOKBACK_CANDLES: Final = 3
_REMEMBERED_PAGES: Final = 3
_LISTED: Final = 3
_OF_NEWEST: Final = (Kind.HEAD, Kind.UP, Kind.BEYOND)


def pull_windows(session: Session) -> None:
    """One pull of a ``Cursor.ID`` or ``Cursor.TIME`` stream.

    Raises ``TidemarkError``; what was received by then is kept.
    """
    problems: list[str] = []
    try:
        while problem := _pull_once(session):
            problems.append(problem)
            session.last = session.writer.state()
            session.state = replace(session.last, wanted_from=session.wanted_from, delisted=False)
    except ContractError as error:
        raise ContractError(" · ".join([*_shortened(problems), str(error)])) from error
    if problems:
        raise ContractError(" · ".join(_shortened(problems)))


def _shortened(problems: list[str]) -> list[str]:
    """``problems``, of which there may be one for each of a thousand files."""
    left = len(problems) - _LISTED
    return [*problems[:_LISTED], *([f"the same of {count(left, 'more file')}"] if left > 0 else [])]


def _pull_once(session: Session) -> str:
    """What stopped the pull, which is to begin anew: imported rows that are not the exchange's."""
    known = checkpoint.load(session.state.checkpoint, Windows)
    files_alone = checkpoint.imported_of(session.state.checkpoint)
    known = msgspec.structs.replace(known, imported=files_alone)
    comparison = imported.Comparison(session)
    progress = begin(session, known)
    kept = session.state.complete if session.task.again else ()
    seen, change = known if session.task.again is None else Windows(), session.writer.change()
    known = msgspec.structs.replace(known, pages=(), change=change, quiet=True)
    while not isinstance(request := plan(progress), Done):
        if request.kind is Kind.PROBE:  # no rows are expected below the oldest
            session.hurry()
        try:
            page = session.fetch(request.window)
        except OutOfTimeError:
            if progress.checked:  # the newest rows were asked for; only older ones are left
                state = state_of(session, known, progress, kept)
                session.commit(None, replace(state, checked_at=session.started))
            raise
        found = comparison.compare(page, request.window, progress.complete, known.imported)
        if found.stopped:
            return found.stopped
        known = msgspec.structs.replace(known, imported=found.known)
        news = page.received and not _shows_held_rows_alone(page, request, progress)
        evidence = assess(page, request, progress)
        if may_need_anchor(progress, request, evidence):
            anchor = _row_below_head(session, _lookback(session, known), progress.complete[-1])
            progress = replace(progress, anchor=anchor)
        progress = advance(progress, request, evidence)
        if request.kind not in _OF_NEWEST or progress.raw_top != progress.pull.top_row:
            known = msgspec.structs.replace(known, quiet=False)
        if request.kind is Kind.HEAD and lacks_anchor(progress):
            anchor = _row_below_head(session, _lookback(session, known), progress.complete[-1])
            progress = replace(progress, anchor=anchor, up=Upward(anchor))
        if news or found.differs:
            known, is_repeated = _remembering(known, seen, page)
            table = None if is_repeated and not found.differs else page.table
            session.commit(table, state_of(session, known, progress, kept), page.rejected)
    finish(session, known, progress, kept, comparison.problem)
    return ""


def _remembering(known: Windows, seen: Windows, page: Page) -> tuple[Windows, bool]:
    """``known`` with the digest of a page, and whether its rows need not be compared again.

    That is where the pull before, of which ``seen`` is known, received the same page, and no file
    of the stream has changed since: they were compared with the same stored rows then.
    """
    if len(known.pages) >= _REMEMBERED_PAGES:
        return known, False
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, page.table.schema) as stream:
        stream.write_table(page.table.combine_chunks())
    digest = hashlib.blake2b(sink.getvalue(), digest_size=16).hexdigest()
    is_repeated = digest in seen.pages and known.change == seen.change and not page.rejected
    return msgspec.structs.replace(known, pages=(*known.pages, digest)), is_repeated


def _shows_held_rows_alone(page: Page, request: Request, p: Progress) -> bool:
    """Whether a control request showed only held rows that never change: no file need be read."""
    if request.kind is not Kind.CONTROL or page.rejected or p.pull.changes:
        return False
    return all(is_covered(p.complete, row) for row in page.positions.to_pylist())


def begin(session: Session, known: Windows) -> Progress:
    """The progress at the beginning of a pull."""
    state, paging, declared = session.state, session.paging, session.declared
    profile = known.profile
    if session.started - profile.keeps_at > DAY_US:  # not confirmed for a day: found out again
        profile = replace(profile, keeps=None)
    candles = paging.key is Key.TIME
    configured = session.task.lookback or 0
    complete = state.complete
    again = session.task.again
    if again is not None:
        complete = _without_stretch(session, again)
    pull = Pull(
        paging=paging,
        started=session.started,
        wanted_from=session.wanted_from,
        step=TIMEFRAMES[session.stream.timeframe] if session.stream.timeframe else 1,
        id_column=declared.naming_column,
        lookback=max(configured, LOOKBACK_CANDLES) if candles else configured,
        of_market=session.stream.symbol is not None,
        changes="status" in declared.schema.names,
        quiet=_is_quiet(session, known),
        held=state.newest_at is not None,
        top_before=complete[-1] if complete else None,
        newest_before=state.newest_at,
        forced=_stretch_of_positions(session, again),
    )
    progress = Progress(
        pull,
        complete=complete,
        unshown=state.unshown,
        unsettled=state.unsettled,
        newest_at=state.newest_at,
        profile=profile,
        restart=known.restart,
        beginning=known.beginning,
        settle_range=known.settle_range,
    )
    if not complete or profile.keeps != "oldest":
        return progress
    return from_held_row(
        progress, _row_below_head(session, _lookback(session, known), complete[-1])
    )


def _is_quiet(session: Session, known: Windows) -> bool:
    """Whether hardly any rows are expected, and none that may have changed."""
    if session.task.again is not None or known.restart is not None or known.imported:
        return False
    changes = "status" in session.declared.schema.names
    return known.quiet and session.paging.key is Key.INTEGER and not changes


def _lookback(session: Session, known: Windows) -> int:
    """How many rows below the head are read again where answers keep the oldest end."""
    if session.paging.key is Key.TIME:
        usual = LOOKBACK_CANDLES
    else:
        # The answers of the last pull may have been small because little was new.
        rows = known.profile.rows or LOOKBACK_ROWS
        usual = min(LOOKBACK_ROWS, max(rows, LOOKBACK_LEAST))
    return max(session.task.lookback or 0, usual)


def state_of(session: Session, known: Windows, progress: Progress, kept: Intervals) -> StreamState:
    """The stream's state for a commit. ``kept``: coverage before a pull that requests it again.

    It stays claimed, but for what this pull found to be no longer so.
    """
    remembered = msgspec.structs.replace(
        known,
        profile=progress.profile,
        settle_range=progress.settle_range,
        beginning=progress.beginning,
        restart=progress.restart,
    )
    if progress.restart != known.restart:
        kept = ()
    for row in progress.missing:
        kept = cut(kept, row)
    return replace(
        session.state,
        complete=union([*progress.complete, *kept]) if kept else progress.complete,
        unshown=progress.unshown,
        unit="id" if progress.pull.counts_ids else "time",
        checkpoint=checkpoint.dump(remembered),
        newest_at=progress.newest_at,
        unsettled=progress.unsettled,
    )


def finish(
    session: Session, known: Windows, progress: Progress, kept: Intervals, problem: str = ""
) -> None:
    """Record the end of the pull, and raise ``ContractError`` for what could not be fetched, and
    for ``problem``, if any.
    """
    problems = [*([problem] if problem else []), *progress.problems]
    remarks: list[str] = []
    if progress.head_empty:
        findings.empty_head(session, known.empty_since, problems, remarks)
    empty_since = (known.empty_since or session.started) if progress.head_empty else None
    if progress.stale:
        remarks.append("its newest rows are not shown")
    if progress.restart is not None:
        top = progress.restart.top
        is_of_file = any(s.file > 0 and s.lower <= top < s.upper for s in known.imported)
        findings.restarted(progress.restart, problems, remarks, is_of_file=is_of_file)
    if progress.doubtful and progress.profile.keeps != "newest":
        problems.append(ignores(progress))
    missing = progress.missing
    if missing and session.paging.drops_canceled:
        missing = _canceled(session, missing, state_of(session, known, progress, kept))
    findings.gone(session, missing, problems, remarks)
    known = msgspec.structs.replace(known, empty_since=empty_since)
    state = replace(
        state_of(session, known, progress, kept),
        checked_at=session.started if progress.checked else session.state.checked_at,
        remark=" · ".join(remarks),
    )
    if state != session.last:
        session.commit(None, state)
    session.report.lost_found = progress.lost_found
    if problems:
        raise ContractError(" · ".join(dict.fromkeys(problems)))


def _canceled(session: Session, missing: frozenset[int], state: StreamState) -> frozenset[int]:
    """Store the orders at ``missing``, which were open and are dropped, as canceled.

    Gives the positions of those that were filled in part: these are not dropped.
    """
    names = session.declared.connector_schema.names
    rows = pa.concat_tables([session.writer.between(at, at + 1, names) for at in sorted(missing)])
    is_open, untouched = pc.equal(rows["status"], "open"), pc.equal(rows["filled"], 0)
    dropped = rows.filter(pc.and_kleene(is_open, untouched))
    left = rows.filter(pc.and_kleene(is_open, pc.invert(pc.fill_null(untouched, False))))
    if dropped.num_rows:
        now = {"status": pa.array(["canceled"] * dropped.num_rows), "remaining": dropped["filled"]}
        ended = [now.get(name, dropped[name]) for name in names]
        session.commit(pa.table(ended, schema=session.declared.connector_schema), state)
        session.report.notice = (
            f"{session.stream}: {count(dropped.num_rows, 'open order')} no longer shown: canceled "
            "before anything was filled; this exchange drops such orders"
        )
    return frozenset(pc.cast(left["timestamp"], pa.int64()).to_pylist())


def _row_below_head(session: Session, rows: int, top: Interval) -> int | None:
    """The cursor value of the held row so many rows below the head."""
    declared = session.declared
    by_ids = session.paging.key is Key.INTEGER and session.paging.cursor is Cursor.ID
    column = declared.naming_column if by_ids else declared.time_column
    tail = session.writer.tail(rows, [column])
    if not tail.num_rows:
        return top.lower or None
    lowest: int = pc.min(pc.cast(tail.column(0), pa.int64())).as_py()
    return lowest


# -- asking again ----------------------------------------------------------------------------------


def _stretch_of_positions(
    session: Session, again: tuple[int, int] | None
) -> tuple[int, int] | None:
    """The positions between which the stretch of time ``again`` lies."""
    if again is None or session.paging.key is not Key.INTEGER:
        return again
    low, high = _neighbours(session, again)
    return (low[-1] + 1 if low else 0, high[0] if high else 2**62)


def _without_stretch(session: Session, again: tuple[int, int]) -> Intervals:
    """Coverage without the stretch of time ``again``, which is to be requested anew."""
    below, above = _neighbours(session, again)
    complete = session.state.complete
    if not complete:
        return ()
    low = below[-1] + 1 if below else complete[0].lower
    high = above[0] if above else complete[-1].upper
    if low >= high:
        return complete
    found: list[Interval] = []
    for piece in subtract(complete, [Interval(low, high)]):
        held = next(i for i in complete if i.lower <= piece.lower < i.upper)
        if piece.upper == low and below:
            last = below[0] if below[0] >= piece.lower else below[-1]
            found.append(Interval(piece.lower, piece.upper, held.first, last, held.first_at))
        elif piece.lower == high and above:
            first = above[-1] if above[-1] < piece.upper else above[0]
            found.append(Interval(piece.lower, piece.upper, first, held.last, None, held.last_at))
        else:
            found.append(held)
    return tuple(found)


def _neighbours(session: Session, again: tuple[int, int]) -> tuple[list[int], list[int]]:
    """Positions of stored rows next to a stretch of time: up to two on either side, in order."""
    low, high = again
    column = session.declared.naming_column if session.paging.key is Key.INTEGER else None
    time = session.declared.time_column

    def positions(since: int, until: int) -> list[int]:
        names = [time] if column is None else [column, time]
        table = session.writer.between(max(0, since), until, names)
        return sorted({*pc.cast(table.column(0), pa.int64()).to_pylist()})

    below = positions(low - DAY_US, low) or positions(0, low)
    above = positions(high, high + DAY_US) or positions(high, 2**62)
    return below[-2:], above[:2]
