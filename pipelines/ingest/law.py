"""How one exchange pages one stream, as found out from its answers.

Nothing here is assumed for correctness: a law only chooses which request to try first. What an
answer proves is judged by the answer (``judge.py``).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from connectors.base import Offer, Unit, Window

_UNIT_US = {"ms": 1000, "s": 1_000_000}


@dataclass(frozen=True)
class Law:
    """``keeps``: which end of a window survives ``limit``. ``unit``: of time bounds.

    ``lower_shift``/``upper_shift``: 1 where the bound was seen to be exclusive, so that asking one
    further shows the row at the edge. ``page_rows``: the largest answer seen. ``silent_at``: the
    upper end of a gap at whose edges the exchange, asked by the last pull, showed nothing at all.
    """

    keeps: Literal["newest", "oldest"] | None = None
    unit: Unit | None = None
    unit_proved: bool = False
    lower_shift: int = 0
    upper_shift: int = 0
    page_rows: int = 0
    silent_at: int | None = None
    shows_lower: bool = False
    """Whether an answer showed the row at the very lower bound."""
    settle: tuple[int, int] | None = None
    """Between these ids lie the open rows whose turn it is to be read again; else all."""

    @classmethod
    def load(cls, text: str, offer: Offer | None = None) -> "Law":
        """The remembered law, or a fresh one with the likeliest unit."""
        law = msgspec.json.decode(text, type=cls)
        if law.unit is None and offer and offer.units:
            law = replace(law, unit=offer.units[0])
        return law

    def dump(self) -> str:
        return msgspec.json.encode(self).decode()

    def describe(self) -> str:
        """What was found out, in words; empty where nothing was yet."""
        found = []
        if self.keeps:
            found.append(f"answers keep the {self.keeps} end, up to {self.page_rows:,} rows")
        if self.unit and self.unit_proved:
            found.append({"ms": "times in milliseconds", "s": "times in seconds"}[self.unit])
        exclusive = [
            name
            for name, shift in (("lower", self.lower_shift), ("upper", self.upper_shift))
            if shift
        ]
        if exclusive:
            found.append(f"{' and '.join(exclusive)} bound exclusive")
        return ", ".join(found)

    def window(self, lower: int | None, upper: int | None, limit: int) -> Window:
        """The request for rows from ``lower`` to ``upper`` (row keys; both to be shown)."""
        step = _UNIT_US[self.unit] if self.unit else 1
        return Window(
            None if lower is None else lower - self.lower_shift * step,
            None if upper is None else upper + self.upper_shift * step,
            limit,
            self.unit,
        )

    def alternatives(self, offer: Offer) -> Iterator["Law"]:
        """This law, then the others that could explain an answer that contradicts it."""
        units: list[Unit | None] = [self.unit]
        if not self.unit_proved:
            units += [u for u in offer.units if u != self.unit]
        shifts = dict.fromkeys([(self.lower_shift, self.upper_shift), (1, 1)])
        for lower, upper in shifts:
            for unit in units:
                yield replace(self, unit=unit, lower_shift=lower, upper_shift=upper)
