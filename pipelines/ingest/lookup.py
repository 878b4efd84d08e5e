"""Pull rows of which the exchange lists only the open ones; each other row is requested by its id.

WEX orders are such rows: ``ActiveOrders`` lists the open ones with their remaining amount,
``OrderInfo`` returns one order in full. A pull looks up open orders that are new or changed, orders
that were open and are no longer listed, and own orders that fills name. Each look-up is a request;
a pull makes a limited number, and the next one continues.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import ContractError, RefusedError, UnknownRowError
from pipelines.ingest import checkpoint, findings
from pipelines.ingest.checkpoint import Lookups
from pipelines.ingest.session import Session, time_span
from pipelines.ingest.windows.state import rests
from schemas.times import DAY_US
from schemas.wording import count
from warehouse.intervals import Unshown
from warehouse.state import StreamState

FILLS: Final = "account_trades"
"""The dataset whose rows name orders."""
_REFUSALS: Final = 3
"""A pull ends its look-ups after so many refusals whose meaning is not documented."""


def pull_lookups(session: Session) -> None:
    """One pull of a ``Cursor.LOOKUP`` stream. Raises ``TidemarkError``."""
    most = session.task.lookups
    known = checkpoint.load(session.state.checkpoint, Lookups)
    unsettled = session.state.unsettled | (_held_open(session) if not known.change else set())
    listed = session.connector.open_rows(session.stream)
    session.report.requests += 1
    now = {row_id: "" if left is None else format(left, "f") for row_id, left in listed.items()}
    resting = {u.lower for u in session.state.unshown if u.lost and rests(u, session.started)}
    left_the_list = unsettled - now.keys() - resting
    news = {row_id for row_id, left in now.items() if not left or known.remains.get(row_id) != left}
    named, change = _named_by_fills(session, known.change)
    settled = {*named, *known.waiting} - news - left_the_list - now.keys() - {*known.unknown}
    # Oldest first within each group: what just ended, what is new, what only fills name.
    queue = [*sorted(left_the_list), *sorted(news), *sorted(settled)]
    remains = {row_id: left for row_id, left in known.remains.items() if row_id in now}
    waiting = tuple(sorted({*queue} - news - left_the_list))
    known = Lookups(change, remains, waiting, known.unknown)
    state = replace(session.state, unit="none", unsettled=unsettled, remark="")
    refused: list[str] = []
    gone: set[int] = set()
    for row_id in queue[:most]:
        session.keep_going()
        try:
            page = session.count(session.connector.lookup(session.stream, row_id))
        except UnknownRowError as error:
            session.report.requests += 1
            session.report.notice = f"{session.stream}: {row_id}: {error}"
            if row_id in unsettled:
                gone.add(row_id)
            known = _without(known, row_id, unknown=True)
            state = replace(state, checkpoint=checkpoint.dump(known))
            continue
        except RefusedError as error:  # may be temporary: the order stays in the queue
            session.report.requests += 1
            refused.append(f"{row_id}: {error}")
            if len(refused) >= _REFUSALS:
                break
            continue
        state, known = _stored(session, page.table, row_id, now.get(row_id), state, known)
        session.commit(page.table, state, page.rejected)
    _finish(session, state, known, frozenset(gone), refused)
    if len(queue) > most:
        session.report.notice = (
            f"{session.stream}: {count(len(queue) - most, 'more order')} to be looked up, one call "
            f"each; a pull looks up {most} (TIDEMARK_LOOKUPS), later pulls continue"
        )
    if refused:
        raise ContractError(
            f"{count(len(refused), 'look-up')} refused for a reason that is not documented "
            f"({refused[0]}). Fix: none is needed; the next pull asks again"
        )


def _stored(
    session: Session,
    table: pa.Table,
    row_id: int,
    left: str | None,
    state: StreamState,
    known: Lookups,
) -> tuple[StreamState, Lookups]:
    """State and checkpoint after one look-up. ``left``: its remaining amount in the list."""
    known = _without(known, row_id)
    if left is not None and table.num_rows:
        known = Lookups(known.change, {**known.remains, row_id: left}, known.waiting, known.unknown)
    # A malformed row is requested again.
    settled = table.num_rows and table.column("status")[0].as_py() != "open"
    span = time_span(session.declared, table)
    state = replace(
        state,
        unsettled=state.unsettled - {row_id} if settled else state.unsettled | {row_id},
        unshown=tuple(u for u in state.unshown if u.lower != row_id),
        newest_at=max(span[1] if span else 0, state.newest_at or 0) or None,
        checkpoint=checkpoint.dump(known),
    )
    return state, known


def _without(known: Lookups, row_id: int, *, unknown: bool = False) -> Lookups:
    waiting = tuple(w for w in known.waiting if w != row_id)
    refused = (*known.unknown, row_id) if unknown and row_id not in known.unknown else known.unknown
    return Lookups(known.change, known.remains, waiting, refused)


def _finish(
    session: Session,
    state: StreamState,
    known: Lookups,
    gone: frozenset[int],
    refused: list[str],
) -> None:
    """Record the end of the pull, and report rows that were open and are unknown now."""
    problems: list[str] = []
    remarks: list[str] = []
    findings.gone(session, gone, problems, remarks)
    earlier = {u.lower: u for u in state.unshown}
    now = session.started
    for row in gone:
        before = earlier.get(row)
        since, times = (before.since, before.times + 1) if before else (now, 1)
        earlier[row] = Unshown(row, row + 1, since, now, times, lost=now - since >= DAY_US)
    state = replace(
        state,
        unshown=tuple(earlier[row] for row in sorted(earlier)),
        checkpoint=checkpoint.dump(known),
        checked_at=state.checked_at if refused else now,
        remark=" · ".join(remarks),
    )
    session.commit(None, state)
    if problems:
        raise ContractError(problems[0])


def _held_open(session: Session) -> set[int]:
    """Orders that are stored as open; needed where the metastore was lost."""
    tables = session.writer.scan(["order_id", "status"])
    return _ids(t.filter(pc.equal(t.column("status"), "open")) for t in tables)


def _named_by_fills(session: Session, change: int) -> tuple[set[int], int]:
    """Own orders that fills name and that are not stored, and the last change of fills read."""
    source = session.task.store.reader(replace(session.stream, dataset=FILLS))
    newest = source.change()
    if newest <= change:
        return set(), change
    named = _ids(source.scan(["order_id"], change))
    return named - _ids(session.writer.scan(["order_id"])), newest


def _ids(tables: Iterable[pa.Table]) -> set[int]:
    found: set[int] = set()
    for table in tables:
        column = pc.drop_null(table.column("order_id"))
        found |= set(pc.cast(pc.unique(column), pa.int64()).to_pylist())
    return found
