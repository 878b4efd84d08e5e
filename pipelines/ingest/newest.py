"""Pull a stream of which the exchange shows only the newest rows.

Overlap proves that no row was missed since the last pull: the answer shows stored rows. Without
overlap, even in the largest answer, the stretch between is recorded as lost. Candles that are no
longer shown are built from the trades of their market, where those are stored.
"""

from dataclasses import replace
from typing import Final

import msgspec

from connectors.base import Key, Page, Window
from connectors.errors import ContractError
from pipelines.ingest import checkpoint, findings
from pipelines.ingest.checkpoint import Newest
from pipelines.ingest.derived import build_missing
from pipelines.ingest.session import Session, time_span
from pipelines.ingest.windows import imported
from pipelines.ingest.windows.evidence import HOUR_US, Received, proved, receive
from pipelines.ingest.windows.state import Restart
from schemas import TIMEFRAMES
from schemas.times import SECOND_US
from warehouse.clock import now_us
from warehouse.coverage_table import missing_intervals
from warehouse.intervals import Interval, Intervals, Unshown, add
from warehouse.state import StreamState

USUAL_ROWS: Final = 1000
_USUAL_SECONDS: Final = 300
"""As often are trades pulled as a rule."""


def pull_newest(session: Session) -> None:
    """One pull of a ``Cursor.NEWEST`` stream. Raises ``TidemarkError``."""
    known = checkpoint.load(session.state.checkpoint, Newest)
    of_files = checkpoint.imported_of(session.state.checkpoint)
    known = msgspec.structs.replace(known, imported=of_files)
    of_ids = session.paging.key is Key.INTEGER
    state = replace(session.state, unit="id" if of_ids else "time", remark="")
    most = session.paging.max_rows
    usual = min(most, max(USUAL_ROWS, session.task.lookback or 0))
    first = not state.complete or session.task.again is not None
    page, rows = _ask(session, state.complete, most if first else usual)
    spans = _proved(session, rows, state.complete)
    bounded = session.paging.max_span_us is not None
    unmet = spans[0].lower > state.complete[-1].upper if spans and not first else bounded
    if not first and usual < most and unmet:
        page, rows = _ask(session, state.complete, most)
        spans = _proved(session, rows, state.complete)
    if not len(rows.shown):
        _without_rows(session, known, state, page)
        return
    restart = _restart(known, state, rows) if of_ids else None
    if restart is not None:
        _restarted(session, known, restart, state, page)
        return
    left, corrected = of_files, set[str]()
    if of_files:
        left, corrected = imported.corrected(session, page, spans, of_files)
    held = state.complete[-1] if state.complete else None
    for span in spans:
        state = replace(state, complete=add(state.complete, span))
    newest = time_span(session.declared, page.table)
    state = replace(
        state,
        newest_at=max(newest[1] if newest else 0, state.newest_at or 0) or None,
        checked_at=(page.server_time or now_us()) - session.paging.cache_us,
        checkpoint=checkpoint.dump(Newest(change=known.change, imported=left)),
    )
    if session.paging.key is Key.TIME:
        session.commit(page.table, state, page.rejected)
        state, change = build_missing(session, state, known.change)
        state = replace(state, checkpoint=checkpoint.dump(Newest(change=change)))
    # The exchange will never show what else is wanted. That is a new loss only where coverage
    # existed before: not at the first contact, and not after the metastore was lost, when stored
    # rows are not proved to be all.
    holes = missing_intervals(state)
    # What lies before the first contact is no loss: ids from 0 on, or older times.
    begins = 0 if of_ids or held is None else session.state.complete[0].lower
    session.report.lost_found = held is not None and any(h.lower > begins for h in holes)
    if session.paging.key is not Key.TIME and not bounded:
        state = replace(
            state, remark=_too_rare(rows, is_lost=session.report.lost_found, first=first)
        )
    lost = [
        Unshown(hole.lower, hole.upper, session.started, session.started, lost=True)
        for hole in holes
    ]
    unshown = tuple(sorted([*state.unshown, *lost], key=lambda u: u.lower))
    session.commit(page.table, replace(state, unshown=unshown), page.rejected)
    if corrected:
        raise ContractError(imported.corrections(session, corrected))


def _too_rare(rows: Received, *, is_lost: bool, first: bool) -> str:
    """How often to pull, where rows were missed, or are likely to be; else empty."""
    seconds = int(rows.times.max() - rows.times.min()) // SECOND_US
    if not is_lost and not (first and seconds < _USUAL_SECONDS):
        return ""
    return (
        f"the newest {rows.size} rows, all that is shown, reach back {seconds} s: "
        f"pull at least every {max(seconds // 2, 1)} s, or rows are lost"
    )


def _ask(session: Session, complete: Intervals, limit: int) -> tuple[Page, Received]:
    window = Window(limit=limit)
    page = session.fetch(window)
    return page, receive(page, window, session.paging)


def _proved(session: Session, rows: Received, complete: Intervals) -> Intervals:
    """The spans that the answer proves. It holds the newest rows, so its upper end is not cut.

    Where a moment is no name of a row, others may join the newest one until it is an hour old.
    """
    timeframe = session.stream.timeframe
    step = TIMEFRAMES[timeframe] if timeframe else 1
    is_open = (
        session.paging.key is Key.TEXT
        and len(rows.times) > 0
        and session.started - int(rows.times.max()) <= HOUR_US
    )
    spans = proved(rows, complete, session.paging, step, top_is_whole=not is_open)
    if spans or not len(rows.positions) or session.paging.key is not Key.INTEGER:
        return spans
    at = int(rows.positions.argmax())
    top, time = int(rows.positions[at]), int(rows.times[at])
    return (Interval(top, top + 1, top, top, time, time),)


def _without_rows(session: Session, known: Newest, state: StreamState, page: Page) -> None:
    """Record an empty answer: the market has no trades yet, or the exchange is dead.

    Of an answer that shows a stretch of time, it says that the market was quiet.
    """
    never = not state.complete and state.newest_at is None
    if never or session.paging.max_span_us is not None:
        checked = (page.server_time or now_us()) - session.paging.cache_us
        session.commit(None, replace(state, checked_at=checked), page.rejected)
        return
    problems: list[str] = []
    remarks: list[str] = []
    findings.empty_head(session, known.empty_since, problems, remarks)
    since = known.empty_since or session.started
    found = checkpoint.dump(msgspec.structs.replace(known, empty_since=since, change=0))
    state = replace(state, checkpoint=found, remark=" · ".join(remarks))
    session.commit(None, state, page.rejected)
    if problems:
        raise ContractError(problems[0])


def _restart(known: Newest, state: StreamState, rows: Received) -> Restart | None:
    """The restart of the ids, if there is one: all rows are newer than those held, at lower ids."""
    if not len(rows.positions):
        return None
    top, newest = int(rows.positions.max()), int(rows.times.max())
    if known.restart is not None:
        again = rows.times[rows.positions == known.restart.row]
        old = len(again) and int(again[0]) == known.restart.row_at
        return None if old or top > known.restart.top else known.restart
    if not state.complete or state.newest_at is None:
        return None
    held = state.complete[-1]
    if top < held.upper - 1 and newest > state.newest_at:
        row = held.upper - 1 if held.last is None else held.last
        return Restart(held.upper - 1, row, held.last_at or state.newest_at, now_us())
    return None


def _restarted(
    session: Session, known: Newest, restart: Restart, state: StreamState, page: Page
) -> None:
    problems: list[str] = []
    remarks: list[str] = []
    findings.restarted(restart, problems, remarks, is_of_file=False)
    state = replace(
        state,
        complete=(),
        unshown=(),
        checkpoint=checkpoint.dump(msgspec.structs.replace(known, restart=restart, change=0)),
        remark=remarks[0],
    )
    session.commit(page.table, state, page.rejected)
    raise ContractError(problems[0])
