"""Pull a stream whose history is asked for in windows of ids or of time.

What is wanted minus what is proved is fetched, newest first, until it is proved. Every answer is
stored and claims exactly its own span; windows overlap by the held row at each edge, so that an
answer shows that it connects. See ``judge.py`` for what an answer proves and ``law.py`` for what
is remembered.
"""

import time
from dataclasses import replace
from itertools import product
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Cursor, Offer, Page, Stream, Window
from connectors.errors import ContractError
from pipelines.ingest.context import StreamContext, times_of
from pipelines.ingest.judge import Judgement, Verdict, judge
from pipelines.ingest.law import Law
from schemas import TIMEFRAMES
from schemas.declare import UNSETTLED
from warehouse.coverage import Gap, Interval, add, gaps
from warehouse.coverage_table import reaches
from warehouse.ledger import StreamState

SETTLE_REQUESTS: Final = 20
"""The most requests of one pull for rows that may have changed, beyond the look-back."""
LOOKBACK_ROWS: Final = 1000
LOOKBACK_CANDLES: Final = 3


class WindowedPull:
    """One pull of one ``Cursor.ID`` or ``Cursor.TIME`` stream."""

    def __init__(self, context: StreamContext, offer: Offer, lookback: int | None) -> None:
        self.context = context
        self.stream: Stream = context.stream
        self.offer = offer
        self.by_time = offer.cursor is Cursor.TIME
        self.step = TIMEFRAMES[self.stream.timeframe] if self.stream.timeframe else 1
        self.configured = lookback
        self.state: StreamState = replace(
            context.state, unit="time" if self.by_time else "id", wanted_from=context.wanted_from
        )
        self.law = Law.load(self.state.law, offer)
        self.floor = context.wanted_from if self.by_time else 0
        self.seen: set[int] = set()
        """Keys at the ends of answers of this pull: they were there a moment ago."""
        self.reread: set[int] = set()
        """Unsettled rows that this pull received again."""
        self.refused: set[int] = set()
        """Keys of malformed rows: their word alone extends no claim."""
        self.head: list[int] = []
        """Keys of the answer that was asked for without bounds."""
        self.doubtful = False
        """Nothing newer was shown, but by an answer that had ignored the bound."""
        self.started = time.time_ns() // 1000

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
            keys = self._absorb(self._fetch(window))
            if held is not None and keys and keys[-1] < (held.last or 0):
                self.law = replace(self.law, keeps=None)
                self._look_back(held)
        self.head = keys
        top = self.state.complete[-1] if self.state.complete else None
        cut = bool(keys) and lowest is not None and keys[0] > lowest
        if held is not None and cut and self.law.keeps != "oldest":
            self._look_further_back(keys, min(keys[0], held.last or 0), lowest or 0)
        if top is not None and top.last is not None and not (cut and self.law.keeps == "newest"):
            self._climb(max(top.last, keys[-1]) if keys else top.last)

    def _climb(self, top: int) -> None:
        """Fetch above ``top`` until an answer shows nothing newer."""
        while True:
            one = self.law.page_rows < 2 and not self.by_time
            ask = self._ask_above if one else self._ask
            keys, verdict = ask(top, None)
            if verdict is Verdict.ASTRAY and keys[-1] == top:
                # `since` is ignored. Whether ``top`` is the head shows when rows turn up below it
                self.doubtful = True
                return
            self._refuse(verdict, top, None)
            if verdict is not Verdict.PROGRESS or keys[-1] <= top:
                return
            new = sum(1 for k in keys if k > top)
            top = keys[-1]
            newest = self.state.newest_at or 0
            if newest >= self.started and new < self.law.page_rows // 2:
                return  # abreast of a busy market; the next pull goes on from here

    def _look_back(self, held: Interval) -> list[int]:
        """From ``lookback`` rows below the head up to it, where answers do not keep the newest.

        The last answer's keys.
        """
        low = self._row_below_head(held)
        if low is not None and not (self.law.shows_lower or self.law.lower_shift):
            low -= self.step  # the bound may be exclusive: that row is to be shown as well
        while True:
            keys, _ = self._ask(low, None)
            if not keys or keys[-1] >= (held.last or 0) or (low is not None and keys[-1] <= low):
                return keys
            low = keys[-1]

    def _look_further_back(self, keys: list[int], low: int, lowest: int) -> None:
        """More pages below ``low``, where the newest one is smaller than the look-back.

        Down to the ``lowest`` row held, and what turned up below it.
        """
        remaining = self.lookback - len(keys)
        while remaining > 0 and low >= lowest:
            keys = self._absorb(self._fetch(self.law.window(None, low, self.offer.max_rows)))
            new = sum(1 for k in keys if k < low)
            if not new:
                return
            remaining -= new
            low = keys[0]

    def _find_end(self) -> None:
        """Learn which end an answer without bounds keeps: what it leaves out of what there is."""
        if self.law.keeps is not None or not self.head:
            return
        low, high = min(self.seen), max(self.seen)
        if high > self.head[-1]:  # new since, or cut off: the same question again tells
            keys = self._absorb(self._fetch(self.law.window(None, None, self.offer.max_rows)))
            if keys and keys[-1] < high:
                self.law = replace(self.law, keeps="oldest")
        elif low < self.head[0]:
            self.law = replace(self.law, keeps="newest")

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
        last = None
        while (gap := self._next_gap()) is not None:
            if gap == last and not self._claim_refused(gap):
                raise ContractError(
                    f"{self.context.name}: answers for the window {gap.lower}..{gap.upper} prove "
                    "nothing of it (are its candles open for ever?)"
                )
            last = gap
            self._fill(gap)

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

    def _fill(self, gap: Gap) -> None:
        assert gap.upper is not None  # only gaps below a proved interval are filled here
        upper = gap.above.first if gap.above else None
        lower = gap.below.last if gap.below else None
        floor = self.floor if self.by_time and lower is None else None
        shown, verdict = self._ask(lower, upper, floor)
        self._refuse(verdict, lower, upper)
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

    def _ask(
        self, lower: int | None, upper: int | None, floor: int | None = None
    ) -> tuple[list[int], Verdict]:
        """Ask for the window between two held rows, in every way that could be understood.

        The keys of the answer that told most, and its verdict.
        """
        best: list[int] = []
        verdict = Verdict.SILENT
        for law in list(self.law.alternatives(self.offer)):
            sent = law.window(lower if floor is None else floor, upper, self.offer.max_rows)
            keys = self._absorb(self._fetch(sent))
            bounds = (None if floor is not None else sent.lower, sent.upper)
            judgement = judge(keys, lower, upper, self.law.page_rows, bounds)
            if judgement.verdict not in (Verdict.ASTRAY, Verdict.SILENT, Verdict.HALF):
                self._learn(law, judgement, lower, upper)
                if judgement.verdict is Verdict.UNSURE and upper is not None:
                    below = lower is None or (judgement.shows_lower and not law.lower_shift)
                    above = judgement.shows_upper and not law.upper_shift
                    return self._ask_inside(below, above, lower, upper)
                return keys, judgement.verdict
            if keys and verdict is not Verdict.HALF:
                best, verdict = keys, judgement.verdict
        return best, verdict

    def _ask_inside(
        self, below: bool, above: bool, lower: int | None, upper: int
    ) -> tuple[list[int], Verdict]:
        """Where an answer holds one row: ask for what lies strictly between the held ones.

        ``below``/``above``: whether that bound was seen to be inclusive. Whichever is, one of these
        windows holds all of what lies between and nothing else.
        """
        exact = replace(self.law, lower_shift=0, upper_shift=0)
        met: set[int] = set()
        for low, high in product((1,) if below else (1, 0, -1), (1,) if above else (1, 0, -1)):
            sent = exact.window(
                None if lower is None else lower + low * self.step,
                upper - high * self.step,
                self.offer.max_rows,
            )
            keys = self._absorb(self._fetch(sent))
            if judge(keys, lower, upper, self.law.page_rows).verdict is Verdict.PROGRESS:
                return keys, Verdict.PROGRESS
            met.update(keys)
        shown = (below or lower in met) and (above or upper in met)
        return sorted(met), Verdict.NOTHING_BETWEEN if shown else Verdict.HALF

    def _ask_above(self, top: int, _: None) -> tuple[list[int], Verdict]:
        """Where an answer holds one row: ask for what is newer than the held row ``top``."""
        exact = replace(self.law, lower_shift=0)
        keys = [top]
        if not self.law.shows_lower:
            keys = self._absorb(self._fetch(exact.window(top, None, self.offer.max_rows)))
        if keys == [top]:
            self.law = replace(self.law, shows_lower=True)
            keys = self._absorb(self._fetch(exact.window(top + 1, None, self.offer.max_rows)))
        return keys, judge(keys, top, None, self.law.page_rows, (top, None)).verdict

    def _refuse(self, verdict: Verdict, lower: int | None, upper: int | None) -> None:
        """``ContractError`` where every answer lay outside the window: filters are not honoured."""
        if verdict is Verdict.ASTRAY:
            names = "since and until" if self.by_time else "the id bounds"
            raise ContractError(
                f"{self.context.name}: the exchange ignores {names}: it answers with rows outside "
                f"the window {lower}..{upper}, so what lies inside cannot be fetched. What was "
                "received is stored and claimed, nothing else"
            )

    def _learn(self, law: Law, judgement: Judgement, lower: int | None, upper: int | None) -> None:
        """Remember what a fruitful answer shows of the law under which it was asked."""
        if judgement.outside:
            return
        if judgement.shows_lower and not law.lower_shift:
            law = replace(law, shows_lower=True)
        if lower is None:
            law = replace(law, lower_shift=self.law.lower_shift)
        if upper is None:
            law = replace(law, upper_shift=self.law.upper_shift)
        newest = self.state.complete[-1].last if self.state.complete else None
        if upper is not None and judgement.shows_upper and newest is not None and upper < newest:
            law = replace(law, unit_proved=True)
        if judgement.verdict is Verdict.NOTHING_BETWEEN and lower is not None and upper is not None:
            law = replace(
                law,
                lower_shift=law.lower_shift if judgement.shows_lower else 1,
                upper_shift=law.upper_shift if judgement.shows_upper else 1,
            )
        self.law = replace(law, keeps=self.law.keeps, page_rows=self.law.page_rows)

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
            self._absorb(self._fetch(window))
            left = [w for w in turn if w not in self.reread]
            # Neither end is shown: those rows are gone from the list, and stay as they were.
            turn = left if len(left) < len(turn) else turn[1:-1]
        self.law = replace(self.law, settle=(turn[0], turn[-1]) if turn else None)

    # -- answers ------------------------------------------------------------------------------

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
        final = page.cursor
        if self.by_time:
            final = final.filter(page.table.column("is_final").combine_chunks())
        if not len(final):
            return None
        first, last = pc.min(page.cursor).as_py(), pc.max(final).as_py()
        first_at = first
        if not self.by_time:
            at = pc.index(page.cursor, pc.min(page.cursor)).as_py()
            first_at = page.table.column("timestamp")[at].value
        return Interval(first, last + self.step, first, last, first_at)

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
