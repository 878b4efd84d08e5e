"""Which of many recorded observations have to be stored.

An observation is one row (a ticker) or many (a book, the balances of an account): all that was
seen at one moment.
"""

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Page
from schemas import StreamId
from warehouse.store import StreamReader


def rows_of(stream: StreamId, page: Page) -> pa.Table:
    """The rows of one stream in a response that may hold those of several markets."""
    if stream.symbol is None:
        return page.table
    return page.table.filter(pc.equal(page.table.column("symbol"), stream.symbol))


def changes(reader: StreamReader, rows: pa.Table) -> pa.Table:
    """Those of the observations in ``rows`` that have to be stored, oldest first.

    An observation that is stored is returned again, to be compared; one that is not, only where
    it differs from the one before it.
    """
    time = reader.declared.time_column
    seen = _observations(reader, rows)
    if not seen:
        return rows
    held = _observations(reader, reader.between(min(seen), max(seen) + 1))
    others = sorted(held.keys() - seen.keys())
    earlier = _observations(reader, reader.before(min(seen)))
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


def _observations(reader: StreamReader, rows: pa.Table) -> dict[int, list[dict[str, object]]]:
    """What was seen at each moment, without when it was observed and stored; in order."""
    declared = reader.declared
    names = [
        n for n in declared.file_schema.names if n not in (declared.time_column, "ingested_at")
    ]
    rows = rows.sort_by([(name, "ascending") for name in declared.order])
    moments = pc.cast(rows.column(declared.time_column), pa.int64()).to_pylist()
    found: dict[int, list[dict[str, object]]] = {}
    for moment, content in zip(moments, rows.select(names).to_pylist(), strict=True):
        found.setdefault(moment, []).append(content)
    return found
