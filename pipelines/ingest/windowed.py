"""Pull a stream whose history is asked for in windows of ids or of time.

What is wanted minus what is proved is fetched, newest first, until it is proved. Every answer is
stored and claims exactly its own span; windows overlap by the held row at each edge, so that an
answer shows that it connects. ``answers.py`` stores and claims, ``questions.py`` asks for a window
in every way it could be understood, ``judge.py`` says what an answer proves, ``law.py`` what is
remembered of how the exchange pages.
"""

from dataclasses import replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Offer
from connectors.errors import ContractError
from pipelines.ingest.context import StreamContext
from pipelines.ingest.judge import Verdict
from pipelines.ingest.questions import Questions
from warehouse.coverage import Gap, Interval, gaps
from warehouse.coverage_table import reaches

SETTLE_REQUESTS: Final = 20
"""The most requests of one pull for rows that may have changed, beyond the look-back."""
LOOKBACK_ROWS: Final = 1000
LOOKBACK_CANDLES: Final = 3


class WindowedPull(Questions):
    """One pull of one ``Cursor.ID`` or ``Cursor.TIME`` stream."""

    def __init__(self, context: StreamContext, offer: Offer, lookback: int | None) -> None:
        super().__init__(context, offer)
        self.configured = lookback
        self.floor = context.wanted_from if self.by_time else 0
        self.doubtful = False
        """Nothing newer was shown, but by an answer that had ignored the bound."""

    def run(self) -> None:
        """Fetch until all that is wanted is proved. Raises ``TidemarkError``; what came is kept."""
        self._head()
        self._fill_gaps()
        self._find_end()
        self._fill_gaps()
        if self.doubtful and self.law.keeps != "newest":
            self._refuse(Verdict.ASTRAY, self.state.complete[-1].last, None)
        self._settle()
        self.state = replace(self.state, checked_at=self.started, law=self.law.dump())
        if self.state != self.context.state:
            self.context.commit(None, self.state)

    @property
    def lookback(self) -> int:
        """Rows below the head to read again: one answer's worth, or more where configured."""
        usual = LOOKBACK_CANDLES if self.by_time else min(LOOKBACK_ROWS, self.law.page_rows)
        return max(self.configured or 0, usual)

    # -- the head ---------------------------------------------------------------------------

    def _head(self) -> None:
        """The newest rows, and the look-back below what was the newest before."""
        held = self.state.complete[-1] if self.state.complete else None
        lowest = self.state.complete[0].first if self.state.complete else None
        if held is not None and self.law.keeps == "oldest":
            keys = self._look_back(held)
            if keys and keys[0] > (held.last or 0):  # cut off below: it kept the newest
                self.law = replace(self.law, keeps=None)
        else:
            window = self.law.window(None, None, self._head_limit(held))
            keys = self._fetch(window)
            if not self.state.complete and not self.by_time:
                self._ask_from(keys)  # of one moment, so that the answer proved nothing
            if held is not None and keys and keys[-1] < (held.last or 0):
                self.law = replace(self.law, keeps=None)
                self._look_back(held)
        top = self.state.complete[-1].last if self.state.complete else None
        if top is not None and self.sure is not None and max(self.seen) >= top:
            top = self.sure[1]
        cut = bool(keys) and lowest is not None and keys[0] > lowest
        if held is not None and cut and self.law.keeps != "oldest":
            self._look_further_back(keys, held.last or 0, lowest or 0)
        if top is not None and not (cut and self.law.keeps == "newest" and top >= keys[-1]):
            self._climb(top)

    def _climb(self, top: int) -> None:
        """Fetch above ``top`` until an answer shows nothing newer."""
        while True:
            newest_seen = max(self.seen, default=top)
            keys, verdict = self._ask_up(top)
            if verdict is Verdict.ASTRAY and keys[-1] == top:
                # `since` is ignored. Whether ``top`` is the head shows when rows turn up below it
                self.doubtful = True
                return
            self._refuse(verdict, top, None)
            if verdict is not Verdict.PROGRESS or keys[-1] <= top:
                return
            if len(keys) < self.law.page_rows and keys[-1] <= newest_seen:
                return  # all above ``top``, and nothing newer than was seen before
            new = sum(1 for k in keys if k > top)
            top = self._reached(keys, top)
            self._find_end()
            newest = self.state.newest_at or 0
            if newest >= self.started and new < self.law.page_rows // 2:
                return  # abreast of a busy market; the next pull goes on from here

    def _look_back(self, held: Interval) -> list[int]:
        """From ``lookback`` rows below the head up to it, where answers do not keep the newest.

        The last answer's keys.
        """
        low = self._row_below_head(held)
        if low is not None and (self.by_one or not (self.law.shows_lower or self.law.lower_shift)):
            low -= self.step  # the bound may be exclusive: that row is to be shown as well
        while True:
            keys, _ = self._ask(None, None) if low is None else self._ask_up(low)
            if not keys or keys[-1] >= (held.last or 0) or (low is not None and keys[-1] <= low):
                return keys
            low = self._reached(keys, -1 if low is None else low)

    def _reached(self, keys: list[int], low: int) -> int:
        """The row from which to go on above an answer ``keys`` to what is newer than ``low``."""
        if not (self.sure and self.sure[1] > low) and not self.by_time:
            self._ask_from([k for k in keys if k > low])
        return self.sure[1] if self.sure and self.sure[1] > low else keys[-1]

    def _look_further_back(self, keys: list[int], low: int, lowest: int) -> None:
        """More pages below ``low``, where the newest one is smaller than the look-back.

        Down to the ``lowest`` row held, and what turned up below it.
        """
        low = min(low, self.sure[0] if self.sure else keys[0])
        whole = sum(1 for k in keys if k >= low)
        remaining = max(self.lookback - len(keys), (self.configured or 0) - whole)
        while remaining > 0 and low >= lowest:
            keys = self._fetch(self.law.window(None, low, self.offer.max_rows))
            if not keys or keys[0] >= low:
                return
            first = self.sure[0] if self.sure and self.sure[0] < low else keys[0]
            remaining -= sum(1 for k in keys if first <= k < low)
            low = first

    def _find_end(self) -> None:
        """Ask again without bounds where there is more above the last such answer.

        Either it came since, or answers keep the oldest end.
        """
        if self.law.keeps is not None or self.met is None:
            return
        if self.head is None or self.met.beyond(self.head):
            self._fetch(self.law.window(None, None, self.offer.max_rows))

    def _head_limit(self, held: Interval | None) -> int:
        if not self.by_time or held is None or self.law.keeps != "newest":
            return self.offer.max_rows
        missing = max(0, self.started - held.upper) // self.step
        return min(self.offer.max_rows, missing + self.lookback + 2)

    def _row_below_head(self, held: Interval) -> int | None:
        """The held row ``lookback`` rows below the head, or the end of what is proved."""
        declared = self.context.declared
        column = declared.time_column if self.by_time else declared.key[-1]
        tail = self.context.writer.tail(self.lookback, [column])
        if tail.num_rows < self.lookback:
            return held.lower or None
        lowest: int = pc.min(pc.cast(tail.column(0), pa.int64())).as_py()
        return lowest

    # -- the gaps ---------------------------------------------------------------------------

    def _fill_gaps(self) -> None:
        last: Gap | None = None
        shown: list[int] = []
        while (gap := self._next_gap()) is not None:
            if gap != last:
                last, shown = gap, self._fill(gap)
            elif not (self._claim_refused(gap) or self._ask_within(gap, shown)):
                why = "candles open for ever" if self.by_time else "rows there no more"
                raise ContractError(
                    f"{self.context.name}: answers for the window {gap.lower}..{gap.upper} prove "
                    f"nothing of it (are its {why}?)"
                )

    def _next_gap(self) -> Gap | None:
        """The newest part that is wanted and neither proved nor lost."""
        complete = self.state.complete
        if not complete:
            return None
        reached = not self.by_time and reaches(complete[0], self.state.wanted_from)
        low = complete[0].lower if reached else min(self.floor, complete[0].lower)
        for gap in gaps(complete, low, complete[-1].upper):
            if not any(
                i.lower <= gap.lower and (gap.upper or 0) <= i.upper for i in self.state.lost
            ):
                return gap
        return None

    def _fill(self, gap: Gap) -> list[int]:
        """Ask for a gap and claim what the answer proves of it; the keys of the answer."""
        assert gap.upper is not None  # only gaps below a proved interval are filled here
        upper = gap.above.first if gap.above else None
        lower = gap.below.last if gap.below else None
        floor = self.floor if self.by_time and lower is None else None
        oldest_seen = min(self.seen, default=0)
        shown, verdict = self._ask(lower, upper, floor)
        self._refuse(verdict, lower, upper)
        whole = upper in shown and len(shown) < self.law.page_rows and not self.by_time
        if lower is None and whole and shown[0] >= oldest_seen:
            verdict = Verdict.NOTHING_BETWEEN  # nothing older than what was seen before
        if verdict is Verdict.NOTHING_BETWEEN:
            self._claim(Interval(gap.lower, gap.upper))
        elif verdict in (Verdict.SILENT, Verdict.HALF):
            missing = {lower, upper} - {*shown}
            if missing & self.seen or self.law.silent_at != gap.upper:
                self.law = replace(self.law, silent_at=gap.upper)
                self.context.commit(None, replace(self.state, law=self.law.dump()))
                raise ContractError(
                    f"{self.context.name}: the exchange does not show rows that it showed before "
                    f"({lower}..{upper}). Nothing was claimed that is not held. Pull again: what "
                    "is not shown then either is recorded as lost"
                )
            # two pulls, and the rows we hold there are not shown: what lay between is gone
            lost = (*self.state.lost, Interval(gap.lower, gap.upper))
            self.state = replace(self.state, lost=lost)
            self.context.report.lost_found = True
            self.context.commit(None, self.state)
        return shown

    # -- rows that may still change -----------------------------------------------------------

    def _settle(self) -> None:
        """Read again the rows whose state was not final, where this pull has not met them yet.

        Whole windows of them, so that many cost few requests; where they take more than a pull
        may spend, the next one goes on with the rest.
        """
        waiting = sorted(self.state.unsettled - self.reread)
        low, high = self.law.settle or (0, 0)
        turn = [w for w in waiting if low <= w <= high] or waiting
        for _ in range(SETTLE_REQUESTS):
            if not turn:
                break
            # One beyond either end: whichever end an answer keeps, one of the two is shown.
            window = self.law.window(max(0, turn[0] - 1), turn[-1] + 1, self.offer.max_rows)
            self._fetch(window)
            left = [w for w in turn if w not in self.reread]
            # Neither end is shown: those rows are gone from the list, and stay as they were.
            turn = left if len(left) < len(turn) else turn[1:-1]
        self.law = replace(self.law, settle=(turn[0], turn[-1]) if turn else None)
