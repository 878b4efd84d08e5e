"""Pull a history page by page, from the first page to the last, in whatever order the rows come.

The exchange gives the total number of rows; the walk is complete when as many distinct rows are
held. A row that appears during the walk shifts the pages, so that a row may come twice or be
skipped. Then the count does not match, and the walk is repeated.
"""

from dataclasses import replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import ContractError, RequestError
from pipelines.ingest import checkpoint, findings
from pipelines.ingest.checkpoint import Walk
from pipelines.ingest.renaming import rename_stored
from pipelines.ingest.session import Session, time_span
from schemas.declare import UNSETTLED
from warehouse.intervals import Interval
from warehouse.state import StreamState

_WALKS: Final = 3


def pull_walk(session: Session) -> None:
    """One pull of a ``Cursor.PAGES`` stream. Raises ``TidemarkError``."""
    known = checkpoint.load(session.state.checkpoint, Walk)
    key = session.declared.naming_column
    held, waiting = _held(session, key)
    is_first = True
    state = replace(session.state, unit="time", remark="", checkpoint=checkpoint.dump(Walk()))
    for _ in range(_WALKS):
        received: set[str] = set()
        malformed: set[str] = set()
        total: int | None = None
        token: str | None = None
        while True:
            session.keep_going()
            try:
                page = session.count(session.connector.page(session.stream, token))
            except RequestError:
                if total is None or len(received) + len(malformed) < total:
                    raise
                token = None  # the last page named a next one
                break
            if is_first and held and page.table.num_rows and _rename(session, page.table):
                held, waiting = _held(session, key)
            is_first = is_first and not page.table.num_rows
            before = len(received) + len(malformed)
            received |= set(page.table.column(key).to_pylist())
            malformed |= {row.payload for row in page.rejected}
            walked = len(received) + len(malformed)
            span = time_span(session.declared, page.table)
            newest = max(span[1] if span else 0, state.newest_at or 0) or None
            state = replace(state, newest_at=newest)
            session.commit(page.table, state, page.rejected)
            token = page.next_token
            total = page.total
            known_rows = len(held | received) + len(malformed)
            # A count that the walk reaches before its last page is wrong: read on.
            if token is None or (known_rows == total and walked < total and waiting <= received):
                break
            if walked == before:  # it may name next pages for ever: the count decides
                token = None
                if total is None:
                    raise ContractError(
                        "the exchange named a next page, which holds nothing new. What was "
                        "received is stored; nothing is claimed as complete. Fix: pull again later"
                    )
                break
        if held and not walked:
            _without_rows(session, known, state)
            return
        if total is None or token is not None or walked >= total:
            break
    else:
        raise ContractError(
            f"the exchange counts {total} rows and showed {len(received)} in {_WALKS} walks over "
            "its pages. What was received is stored; nothing is claimed as complete. "
            "Fix: pull again later"
        )
    session.flush()
    rows = session.writer.span()
    if rows is not None and state.newest_at is not None:
        lowest = min(rows[0], session.wanted_from)
        whole = Interval(lowest, state.newest_at + 1, rows[0], state.newest_at, *rows)
        state = replace(state, complete=(whole,))
    session.commit(None, replace(state, checked_at=session.started))


def _rename(session: Session, received: pa.Table) -> int:
    """Give rows that an earlier version stored under another id the one that they have now."""
    count = rename_stored(session.connector, session.writer, received)
    if count:
        session.report.notice = (
            f"{session.stream}: {count} row(s) that an earlier Tidemark had stored under another "
            f"{session.declared.naming_column} have the one of now"
        )
    return count


def _without_rows(session: Session, known: Walk, state: StreamState) -> None:
    """Record a walk without rows where rows are held: coverage stays, the stream is not checked."""
    problems: list[str] = []
    remarks: list[str] = []
    findings.empty_head(session, known.empty_since, problems, remarks)
    since = known.empty_since or session.started
    found = checkpoint.dump(Walk(empty_since=since))
    session.commit(None, replace(state, checkpoint=found, remark=" · ".join(remarks)))
    if problems:
        raise ContractError(problems[0])


def _held(session: Session, key: str) -> tuple[set[str], set[str]]:
    """Ids of the stored rows, and of those among them whose state may still change."""
    held: set[str] = set()
    waiting: set[str] = set()
    for table in session.writer.scan([key, "status"]):
        held |= set(table.column(key).to_pylist())
        still = pc.is_in(table.column("status"), value_set=pa.array(UNSETTLED))
        waiting |= set(table.filter(still).column(key).to_pylist())
    return held, waiting
