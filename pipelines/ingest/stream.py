"""Pull one stream: open it in the store, choose the way it is paged, report the outcome."""

from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from connectors.base import Cursor
from connectors.errors import NotOfferedError, RequestError
from pipelines.ingest.budget import OutOfTimeError
from pipelines.ingest.committer import Committer
from pipelines.ingest.derived import build_candles
from pipelines.ingest.lookup import pull_lookups
from pipelines.ingest.newest import pull_newest
from pipelines.ingest.observing import Answer, Round, store_answers
from pipelines.ingest.reference import pull_reference
from pipelines.ingest.report import StreamReport
from pipelines.ingest.session import Session, Task
from pipelines.ingest.snapshot import store_snapshot
from pipelines.ingest.walk import pull_walk
from pipelines.ingest.windows.sync import pull_windows
from schemas import TidemarkError
from schemas.times import to_datetime
from warehouse.errors import InUseError


def _pull_snapshot(session: Session) -> None:
    if session.declared.is_reference:
        pull_reference(session)
    else:  # of the whole account; those of markets come in rounds
        store_snapshot(session, session.connector.snapshot(session.stream.dataset, ()))


WAYS: dict[Cursor, Callable[[Session], None]] = {
    Cursor.ID: pull_windows,
    Cursor.TIME: pull_windows,
    Cursor.NEWEST: pull_newest,
    Cursor.PAGES: pull_walk,
    Cursor.DERIVED: build_candles,
    Cursor.LOOKUP: pull_lookups,
    Cursor.SNAPSHOT: _pull_snapshot,
}


def pull_stream(task: Task) -> StreamReport:
    """Pull what is missing. Never raises an error of a stream: the report holds it."""
    return _in_session(task, WAYS[task.paging.cursor])


def end_stream(task: Task) -> StreamReport:
    """Report once that the exchange lists the stream's market no longer. Its rows stay."""

    def work(session: Session) -> None:
        state = session.writer.state()
        if state.delisted:
            return
        session.report.notice = (
            f"{session.stream}: {session.stream.exchange} lists this market no longer; "
            "what was collected stays, nothing more is asked for unless it is listed again"
        )
        session.commit(None, replace(state, delisted=True))

    return _in_session(task, work)


def round_of(task: Task, calls: Sequence[Sequence[str]], *, is_whole: bool) -> Round:
    """A round of snapshots of the markets of an exchange, each of ``calls`` of some of them.

    ``is_whole``: of all that it lists. What it shows now is not shown again: to be stored, it waits
    for whoever holds the stream.
    """
    return Round(replace(task, budget=None), calls, is_whole, _store_answers, _refused)


def _store_answers(task: Task, answers: Sequence[Answer], listed: Set[str] | None) -> StreamReport:
    return _in_session(task, lambda session: store_answers(session, answers, listed))


def problem(error: Exception) -> str:
    """What ended a stream. Of an error that nothing foresaw its kind and place, never its text."""
    if isinstance(error, TidemarkError):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return (
        f"{type(error).__name__}{place}: a defect of Tidemark; the other streams are pulled. "
        "Fix: report it with this line"
    )


def _refused(task: Task, report: StreamReport, error: Exception) -> StreamReport:
    """``report`` with ``error``; a request about a market that is closed may well be refused, and
    not every server has every list of an account.
    """
    offer = task.connector.offers[task.stream.dataset]
    if isinstance(error, NotOfferedError) and offer.part(task.stream.symbol) is not offer:
        return replace(report, notice=f"{task.stream}: {error}")
    closed: set[str] = set()
    if task.stream.symbol is not None and isinstance(error, RequestError):
        with suppress(TidemarkError):
            closed = {m.symbol for m in task.connector.markets() if not m.active}
    if task.stream.symbol in closed:
        notice = f"{task.stream}: this market is listed, but closed, and the exchange says: {error}"
        return replace(report, notice=notice)
    return replace(report, error=problem(error))


def _in_session(task: Task, work: Callable[[Session], None]) -> StreamReport:
    report = task.report()
    try:
        with task.store.open_stream(task.stream, wait=task.budget is None) as writer:
            try:
                with Committer(writer, report) as committer:
                    session = Session(task, writer, committer, report)
                    try:
                        work(session)
                    finally:
                        session.finished()
            finally:
                newest = writer.newest_time()
                report.newest = None if newest is None else to_datetime(newest)
    except (OutOfTimeError, InUseError):
        report.unfinished = True
    except RequestError as error:
        report = _refused(task, report, error)
    except Exception as error:
        report.error = problem(error)
    return report
