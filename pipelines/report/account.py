"""The account's sections: value and performance over time, balances, profit, fees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import dropwhile, groupby
from operator import attrgetter
from typing import Any, Final, TypeVar

from pipelines.output.formatting import with_fix
from pipelines.report.figures import plain, total
from pipelines.report.performance import Performance, Point, with_total
from pipelines.report.query import Queries, Row
from schemas import ConfigError
from schemas.timeframes import TIMEFRAMES

_T = TypeVar("_T")

POINTS: Final = 1500
"""How many points an account's value is computed at, at most."""
DRAWN: Final = 500
"""How many points of a line are drawn, at most."""
LISTED: Final = 60
"""How many rows a table has at most."""
RECENT: Final = 15
"""How many of the newest fills and transfers are listed."""
_WEEK: Final = TIMEFRAMES["1w"]
_LENGTHS: Final[Mapping[str, int]] = {
    **{name: us for name, us in TIMEFRAMES.items() if name in ("5m", "15m", "1h", "4h", "1d")},
    **{f"{weeks}w": weeks * _WEEK for weeks in (1, 4, 26)},
}


@dataclass(frozen=True)
class Holdings:
    """What one account holds. ``value``: of all that has a price."""

    name: str
    rows: Sequence[Row]
    value: Decimal
    unpriced: Sequence[str]


@dataclass(frozen=True)
class Sum:
    """A figure of several rows in one currency. ``left``: what could not be converted."""

    value: Decimal | None
    left: Sequence[str]


@dataclass(frozen=True)
class Length:
    """Length of an interval, as text and in microseconds."""

    name: str
    us: int


def quote_of(queries: Queries, wanted: str | None) -> str:
    """The currency to value in: ``wanted``, else USD, else what most markets are quoted in.

    Raises ``ConfigError`` for one that nothing is held or priced in.
    """
    known = [str(row["currency"]) for row in queries.rows("currencies")]
    if wanted is None:
        return "USD" if "USD" in known or not known else known[0]
    if wanted not in known:
        raise ConfigError(
            with_fix(
                f"nothing is held or priced in {wanted}",
                f"choose one of: {', '.join(sorted(known)) or 'none yet; tidemark pull'}",
            )
        )
    return wanted


def value_accounts(queries: Queries, quote: str) -> Length | None:
    """Value the accounts in ``quote``: the other queries read these results.

    Returns the length of the intervals, chosen so that a line has at most ``POINTS``; ``None``
    where there is no account data.
    """
    (history,) = queries.rows("account_span")
    span = history["span"]
    name = next((name for name, us in _LENGTHS.items() if (span or 0) / us < POINTS), "26w")
    queries.rows("valued", quote=quote, timeframe=name)
    queries.rows("rates", quote=quote)
    return None if span is None else Length(name, _LENGTHS[name])


def holdings(queries: Queries) -> list[Holdings]:
    """What every account holds now, the most valuable first."""
    found = []
    for name, group in groupby(queries.rows("balances"), account_of):
        rows = list(group)
        priced = [row["value"] for row in rows if row["value"] is not None]
        unpriced = [row["currency"] for row in rows if row["value"] is None]
        found.append(Holdings(name, rows, total(priced), unpriced))
    return found


def value_lines(queries: Queries, length: Length) -> dict[str, Sequence[Point]]:
    """What every account was worth over time, and all of them together."""
    lines: dict[str, list[Point]] = {}
    for row in queries.rows("value_over_time", length=length.us, timeframe=length.name):
        lines.setdefault(account_of(row), []).append(
            Point(row["time"], row["value"], row["flow"], row["whole"])
        )
    return with_total(lines)


def value_chart(
    queries: Queries,
    quote: str,
    length: Length,
    lines: Mapping[str, Sequence[Point]],
    measured: Mapping[str, Performance],
) -> dict[str, Any]:
    """What to draw of the accounts: value, performance, drawdown and realised profit."""
    profit: dict[str, list[Point]] = {}
    for row in queries.rows("profit_over_time", timeframe=length.name):
        made = Point(row["time"], row["profit"])
        profit.setdefault(account_of(row), []).append(made)
    end = max((line[-1].time for line in lines.values() if line), default=0)
    for points in profit.values():
        points.append(Point(max(end, points[-1].time), points[-1].value))
    return {
        "quote": quote,
        "timeframe": length.name,
        "accounts": [
            {
                "name": name,
                "points": drawn(lines[name]),
                "index": [[s.time, f"{s.index - 1:.6f}"] for s in _thinned(one.steps, "index")],
                "drawdown": [
                    [s.time, f"{s.drawdown:.6f}"] for s in _thinned(one.steps, "drawdown")
                ],
            }
            for name, one in measured.items()
        ],
        "profit": [{"name": name, "points": drawn(points)} for name, points in profit.items()],
    }


def sum_of(rows: Sequence[Row], converted: str, own: str) -> Sum:
    """The sum of the column ``converted``; ``left``: the markets that have only ``own``."""
    values = [row[converted] for row in rows if row[converted] is not None]
    left = [row["symbol"] for row in rows if row[converted] is None and row[own] is not None]
    return Sum(total(values) if values else None, sorted(set(left)))


def all_of(rows: Sequence[Row], column: str) -> Decimal | None:
    """The sum of ``column``; ``None`` where a row has none, or there are no rows."""
    values = [row[column] for row in rows]
    return None if not values or None in values else total(values)


def fees_chart(fees: Sequence[Row], quote: str) -> dict[str, Any] | None:
    """Fees by month in ``quote``; ``None`` where there are no two months to compare."""
    rows = [r for r in fees if r["quote"] == quote and r["fee_quote"] is not None]
    months = sorted({r["month"] for r in rows})[-LISTED:]
    if len(months) < 2:
        return None
    accounts: dict[str, list[list[str]]] = {}
    for row in reversed(rows):
        if row["month"] in months:
            accounts.setdefault(account_of(row), []).append([row["month"], plain(row["fee_quote"])])
    return {
        "quote": quote,
        "months": months,
        "accounts": [{"name": name, "points": points} for name, points in accounts.items()],
    }


def account_of(row: Row) -> str:
    """``wex main``."""
    return f"{row['exchange']} {row['account']}"


def drawn(points: Sequence[Point]) -> list[list[Any]]:
    """``[time, value]`` of a line from its first whole value on; ``None`` where it is not whole."""
    known = list(dropwhile(lambda point: not point.whole, points))
    return [[p.time, plain(p.value) if p.whole else None] for p in _thinned(known, "value")]


def _thinned(points: Sequence[_T], field: str) -> Sequence[_T]:
    """At most ``DRAWN``: the first, the newest, and the extremes of ``field`` in equal spans."""
    if len(points) <= DRAWN:
        return points
    span = -(-2 * len(points) // (DRAWN - 2))
    values = list(map(attrgetter(field), points))
    kept = {0, len(points) - 1}
    for start in range(0, len(points), span):
        indices = range(start, min(start + span, len(points)))
        kept |= {pick(indices, key=values.__getitem__) for pick in (min, max)}
    return [points[i] for i in sorted(kept)]
