"""Pull a history that is asked for by page number, in whatever order the exchange keeps it.

The exchange says how many rows there are in all; the walk is complete when as many distinct ones
are held. Rows that appear while walking shift the pages, so that a row may come twice or be
stepped over: then the count does not match and the walk is made again.
"""

from dataclasses import replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import ContractError, RequestError
from pipelines.ingest.context import StreamContext, times_of
from schemas import TidemarkError
from schemas.declare import UNSETTLED
from warehouse import files
from warehouse.clock import now_us
from warehouse.coverage import Interval

_WALKS: Final = 3


def pull_pages(context: StreamContext) -> None:
    """One pull of a ``Cursor.PAGES`` stream. Raises ``TidemarkError``."""
    key = context.declared.key[-1]
    started = now_us()
    held, waiting = _held(context, key)
    state = replace(context.state, unit="time", wanted_from=context.wanted_from)
    for _ in range(_WALKS):
        seen: set[str] = set()
        refused: set[str] = set()
        total: int | None = None
        token: str | None = None
        while True:
            if context.stopped:
                raise TidemarkError("stopped; what was received is stored, the next pull goes on")
            try:
                page = context.count(context.connector.page(context.stream, token))
            except RequestError:
                if total is None or len(seen) + len(refused) < total:
                    raise
                token = None  # a next page was promised behind the last one
                break
            met = len(seen) + len(refused)
            seen |= set(page.table.column(key).to_pylist())
            refused |= {row.payload for row in page.rejected}
            walked = len(seen) + len(refused)
            _, newest = times_of(context.declared, page.table)
            state = replace(state, newest_at=max(newest or 0, state.newest_at or 0) or None)
            context.commit(page.table, state, page.rejected)
            token = page.next_token
            total = page.total
            known = len(held | seen) + len(refused)
            # a count that a walk from the first page reaches before the last one is no count
            if token is None or (known == total and walked < total and waiting <= seen):
                break
            if walked == met:  # it may promise a next page for ever: the count has to tell
                token = None
                if total is None:
                    raise ContractError(
                        f"{context.name}: a page that was to follow shows nothing new. What came "
                        "is stored; nothing is claimed as complete"
                    )
                break
        if total is None or token is not None or walked >= total:
            break
    else:
        raise ContractError(
            f"{context.name}: the exchange says it has {total} rows and showed {len(seen)} in "
            f"{_WALKS} walks over its pages. What came is stored; nothing is claimed as complete"
        )
    context.flush()
    oldest = [f.min_time for f in context.writer.ledger.files(context.id) if f.min_time is not None]
    if oldest and state.newest_at is not None:
        lowest = min([*oldest, context.wanted_from])
        whole = Interval(lowest, state.newest_at + 1, min(oldest), state.newest_at, min(oldest))
        state = replace(state, complete=(whole,))
    context.commit(None, replace(state, checked_at=started))


def _held(context: StreamContext, key: str) -> tuple[set[str], set[str]]:
    """Ids of the rows held, and of those whose state may still change."""
    held: set[str] = set()
    waiting: set[str] = set()
    for record in context.writer.ledger.files(context.id):
        path = context.writer.home / record.path
        table = files.read(context.declared, path, [key, "status"])
        held |= set(table.column(key).to_pylist())
        still = pc.is_in(table.column("status"), value_set=pa.array(UNSETTLED))
        waiting |= set(table.filter(still).column(key).to_pylist())
    return held, waiting
