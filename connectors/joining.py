"""One page from several calls: where an exchange keeps a history in several lists, or in parts.

The rows of such a page lie in the window asked for and nowhere else. Of a window, every list is
read to its end; of what lies beside it, perhaps only one.
"""

from collections.abc import Hashable, Sequence
from dataclasses import replace

import pyarrow as pa

from connectors.base import Page, Paging, Window
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
    """``pages`` of one window as one. Without bounds, it reaches back as far as one may."""
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
    rejected: list[RejectedRow] = [
        replace(row, index=None)
        for page in pages
        for row in page.rejected
        if is_inside(row.position)
    ]
    return replace(
        pages[0],  # which says how the history goes on where it is one of numbered pages
        table=table.filter(inside),
        positions=positions.filter(inside),
        rejected=tuple(rejected),
        server_time=min(times, default=None),
        notices=tuple(notice for page in pages for notice in page.notices),
    )
