"""Store snapshots of markets and accounts; one that repeats the last is not stored.

A snapshot is one row (a ticker) or several (an order book, the balances of an account) observed at
one moment. It is stored whole or not at all.
"""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Page, Paging
from pipelines.exchanges.rights import Snapshot, rights_of
from pipelines.ingest import checkpoint
from pipelines.ingest.session import Session
from schemas import RejectedRow, StreamId
from warehouse.store import StreamReader


def batches(symbols: Sequence[str], paging: Paging) -> list[Sequence[str]]:
    """``symbols`` in groups, each small enough for one call."""
    size = max(1, paging.batch)
    return [symbols[i : i + size] for i in range(0, len(symbols), size)]


def rows_of(stream: StreamId, page: Page) -> pa.Table:
    """The rows of one stream in an answer that may hold those of several markets."""
    if stream.symbol is None:
        return page.table
    return page.table.filter(pc.equal(page.table.column("symbol"), stream.symbol))


def rejected_of(stream: StreamId, page: Page, asked: Sequence[StreamId]) -> tuple[RejectedRow, ...]:
    """The rejected rows of one stream in such an answer.

    Those whose market is unreadable, or was not asked for, are kept with the first of ``asked``.
    """
    symbols = {other.symbol for other in asked}
    return tuple(
        row
        for row in page.rejected
        if row.symbol == stream.symbol or (stream == asked[0] and row.symbol not in symbols)
    )


def store_snapshot(session: Session, page: Page, asked: Sequence[StreamId] = ()) -> None:
    """Store the snapshot of one market or account in ``page``, unless it repeats the last one.

    ``asked``: the streams that the call asked for, where it asked for several.
    """
    rows = rows_of(session.stream, page)
    asked = asked or (session.stream,)
    rejected = rejected_of(session.stream, page, asked)
    session.count(
        replace(page, table=rows, positions=page.positions[: rows.num_rows], rejected=rejected)
    )
    state = replace(session.state, unit="none", checked_at=session.started)
    if rows.num_rows:
        newest = pc.max(rows.column("observed_at")).value
        state = replace(state, newest_at=newest)
        if _repeats(session.writer, rows):
            rows = rows.slice(0, 0)
    elif not _may_be_shown(session.stream, page, asked):
        session.report.notice = f"{session.stream}: the exchange showed nothing (disabled there?)"
    if page.rights is not None:
        state = replace(state, checkpoint=checkpoint.dump(Snapshot(page.rights)))
        rights = rights_of(session.stream, state.checkpoint)
        if rights and rights.excess:
            session.report.notice = f"{rights.finding}. Fix: {rights.fix}"
    session.commit(rows, state, rejected)


def _may_be_shown(stream: StreamId, page: Page, asked: Sequence[StreamId]) -> bool:
    """Whether an answer without rows of ``stream`` may show it all the same."""
    if stream.dataset == "order_books":  # a book may be empty
        return True
    others = {other.symbol for other in asked} - {stream.symbol}
    return not all(row.symbol in others for row in page.rejected)


def changes(writer: StreamReader, rows: pa.Table) -> pa.Table:
    """The snapshots in ``rows`` that have to be stored, oldest first.

    A snapshot that is stored already is returned, to be compared; any other only where it differs
    from the one before it.
    """
    time = writer.declared.time_column
    seen = _by_moment(writer, rows)
    if not seen:
        return rows
    held = _by_moment(writer, writer.between(min(seen), max(seen) + 1))
    others = sorted(held.keys() - seen.keys())
    earlier = _by_moment(writer, writer.before(min(seen)))
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


def _repeats(writer: StreamReader, rows: pa.Table) -> bool:
    """Whether the newest stored snapshot has the same rows."""
    tail = _by_moment(writer, writer.tail(rows.num_rows + 1))
    (now,) = _by_moment(writer, rows).values()
    return bool(tail) and tail[max(tail)] == now


def _by_moment(writer: StreamReader, rows: pa.Table) -> dict[int, list[dict[str, object]]]:
    """The rows of each snapshot by moment, in order, without the times of observing and storing."""
    declared = writer.declared
    names = [
        n for n in declared.file_schema.names if n not in (declared.time_column, "ingested_at")
    ]
    rows = rows.sort_by([(name, "ascending") for name in declared.order])
    moments = pc.cast(rows.column(declared.time_column), pa.int64()).to_pylist()
    found: dict[int, list[dict[str, object]]] = {}
    for moment, content in zip(moments, rows.select(names).to_pylist(), strict=True):
        found.setdefault(moment, []).append(content)
    return found
