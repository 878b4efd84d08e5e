"""How well an account did, with what came in and went out taken out. Pure; decimals in and out.

The rate is time-weighted: the product of the intervals' rates. What came in during an interval
counts as there from its beginning, what went out as there until its end, both at the price at its
end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final

from pipelines.report.figures import EXACT, total

_RATES: Final = Context(prec=34)
ONE: Final = Decimal(1)
ALL: Final = "all accounts"


@dataclass(frozen=True)
class Point:
    """What an account was worth at ``time`` (milliseconds since 1970).

    ``flow``: net of what came in and went out since the point before, in the same currency.
    ``whole``: false where something held has no price yet; it comes in when it has one.
    """

    time: int
    value: Decimal
    flow: Decimal = Decimal(0)
    whole: bool = True


@dataclass(frozen=True)
class Step:
    """The index of an account at ``time``: 1 at its beginning. ``drawdown``: 0 at its highest."""

    time: int
    index: Decimal
    drawdown: Decimal


@dataclass(frozen=True)
class Performance:
    """Of one account, from the first point that is known to the last.

    ``gain`` = ``end`` - ``begin`` - ``flow``, exact. ``rate`` and ``worst`` (the deepest drawdown,
    0 or negative) are fractions. The deepest drawdown lasts from ``peak`` to ``trough``.
    """

    steps: Sequence[Step]
    begin: Decimal
    end: Decimal
    flow: Decimal
    gain: Decimal
    rate: Decimal
    worst: Decimal
    peak: int
    trough: int


def measure(points: Sequence[Point]) -> Performance:
    """Of at least one point, the first one being the beginning."""
    begin = end = points[0].value
    highest = worst = peak = Step(points[0].time, ONE, Decimal(0))
    steps, flow = [highest], Decimal(0)
    for point in points[1:]:
        index = _RATES.multiply(steps[-1].index, _growth(end, point.value, point.flow))
        flow, end = EXACT.add(flow, point.flow), point.value
        top = max(highest.index, index)
        step = Step(point.time, index, _RATES.divide(index, top) - 1 if top else Decimal(0))
        steps.append(step)
        if index >= highest.index:
            highest = step
        if step.drawdown < worst.drawdown:
            worst, peak = step, highest
    gain = EXACT.subtract(EXACT.subtract(end, begin), flow)
    rate = steps[-1].index - 1
    return Performance(steps, begin, end, flow, gain, rate, worst.drawdown, peak.time, worst.time)


def together(accounts: Sequence[Sequence[Point]]) -> list[Point]:
    """Several accounts as one. What one holds when it begins is an inflow of the whole.

    An account's value is 0 before it begins and stays its last one after it ends.
    """
    lines = [{point.time: point for point in line} for line in accounts]
    now: list[Point | None] = [None for _ in lines]
    found = []
    for moment in sorted(set().union(*lines)):
        flows = []
        for i, line in enumerate(lines):
            point = line.get(moment)
            if point is not None:
                flows.append(point.value if now[i] is None else point.flow)
                now[i] = point
        begun = [point for point in now if point is not None]
        value, whole = total([point.value for point in begun]), all(point.whole for point in begun)
        found.append(Point(moment, value, total(flows), whole))
    return found


def with_total(lines: Mapping[str, Sequence[Point]]) -> dict[str, Sequence[Point]]:
    """Every account's points, those of all accounts first where there are several.

    A line begins where all that is held has a price (that of all accounts where all of them have
    begun), so that little of it is an inflow; unless that would leave out more than a tenth of it.
    """
    begun = {
        name: _from(line, next((point.time for point in line if point.whole), 0))
        for name, line in lines.items()
    }
    if len(begun) < 2:
        return begun
    latest = max(line[0].time for line in begun.values())
    return {ALL: _from(together(list(begun.values())), latest), **begun}


def _from(points: Sequence[Point], time: int) -> Sequence[Point]:
    later = [point for point in points if point.time >= time]
    return later if 10 * len(later) >= 9 * len(points) else points


def _growth(before: Decimal, after: Decimal, flow: Decimal) -> Decimal:
    """1 where nothing was invested."""
    invested = EXACT.add(before, max(flow, Decimal(0)))
    if invested <= 0:
        return ONE
    left = EXACT.subtract(after, min(flow, Decimal(0)))
    return _RATES.divide(max(left, Decimal(0)), invested)
