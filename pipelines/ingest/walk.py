"""Pull a history page by page, from the first page to the last, in whatever order the rows come.

The exchange gives the total number of rows; the walk is complete when as many distinct rows are
held. A row that appears during the walk shifts the pages, so that a row may come twice or be
skipped. Then the count does not match, and the walk is repeated.

Rows that come along and that no count includes (``Paging.apart``) are stored, and left out here.

The count may include rows of another dataset that come along and are not held (``Page.others``).
Then a walk ends where it has shown as many unknown rows as the count has grown by. Rows of a page
that names no count (open orders) are not part of what the other pages count.

Where rows are only ever added, the newest first (``Paging.appends``), a walk ends at the rows with
which the last one began. Where they are added behind the last page (``Paging.resumes``), it begins
with the last pages of the one before, which it thereby reads again. Once a day either reads all.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import ContractError, RequestError
from pipelines.ingest import checkpoint, findings
from pipelines.ingest.checkpoint import Walk
from pipelines.ingest.renaming import rename_stored
from pipelines.ingest.session import Session, time_span
from schemas.declare import UNSETTLED
from schemas.times import DAY_US
from schemas.wording import count
from warehouse.intervals import Interval
from warehouse.state import StreamState

_WALKS: Final = 3
_REMEMBERED: Final = 200
"""Ids of rows of another dataset, or of the newest rows: those of some pages."""


def pull_walk(session: Session) -> None:
    """One pull of a ``Cursor.PAGES`` stream. Raises ``TidemarkError``."""
    known = checkpoint.load(session.state.checkpoint, Walk)
    appends = session.paging.appends
    is_recent = session.started - known.whole_at < DAY_US
    may_stop = appends and is_recent
    whole_at = session.started
    key = session.declared.naming_column
    held, waiting = _held(session, key)
    is_first = True
    # a walk that does not end is begun anew
    going = msgspec.structs.replace(known, empty_since=None, token=None)
    resumed = known.token if session.paging.resumes and is_recent and _is_whole(session) else None
    if resumed is not None:
        whole_at = known.whole_at
    state = replace(session.state, unit="time", remark="", checkpoint=checkpoint.dump(going))
    for _ in range(_WALKS):
        received: set[str] = set()
        malformed: set[str] = set()
        others: dict[str, None] = {}
        newest_ids: dict[str, None] = {}
        uncounted: set[str] = set()
        unknown: set[str] = set()
        growing = known.counted is not None
        total: int | None = None
        token, resumed = resumed, None
        places: list[str | None] = []
        shown = walked = idle = 0
        is_first_page = True
        while True:
            session.keep_going()
            try:
                page = session.count(session.connector.page(session.stream, token))
            except (ContractError, RequestError) as error:
                if token is not None and not places:
                    # what the walk before has read is not there: from the first page
                    token, whole_at = None, session.started
                    continue
                if isinstance(error, ContractError) or total is None or walked < total:
                    raise
                token = None  # the last page named a next one
                break
            if is_first and held and page.table.num_rows and _rename(session, page.table):
                held, waiting = _held(session, key)
            is_first = is_first and not page.table.num_rows
            places.append(page.place)
            before = shown
            ids = set(_counted(session, page.table.column(key).to_pylist()))
            uncounted = uncounted | ids if page.total is None else uncounted - ids
            received |= ids
            others |= dict.fromkeys(page.others)
            newest_ids |= dict.fromkeys([*page.others, *ids])
            malformed |= {row.payload for row in page.rejected}
            shown = len(received) + len(others) + len(malformed)
            walked = shown - len(uncounted)
            news = {*ids, *page.others} - held - unknown - {*known.others}
            unknown |= news
            span = time_span(session.declared, page.table)
            newest = max(span[1] if span else 0, state.newest_at or 0) or None
            state = replace(state, newest_at=newest)
            session.commit(page.table, state, page.rejected)
            token = page.next_token
            # A count that a later page leaves out holds: that page may be of a fault.
            total = total if page.total is None else page.total
            known_rows = len((held | received) - uncounted) + len(others) + len(malformed)
            grown = growing and (known.counted or 0) + len(unknown) == total and not malformed
            growing = growing and bool(news)  # below known rows, forgotten ones look like new ones
            # A count that the walk reaches before its last page is wrong: read on.
            all_known = grown or (known_rows == total and walked < total)
            if token is None or (all_known and waiting <= received):
                break
            if may_stop and known.others and newest_ids.keys() >= {*known.others}:
                token, whole_at = None, known.whole_at  # below, the last walk has read all
                break
            idle = 0 if shown > before or is_first_page else idle + 1
            # An exchange that does not go on from the last row shows the rows before it once more.
            if idle > session.paging.resumes:  # the count decides, or there is no end
                token = None
                if total is None:
                    raise ContractError(
                        "the exchange named a next page, which holds nothing new. What was "
                        "received is stored; nothing is claimed as complete. Fix: pull again later"
                    )
                break
            is_first_page = False
        if held and not shown:
            _without_rows(session, known, state)
            return
        if total is None or token is not None or walked >= total:
            known = _remembering(known, total, newest_ids if appends else others, whole_at)
            known = msgspec.structs.replace(known, whole_at=whole_at, token=places[-2:][0])
            break
    else:
        raise ContractError(
            f"the exchange counts {count(total or 0, 'row')} and showed {len(received)} in "
            f"{_WALKS} walks over its pages. What was received is stored; nothing is claimed as "
            "complete. Fix: pull again later"
        )
    session.flush()
    rows = session.writer.span()
    if rows is not None and state.newest_at is not None:
        lowest = min(rows[0], session.wanted_from)
        whole = Interval(lowest, state.newest_at + 1, rows[0], state.newest_at, *rows)
        state = replace(state, complete=(whole,))
    state = replace(state, checkpoint=checkpoint.dump(known))
    session.commit(None, replace(state, checked_at=session.started))


def _is_whole(session: Session) -> bool:
    """Whether all that earlier walks have read is held still, and none of it is asked for again."""
    complete, newest = session.state.complete, session.state.newest_at
    if session.task.again is not None or len(complete) != 1 or newest is None:
        return False
    return complete[0].lower <= session.wanted_from and newest < complete[0].upper


def _remembering(known: Walk, total: int | None, others: Iterable[str], whole_at: int) -> Walk:
    """What the next walk needs to know of the rows that are not held."""
    newest = tuple(dict.fromkeys([*others, *known.others]))[:_REMEMBERED]
    return Walk(counted=total, others=newest, whole_at=whole_at) if newest else Walk()


def _rename(session: Session, received: pa.Table) -> int:
    """Give rows that an earlier version stored under another id the one that they have now."""
    renamed = rename_stored(session.connector, session.writer, received)
    if renamed:
        session.report.notice = (
            f"{session.stream}: {count(renamed, 'row')} stored by an earlier Tidemark under "
            f"another {session.declared.naming_column}, now under the one of today"
        )
    return renamed


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
    changes = "status" in session.declared.schema.names
    for table in session.writer.scan([key, "status"] if changes else [key]):
        held.update(_counted(session, table.column(key).to_pylist()))
        if not changes:
            continue
        still = pc.is_in(table.column("status"), value_set=pa.array(UNSETTLED))
        waiting.update(_counted(session, table.filter(still).column(key).to_pylist()))
    return held, waiting


def _counted(session: Session, ids: Iterable[str]) -> Iterable[str]:
    apart = session.task.paging.apart
    return (row_id for row_id in ids if not apart or not row_id.startswith(apart))
