"""Pull rows of which only the open ones are listed, and every other one is told by its id alone.

That is WEX's orders: ``ActiveOrders`` lists what remains of the open ones, ``OrderInfo`` tells all
of one. Looked up are open orders that are new or changed, orders that were open and are listed no
longer, and the account's own orders that its fills name. Each look-up is a request: a pull asks
for a limited number, the next one goes on.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import NotOfferedError, RequestError
from pipelines.ingest.context import StreamContext, times_of
from schemas import TidemarkError, dataset
from warehouse import files
from warehouse.clock import now_us
from warehouse.ledger import StreamId, StreamState

FILLS: Final = "account_trades"
"""The dataset whose rows name orders."""


@dataclass
class _Known:
    """What is remembered between pulls.

    ``change``: up to which change of the fills' files their orders were read. ``remains``: what
    was left of each open order. ``waiting``: ids to be looked up. ``refused``: ids that the
    exchange said it does not know.
    """

    change: int = 0
    remains: dict[int, str] = field(default_factory=dict)
    waiting: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)


def pull_lookups(context: StreamContext, most: int) -> None:
    """One pull of a ``Cursor.LOOKUP`` stream, of ``most`` look-ups. Raises ``TidemarkError``."""
    started = now_us()
    known = msgspec.json.decode(context.state.law, type=_Known)
    unsettled = context.state.unsettled | (_held_open(context) if not known.change else set())
    listed = context.connector.open_rows(context.stream)
    context.report.requests += 1
    now = {row_id: "" if left is None else format(left, "f") for row_id, left in listed.items()}
    left_the_list = unsettled - now.keys()
    news = {row_id for row_id, left in now.items() if not left or known.remains.get(row_id) != left}
    named, change = _named_by_fills(context, known.change)
    settled = {*named, *known.waiting} - news - left_the_list - now.keys() - {*known.refused}
    # Oldest first within each group: what just ended, what is new, what only fills tell of.
    queue = [*sorted(left_the_list), *sorted(news), *sorted(settled)]
    remains = {row_id: left for row_id, left in known.remains.items() if row_id in now}
    known = replace(known, change=change, remains=remains)
    state = replace(context.state, unit="none", checked_at=started, unsettled=unsettled)
    for done, row_id in enumerate(queue[:most], 1):
        if context.stopped:
            raise TidemarkError("stopped; what was received is stored, the next pull goes on")
        rest = sorted({*queue[done:]} - news - left_the_list)
        state = _look_up(context, row_id, now.get(row_id), state, replace(known, waiting=rest))
        known = msgspec.json.decode(state.law, type=_Known)
    rest = sorted({*queue[most:]} - news - left_the_list)
    known = replace(known, waiting=rest)
    context.commit(None, replace(state, law=msgspec.json.encode(known).decode()))
    if len(queue) > most:
        context.report.notice = (
            f"{context.name}: {len(queue) - most} more orders are to be looked up, one call each; "
            f"a pull looks up {most} (TIDEMARK_LOOKUPS), the next ones go on"
        )


def _look_up(
    context: StreamContext, row_id: int, left: str | None, state: StreamState, known: _Known
) -> StreamState:
    """Ask for one row and store it; the state after that."""
    try:
        page = context.count(context.connector.lookup(context.stream, row_id))
    except NotOfferedError:
        raise
    except RequestError as error:
        context.report.requests += 1
        context.report.notice = f"{context.name}: {row_id}: {error}"
        known = replace(known, refused=[*known.refused, row_id])
        return replace(state, law=msgspec.json.encode(known).decode())
    if left is not None and page.table.num_rows:
        known = replace(known, remains={**known.remains, row_id: left})
    # One that came malformed is asked for again.
    settled = page.table.num_rows and page.table.column("status")[0].as_py() != "open"
    _, newest = times_of(context.declared, page.table)
    state = replace(
        state,
        unsettled=state.unsettled - {row_id} if settled else state.unsettled | {row_id},
        newest_at=max(newest or 0, state.newest_at or 0) or None,
        law=msgspec.json.encode(known).decode(),
    )
    context.commit(page.table, state, page.rejected)
    return state


def _held_open(context: StreamContext) -> set[int]:
    """Orders that are stored as open: all that is known of them where the ledger was lost."""
    tables = [
        files.read(context.declared, context.writer.home / r.path, ["order_id", "status"])
        for r in context.writer.ledger.files(context.id)
    ]
    return _ids(t.filter(pc.equal(t.column("status"), "open")) for t in tables)


def _named_by_fills(context: StreamContext, change: int) -> tuple[set[int], int]:
    """Own orders that fills name and that are not held, and up to which change that was read."""
    writer, source = context.writer, StreamId(context.id.exchange, FILLS, context.id.part)
    records = writer.ledger.files(source)
    newer = [r for r in records if r.change > change]
    if not newer:
        return set(), change
    fills = dataset(FILLS)
    named = _ids(files.read(fills, writer.home / r.path, ["order_id"]) for r in newer)
    held = _ids(
        files.read(context.declared, writer.home / r.path, ["order_id"])
        for r in writer.ledger.files(context.id)
    )
    return named - held, max(r.change for r in newer)


def _ids(tables: Iterable[pa.Table]) -> set[int]:
    found: set[int] = set()
    for table in tables:
        column = pc.drop_null(table.column("order_id"))
        found |= set(pc.cast(pc.unique(column), pa.int64()).to_pylist())
    return found
