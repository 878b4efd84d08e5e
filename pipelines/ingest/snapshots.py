"""Observe the state now of many markets in few calls; what repeats the last state is not stored."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Offer, Page
from pipelines.ingest.context import StreamContext


def batches(symbols: Sequence[str], offer: Offer) -> list[Sequence[str]]:
    """``symbols`` in groups that one call takes."""
    size = max(1, offer.batch)
    return [symbols[i : i + size] for i in range(0, len(symbols), size)]


def store_snapshot(context: StreamContext, page: Page) -> None:
    """Store what ``page`` says of one market, unless it is what the last snapshot said."""
    mine = pc.equal(page.table.column("symbol"), context.stream.symbol)
    rows = page.table.filter(mine)
    context.count(replace(page, table=rows, cursor=page.cursor.filter(mine.combine_chunks())))
    state = replace(context.state, unit="none", checked_at=None)
    if rows.num_rows:
        newest = pc.max(rows.column("observed_at")).value
        state = replace(state, newest_at=newest)
        if _repeats(context, rows):
            rows = rows.slice(0, 0)
    elif not page.rejected:
        context.report.notice = (
            f"{context.name}: the exchange showed nothing for this market (disabled there?)"
        )
    context.commit(rows, state, page.rejected)


def _repeats(context: StreamContext, rows: pa.Table) -> bool:
    last = context.writer.tail(1)
    if not last.num_rows:
        return False
    moment = {context.declared.time_column, "ingested_at"}
    names = [n for n in context.declared.file_schema.names if n not in moment]
    return bool(rows.select(names).to_pylist() == last.select(names).to_pylist())
