"""Ask for the window between two held rows in every way that the exchange could understand."""

from dataclasses import replace
from itertools import product

from connectors.base import Window
from connectors.errors import ContractError
from pipelines.ingest.answers import Answers
from pipelines.ingest.judge import Judgement, Verdict, judge
from pipelines.ingest.law import Law
from warehouse.coverage import Gap


class Questions(Answers):
    """Questions about windows, and what is learnt of the exchange's law from their answers."""

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
            keys = self._fetch(sent)
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
            keys = self._fetch(sent)
            if judge(keys, lower, upper, self.law.page_rows).verdict is Verdict.PROGRESS:
                return keys, Verdict.PROGRESS
            met.update(keys)
        shown = (below or lower in met) and (above or upper in met)
        return sorted(met), Verdict.NOTHING_BETWEEN if shown else Verdict.HALF

    @property
    def by_one(self) -> bool:
        """Whether no answer ever held more than one row: the held row at an edge may fill it."""
        return self.law.page_rows < 2 and not self.by_time

    def _ask_up(self, held: int) -> tuple[list[int], Verdict]:
        """Ask for what is newer than the row ``held``."""
        return self._ask_above(held) if self.by_one else self._ask(held, None)

    def _ask_above(self, top: int) -> tuple[list[int], Verdict]:
        """Where an answer holds one row: ask for what is newer than the held row ``top``."""
        exact = replace(self.law, lower_shift=0)
        keys = [top]
        if not self.law.shows_lower:
            keys = self._fetch(exact.window(top, None, self.offer.max_rows))
        if keys == [top]:
            self.law = replace(self.law, shows_lower=True)
            keys = self._fetch(exact.window(top + 1, None, self.offer.max_rows))
        return keys, judge(keys, top, None, self.law.page_rows, (top, None)).verdict

    def _ask_within(self, gap: Gap, shown: list[int]) -> bool:
        """Ask for the ids of a gap alone, of which the answer ``shown`` proved nothing.

        Whether that proved more: whatever the order of the rows, an answer does that holds fewer
        than the largest, or for which no more ids were asked than that one had rows. What proves
        nothing even so ignores the bounds: ``ContractError``.
        """
        assert gap.upper is not None
        if self.by_time:
            return False
        before = self.state.complete
        lower = gap.lower if gap.below else None
        keys = self._fetch(self.law.window(lower, gap.upper - 1, self.offer.max_rows))
        if self.state.complete == before:
            astray = self._ask_from([k for k in (*shown, *keys) if gap.lower <= k < gap.upper])
            if astray and self.state.complete == before:
                self._refuse(Verdict.ASTRAY, gap.lower, gap.upper)
        return self.state.complete != before

    def _ask_from(self, keys: list[int]) -> bool:
        """Ask for so few ids, from the lowest of ``keys`` on, that an answer shows all of them.

        Whether it shows others.
        """
        rows = {*keys} - self.refused
        if not rows:
            return False
        low = min(rows) - 1  # the bound may be exclusive
        high = low + max(3, self.law.page_rows) - 1
        shown = self._fetch(Window(low, high, self.offer.max_rows))
        return bool(shown) and not (low <= shown[0] and shown[-1] <= high)

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
