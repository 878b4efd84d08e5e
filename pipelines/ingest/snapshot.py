"""Store snapshots of markets and accounts; one that repeats the last is not stored.

A snapshot is one row (a ticker) or several (an order book, the balances of an account) observed at
one moment. It is stored whole or not at all. Those of many markets: ``observing``.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Page, Paging
from pipelines.exchanges.rights import Snapshot, rights_of
from pipelines.ingest import checkpoint
from pipelines.ingest.session import Session
from schemas import Dataset
from warehouse.store import StreamReader


def batches(symbols: Sequence[str], paging: Paging) -> list[Sequence[str]]:
    """``symbols`` in groups, each small enough for one call."""
    size = max(1, paging.batch)
    return [symbols[i : i + size] for i in range(0, len(symbols), size)]


def store_snapshot(session: Session, page: Page) -> None:
    """Store the snapshot of one account in ``page``, unless it repeats the last one."""
    session.count(page)
    rows = page.table
    state = replace(session.state, unit="none", checked_at=session.started)
    if rows.num_rows:
        state = replace(state, newest_at=pc.max(rows.column("observed_at")).value)
        if _repeats(session.writer, rows):
            rows = rows.slice(0, 0)
    else:
        session.report.notice = f"{session.stream}: the exchange showed nothing (disabled there?)"
    if page.rights is not None:
        state = replace(state, checkpoint=checkpoint.dump(Snapshot(page.rights)))
        rights = rights_of(session.stream, state.checkpoint)
        if rights and rights.excess:
            session.report.notice = f"{rights.finding}. Fix: {rights.fix}"
    session.commit(rows, state, page.rejected)


def changes(writer: StreamReader, rows: pa.Table) -> pa.Table:
    """The snapshots in ``rows`` that have to be stored, oldest first.

    A snapshot that is stored already is returned, to be compared; any other only where it differs
    from the one before it, of the same market.
    """
    time = writer.declared.time_column
    seen = fingerprints(writer.declared, rows)
    if not seen:
        return rows
    moments = [moment for _, moment in seen]
    low = min(moments)
    held = fingerprints(writer.declared, writer.between(low, max(moments) + 1))
    last = _last_before(writer, low, {symbol for symbol, _ in seen})
    keep: set[Observation] = set()
    for key in sorted({**held, **seen}, key=lambda key: key[1]):
        symbol, _ = key
        mark = seen[key] if key in seen else held[key]
        if key in seen and (key in held or mark != last.get(symbol)):
            keep.add(key)
        if key in keep or key not in seen:
            last[symbol] = mark
    rows = rows.sort_by(time)
    return rows.filter(pa.array([key in keep for key in _observations(writer.declared, rows)]))


def _last_before(writer: StreamReader, moment: int, symbols: set[str]) -> dict[str, str]:
    """The last snapshot before ``moment`` of each of ``symbols``, as far as the newest file before
    that goes which has rows (of many markets: the newest files, until each has one).
    """
    found: dict[str, str] = {}
    while not symbols <= found.keys():
        rows = writer.before(moment)
        if not rows.num_rows:
            break
        earlier = fingerprints(writer.declared, rows)
        found = {symbol: earlier[symbol, at] for symbol, at in sorted(earlier)} | found
        moment = min(at for _, at in earlier)
    return found


def _repeats(writer: StreamReader, rows: pa.Table) -> bool:
    """Whether the newest stored snapshot has the same rows."""
    tail = fingerprints(writer.declared, writer.tail(rows.num_rows + 1))
    (now,) = fingerprints(writer.declared, rows).values()
    return bool(tail) and tail[max(tail)] == now


Observation = tuple[str, int]
"""A market (empty of a whole account) and a moment in microseconds."""


def fingerprints(declared: Dataset, rows: pa.Table) -> dict[Observation, str]:
    """A digest of the rows of each snapshot, without the times of observing and storing."""
    rows = rows.sort_by([(name, "ascending") for name in declared.order])
    left_out = (declared.time_column, "ingested_at")
    columns = [rows.column(n) for n in declared.file_schema.names if n not in left_out]
    line = pc.binary_join_element_wise(*map(_text, columns), "\x1f")
    digests: dict[Observation, hashlib.blake2b] = {}
    for key, text in zip(_observations(declared, rows), line.to_pylist(), strict=True):
        digests.setdefault(key, hashlib.blake2b(digest_size=12)).update(f"{text}\x1e".encode())
    return {key: digest.hexdigest() for key, digest in digests.items()}


def _observations(declared: Dataset, rows: pa.Table) -> list[Observation]:
    moments = pc.cast(rows.column(declared.time_column), pa.int64()).to_pylist()
    if not declared.holds_markets:
        return [("", moment) for moment in moments]
    return list(zip(rows.column("symbol").to_pylist(), moments, strict=True))


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as text; null is unlike any text that a value has."""
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.int64())
    return pc.coalesce(pc.cast(column, pa.string()), "\x00")
