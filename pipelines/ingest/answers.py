"""What one pull of a windowed stream received: stored, and claimed exactly as far as it proves."""

import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Cursor, Offer, Page, Stream, Window
from connectors.errors import ContractError
from pipelines.ingest.context import StreamContext, times_of
from pipelines.ingest.law import Law
from schemas import TIMEFRAMES
from schemas.declare import UNSETTLED
from warehouse.coverage import Gap, Interval, add
from warehouse.ledger import StreamState

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


class Answers:
    """The state of a stream as the answers of one pull move it."""

    def __init__(self, context: StreamContext, offer: Offer) -> None:
        self.context = context
        self.stream: Stream = context.stream
        self.offer = offer
        self.by_time = offer.cursor is Cursor.TIME
        self.step = TIMEFRAMES[self.stream.timeframe] if self.stream.timeframe else 1
        self.state: StreamState = replace(
            context.state, unit="time" if self.by_time else "id", wanted_from=context.wanted_from
        )
        self.law = Law.load(self.state.law, offer)
        self.seen: set[int] = set()
        """Keys at the ends of answers of this pull: they were there a moment ago."""
        self.reread: set[int] = set()
        """Unsettled rows that this pull received again."""
        self.refused: set[int] = set()
        """Keys of malformed rows: their word alone extends no claim."""
        self.started = time.time_ns() // 1000

    def _fetch(self, window: Window) -> Page:
        return self.context.fetch(window)

    def _absorb(self, page: Page) -> list[int]:
        """Store an answer and claim its span; its sorted distinct keys."""
        table = page.table
        refused = [r.cursor for r in page.rejected if r.cursor is not None]
        self.refused.update(refused)
        keys = sorted({*page.cursor.to_pylist(), *refused})
        if page.received and not keys:
            raise ContractError(
                f"{self.context.name}: an answer of {page.received} rows, none with a readable "
                f"{'time' if self.by_time else 'id'}: {page.rejected[0].reason}"
            )
        if not keys:
            return []
        self.law = replace(self.law, page_rows=max(self.law.page_rows, page.received))
        self.seen |= {keys[0], keys[-1]}
        self._note_unsettled(table, page)
        newest = times_of(self.context.declared, table, pc.max)
        if newest is not None:
            self.state = replace(self.state, newest_at=max(newest, self.state.newest_at or newest))
        interval = self._span(page)
        if interval is not None:
            complete = add(self.state.complete, interval)
            self.state = replace(self.state, complete=complete, law=self.law.dump())
        self.context.commit(table, self.state, page.rejected)
        return keys

    def _span(self, page: Page) -> Interval | None:
        """What an answer proves: from its first good row to its last final one."""
        if self.by_time:
            final = page.cursor.filter(page.table.column("is_final").combine_chunks())
            if not len(final):
                return None
            first, last = pc.min(page.cursor).as_py(), pc.max(final).as_py()
            return Interval(first, last + self.step, first, last, first)
        keys = page.cursor.to_numpy()
        times = page.table.column("timestamp").cast(pa.int64()).to_numpy()
        ends = self._ends(keys, times, page.received)
        if ends is None:
            return None
        first, last = ends
        return Interval(first, last + 1, first, last, int(times[keys == first][0]))

    def _ends(self, keys: Numbers, times: Numbers, received: int) -> tuple[int, int] | None:
        """The ids between which an answer shows every row; ``keys`` and ``times`` as received.

        A server that sorts by time cuts an answer off between rows of one moment, whatever their
        ids. Near such an end rows may be missing between those that are shown: as many as lie
        within the greatest step back in time from a row to one with a later id.
        """
        if not len(keys):
            return None
        whole = int(keys.min()), int(keys.max())
        if received < self.law.page_rows or _in_order(keys) or not _in_order(times):
            return whole
        by_id = np.argsort(keys)
        at, ids = times[by_id], keys[by_id]
        back = int((np.maximum.accumulate(at) - at).max())
        low, high = 0, len(ids) - 1
        if self.law.keeps != "oldest":
            low = int((np.minimum.accumulate(at[::-1])[::-1] <= at.min() + back).sum())
        if self.law.keeps != "newest":
            high -= int((np.maximum.accumulate(at) >= at.max() - back).sum())
        return (int(ids[low]), int(ids[high])) if low <= high else None

    def _claim_refused(self, gap: Gap) -> bool:
        """Claim down to the lowest malformed row in ``gap``; false where there was none."""
        assert gap.upper is not None
        inside = [k for k in self.refused if gap.lower <= k < gap.upper]
        if inside:
            self._claim(Interval(min(inside), gap.upper, min(inside)))
        return bool(inside)

    def _claim(self, interval: Interval) -> None:
        self.state = replace(self.state, complete=add(self.state.complete, interval))
        self.context.commit(None, replace(self.state, law=self.law.dump()))

    def _note_unsettled(self, table: pa.Table, page: Page) -> None:
        if "status" not in table.column_names:
            return
        cursors = set(page.cursor.to_pylist())
        self.reread |= cursors
        open_rows = pc.is_in(table.column("status"), value_set=pa.array(UNSETTLED))
        still = set(page.cursor.filter(open_rows.combine_chunks()).to_pylist())
        unsettled = (self.state.unsettled - cursors) | still
        self.state = replace(self.state, unsettled=frozenset(unsettled))


def _in_order(values: Numbers) -> bool:
    """Whether values rise all the way, or fall all the way; equal neighbours do either."""
    steps = np.diff(values)
    return bool((steps >= 0).all() or (steps <= 0).all())
