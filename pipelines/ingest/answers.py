"""What one pull of a windowed stream received: stored, and claimed exactly as far as it proves."""

import time
from dataclasses import replace
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Cursor, Offer, Page, Stream, Window
from connectors.errors import ContractError
from pipelines.ingest.context import StreamContext, times_of
from pipelines.ingest.judge import whole_between
from pipelines.ingest.law import Law
from schemas import TIMEFRAMES
from schemas.declare import UNSETTLED
from warehouse.coverage import Gap, Interval, add
from warehouse.ledger import StreamState


class Ends(NamedTuple):
    """The outermost keys of rows, and their outermost times in microseconds."""

    first: int
    last: int
    since: int
    until: int

    def union(self, other: "Ends") -> "Ends":
        return Ends(
            min(self.first, other.first),
            max(self.last, other.last),
            min(self.since, other.since),
            max(self.until, other.until),
        )

    def beyond(self, other: "Ends") -> bool:
        """Whether this ends with a newer row; one of the same moment may be hidden (``judge``)."""
        return self.last > other.last and self.until > other.until


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
        self.met: Ends | None = None
        """The ends of all that this pull received."""
        self.head: Ends | None = None
        """The ends of the last answer that was asked for without bounds."""
        self.sure: tuple[int, int] | None = None
        """The keys between which the last answer is sure to show every row."""
        self.reread: set[int] = set()
        """Unsettled rows that this pull received again."""
        self.refused: set[int] = set()
        """Keys of malformed rows: their word alone extends no claim."""
        self.started = time.time_ns() // 1000

    def _fetch(self, window: Window) -> list[int]:
        """Ask for ``window``, store the answer and claim its span; its sorted distinct keys."""
        page = self.context.fetch(window)
        table = page.table
        refused = [r.cursor for r in page.rejected if r.cursor is not None]
        self.refused.update(refused)
        keys = sorted({*page.cursor.to_pylist(), *refused})
        if page.received and not keys:
            raise ContractError(
                f"{self.context.name}: an answer of {page.received} rows, none with a readable "
                f"{'time' if self.by_time else 'id'}: {page.rejected[0].reason}"
            )
        self.sure = (keys[0], keys[-1]) if keys and self.by_time else None
        if not keys:
            return []
        self.law = replace(self.law, page_rows=max(self.law.page_rows, page.received))
        self.seen |= {keys[0], keys[-1]}
        self._note_unsettled(table, page)
        oldest, newest = times_of(self.context.declared, table)
        if oldest is not None and newest is not None:
            self._learn_end(window, Ends(keys[0], keys[-1], oldest, newest))
            self.state = replace(self.state, newest_at=max(newest, self.state.newest_at or newest))
        interval = self._span(page, window)
        if interval is not None:
            complete = add(self.state.complete, interval)
            self.state = replace(self.state, complete=complete, law=self.law.dump())
        self.context.commit(table, self.state, page.rejected)
        return keys

    def _span(self, page: Page, window: Window) -> Interval | None:
        """What an answer proves: from its first good row to its last final one."""
        cursor = page.cursor
        if self.by_time:
            final = cursor.filter(page.table.column("is_final").combine_chunks())
            if not len(final):
                return None
            first, last = pc.min(cursor).as_py(), pc.max(final).as_py()
            return Interval(first, last + self.step, first, last, first)
        if not len(cursor):
            return None
        keys = cursor.to_numpy()
        times = page.table.column("timestamp").cast(pa.int64()).to_numpy()
        if self._holds_all(page, window):
            self.sure = int(keys.min()), int(keys.max())
        else:
            self.sure = whole_between(keys, times, self.law.keeps)
        if self.sure is None:
            return None
        first, last = self.sure
        return Interval(first, last + 1, first, last, int(times[keys == first][0]))

    def _holds_all(self, page: Page, window: Window) -> bool:
        """Whether an answer was not cut off: a larger one has been seen, or larger than its window.

        Of so few ids none can have been left out, whatever the order.
        """
        if page.received < self.law.page_rows:
            return True
        if window.lower is None or window.upper is None:
            return False
        few = window.upper - window.lower < self.law.page_rows
        return few and all(window.lower <= k <= window.upper for k in page.cursor.to_pylist())

    def _learn_end(self, window: Window, ends: Ends) -> None:
        """Learn which end an answer without bounds keeps: what it leaves out of what there is."""
        now = window.lower is None and window.upper is None
        self.head = ends if now else self.head
        self.met = ends if self.met is None else self.met.union(ends)
        if self.law.keeps is not None or self.head is None:
            return
        if self.met.beyond(self.head):
            if now:  # an earlier answer could not show what has come since
                self.law = replace(self.law, keeps="oldest")
        elif self.met.first < self.head.first and self.met.since < self.head.since:
            self.law = replace(self.law, keeps="newest")

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
