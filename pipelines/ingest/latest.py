"""Pull a stream of which the exchange shows only the newest N rows.

That nothing was missed since the last pull is proved by overlap: the answer shows a row that is
held. Without overlap, even in the largest answer, what lies between is lost and recorded so.
"""

from dataclasses import replace
from typing import Final

from connectors.base import Offer, Page, Window
from connectors.errors import ContractError
from pipelines.ingest.context import StreamContext, times_of
from warehouse.clock import now_us
from warehouse.coverage import Interval, add, union
from warehouse.coverage_table import missing_intervals

USUAL_ROWS: Final = 1000
CACHE_US: Final = 3_000_000
"""Answers come from a cache of 2 s (domain.md): what is newer than this may be missing."""


def pull_latest(context: StreamContext, offer: Offer, lookback: int | None) -> None:
    """One pull of a ``Cursor.LATEST`` stream. Raises ``TidemarkError``."""
    state = replace(context.state, unit="id", wanted_from=context.wanted_from)
    held = state.complete[-1] if state.complete else None
    usual = min(offer.max_rows, max(USUAL_ROWS, lookback or 0))
    page = context.fetch(Window(limit=offer.max_rows if held is None else usual))
    keys = _keys(context, page)
    if held is not None and keys and keys[0] >= held.upper and usual < offer.max_rows:
        page = context.fetch(Window(limit=offer.max_rows))
        keys = _keys(context, page)
    checked = (page.server_time or now_us()) - CACHE_US
    if not keys:
        context.commit(None, replace(state, checked_at=checked), page.rejected)
        return

    oldest, newest = times_of(context.declared, page.table)
    interval = Interval(keys[0], keys[-1] + 1, keys[0], keys[-1], oldest)
    state = replace(
        state,
        complete=add(state.complete, interval),
        newest_at=max(newest or 0, state.newest_at or 0) or None,
        checked_at=checked,
    )
    # What else is wanted was not shown and never will be. Next to what was held, that is a new
    # loss; before a first contact it is none (also after a ledger was lost: the rows held there
    # are no longer proved to be all).
    holes = missing_intervals(state)
    if held is not None and any(hole.lower > 0 for hole in holes):
        context.report.lost_found = True
    state = replace(state, lost=union([*state.lost, *holes]))
    context.commit(page.table, state, page.rejected)


def _keys(context: StreamContext, page: Page) -> list[int]:
    """Ids of the good rows, sorted: the word of a malformed row extends no claim."""
    if page.received and not page.table.num_rows and all(r.cursor is None for r in page.rejected):
        raise ContractError(
            f"{context.name}: an answer of {page.received} rows, none with a readable id: "
            f"{page.rejected[0].reason}"
        )
    return sorted(set(page.cursor.to_pylist()))
