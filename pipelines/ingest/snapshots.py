"""Observe the state now of markets or an account; what repeats the last state is not stored.

An observation is one row (a ticker) or many (a book, the balances of an account): all that was
seen at one moment. It is stored whole or not at all.
"""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Offer, Page, Stream
from pipelines.ingest.context import StreamContext
from pipelines.ingest.rights import encode, rights_of
from warehouse.lake import StreamWriter


def batches(symbols: Sequence[str], offer: Offer) -> list[Sequence[str]]:
    """``symbols`` in groups that one call takes."""
    size = max(1, offer.batch)
    return [symbols[i : i + size] for i in range(0, len(symbols), size)]


def rows_of(stream: Stream, page: Page) -> pa.Table:
    """The rows of one stream in an answer that may hold those of several markets."""
    if stream.symbol is None:
        return page.table
    return page.table.filter(pc.equal(page.table.column("symbol"), stream.symbol))


def store_snapshot(context: StreamContext, page: Page) -> None:
    """Store what ``page`` says of one market or account, unless the last observation said so."""
    rows = rows_of(context.stream, page)
    context.count(replace(page, table=rows, cursor=page.cursor[: rows.num_rows]))
    state = replace(context.state, unit="none", checked_at=None)
    if rows.num_rows:
        newest = pc.max(rows.column("observed_at")).value
        state = replace(state, newest_at=newest)
        if _repeats(context, rows):
            rows = rows.slice(0, 0)
    elif not page.rejected and context.declared.name != "order_books":  # a book may be empty
        context.report.notice = f"{context.name}: the exchange showed nothing (disabled there?)"
    if page.rights is not None:
        state = replace(state, law=encode(page.rights))
        told = rights_of(context.id, state)
        if told and told.excess:
            context.report.notice = f"{told.finding}. Mend: {told.mend}"
    context.commit(rows, state, page.rejected)


def changes(writer: StreamWriter, rows: pa.Table) -> pa.Table:
    """Those of the observations in ``rows`` that have to be stored, oldest first.

    An observation that is held is handed out again, to be compared; one that is not, only where it
    differs from the one before it.
    """
    time = writer.dataset.time_column
    seen = _observations(writer, rows)
    if not seen:
        return rows
    held = _observations(writer, writer.read_range(min(seen), max(seen) + 1))
    others = sorted(held.keys() - seen.keys())
    earlier = _observations(writer, _before(writer, min(seen)))
    last = earlier[max(earlier)] if earlier else None
    keep: set[int] = set()
    for moment in sorted(seen):
        while others and others[0] < moment:
            last = held[others.pop(0)]
        if moment in held or seen[moment] != last:
            keep.add(moment)
            last = seen[moment]
    rows = rows.sort_by(time)
    moments = pc.cast(rows.column(time), pa.int64())
    return rows.filter(pc.is_in(moments, value_set=pa.array(sorted(keep), pa.int64())))


def _before(writer: StreamWriter, moment: int) -> pa.Table:
    """The stored rows of the newest file that has any before ``moment``: those."""
    for record in sorted(writer.ledger.files(writer.stream), key=lambda f: -(f.min_time or 0)):
        if record.min_time is not None and record.min_time < moment:
            return writer.read_range(record.min_time, moment)
    return writer.dataset.file_schema.empty_table()


def _repeats(context: StreamContext, rows: pa.Table) -> bool:
    """Whether the newest stored observation has the same rows."""
    tail = _observations(context.writer, context.writer.tail(rows.num_rows + 1))
    (now,) = _observations(context.writer, rows).values()
    return bool(tail) and tail[max(tail)] == now


def _observations(writer: StreamWriter, rows: pa.Table) -> dict[int, list[dict[str, object]]]:
    """What was seen at each moment, without when it was observed and stored; in order."""
    declared = writer.dataset
    names = [
        n for n in declared.file_schema.names if n not in (declared.time_column, "ingested_at")
    ]
    rows = rows.sort_by([(name, "ascending") for name in declared.order])
    moments = pc.cast(rows.column(declared.time_column), pa.int64()).to_pylist()
    found: dict[int, list[dict[str, object]]] = {}
    for moment, content in zip(moments, rows.select(names).to_pylist(), strict=True):
        found.setdefault(moment, []).append(content)
    return found
