"""One page from several calls: where an exchange keeps a history in several lists, or in parts.

The rows of such a page lie in the window asked for and nowhere else. Of a window, every list is
read to its end; of what lies beside it, perhaps only one.
"""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Key, Page, Paging, Window
from schemas import RejectedRow, dataset


def without_known(dataset_: str, page: Page, known: set[Hashable]) -> Page:
    """``page`` without the rows of earlier answers, which are ``known``; its own are added."""
    names = [n for n in dataset(dataset_).key if n in page.table.column_names]
    keys = list(zip(*(page.table[name].to_pylist() for name in names), strict=True))
    is_new = pa.array([key not in known for key in keys], pa.bool_())
    rejected = tuple(row for row in page.rejected if row.payload not in known)
    known.update(keys, (row.payload for row in rejected))
    table, positions = page.table.filter(is_new), page.positions.filter(is_new)
    return replace(page, table=table, positions=positions, rejected=rejected)


def joined(pages: Sequence[Page], window: Window, paging: Paging) -> Page:
    """``pages`` of one window as one. Without bounds, it reaches back as far as one may.

    A candle that one of them brings well is not rejected for what another one says of it.
    """
    times = [page.server_time for page in pages if page.server_time is not None]
    low, high = window.lower, window.upper
    if low is None and high is None and paging.max_span_us is not None and times:
        low = min(times) - paging.max_span_us

    def is_inside(position: int | None) -> bool:
        if position is None:
            return True
        return (low is None or low <= position) and (high is None or position <= high)

    table = pa.concat_tables([page.table for page in pages])
    positions = pa.concat_arrays([page.positions for page in pages])
    inside = pa.array([is_inside(p) for p in positions.to_pylist()], pa.bool_())
    settled = set(positions.to_pylist()) if paging.key is Key.TIME else set()
    rejected: list[RejectedRow] = [
        replace(row, index=None)
        for page in pages
        for row in page.rejected
        if is_inside(row.position) and row.position not in settled
    ]
    return replace(
        pages[0],  # which says how the history goes on where it is one of numbered pages
        table=table.filter(inside),
        positions=positions.filter(inside),
        rejected=tuple(rejected),
        server_time=min(times, default=None),
        notices=tuple(notice for page in pages for notice in page.notices),
    )


def added_up(pages: Sequence[Page]) -> Page:
    """What several places hold as one page: of each currency the sum, observed at the first call.

    A sum of which a part is not known is not known: a currency that a rejected row names is left
    out.
    """
    every = pa.concat_tables([page.table for page in pages])
    rejected = tuple(replace(row, index=None) for page in pages for row in page.rejected)
    doubtful = [row.payload for row in rejected]
    named = every.column("currency").unique().to_pylist()
    codes = [code for code in named if not any(f'"{code}"' in text for text in doubtful)]
    sums: dict[str, list[Decimal | None]] = {"available": [], "reserved": []}
    for code in codes:
        mine = every.filter(pc.equal(every.column("currency"), code))
        for name, found in sums.items():
            values = mine.column(name).to_pylist()
            found.append(None if None in values else sum(values, Decimal(0)))
    at = [pc.min(every.column("observed_at")).as_py()] * len(codes)
    values = {**sums, "currency": codes, "observed_at": at}
    table = pa.table(
        {field.name: pa.array(values[field.name], field.type) for field in every.schema}
    )
    table = table.cast(every.schema)
    rights = next((page.rights for page in pages if page.rights is not None), None)
    return replace(
        pages[0],
        table=table,
        positions=table.column("observed_at").cast(pa.int64()).combine_chunks(),
        rejected=rejected,
        rights=rights,
    )
