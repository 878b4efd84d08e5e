"""The account's sections: value over time, balances, fees, realised profit, reconciliation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import dropwhile, groupby
from typing import Any, Final

from pipelines.output.formatting import with_fix
from pipelines.report.figures import total
from pipelines.report.query import Queries, Row
from schemas import ConfigError
from schemas.timeframes import TIMEFRAMES

POINTS: Final = 400
"""How many points a line has at most."""
LISTED: Final = 60
"""How many rows a table has at most."""
_WEEK: Final = 7 * TIMEFRAMES["1d"]
_LENGTHS: Final[Mapping[str, int]] = {
    **{name: us for name, us in TIMEFRAMES.items() if name != "30m"},
    **{f"{weeks}w": weeks * _WEEK for weeks in (1, 4, 26)},
}

Points = list[tuple[int, float | None]]
"""Milliseconds since 1970, and a value; ``None`` where it is not known."""


@dataclass(frozen=True)
class Holdings:
    """What one account holds. ``value``: of all that has a price."""

    name: str
    rows: Sequence[Row]
    value: Decimal
    unpriced: Sequence[str]


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


def value_accounts(queries: Queries, quote: str) -> tuple[str, int] | None:
    """Value the accounts in ``quote``: the other queries read this result.

    Returns the length of the intervals, as text and in microseconds, chosen so that a line has at
    most ``POINTS``; ``None`` where there is no account data.
    """
    (history,) = queries.rows("account_span")
    span = history["span"]
    length = next((name for name, us in _LENGTHS.items() if (span or 0) / us < POINTS), "26w")
    queries.rows("valued", quote=quote, timeframe=length)
    return None if span is None else (length, _LENGTHS[length])


def holdings(queries: Queries) -> list[Holdings]:
    """What every account holds now, the most valuable first."""
    found = []
    for name, group in groupby(queries.rows("balances"), _account):
        rows = list(group)
        priced = [row["value"] for row in rows if row["value"] is not None]
        unpriced = [row["currency"] for row in rows if row["value"] is None]
        found.append(Holdings(name, rows, total(priced), unpriced))
    return found


def value_chart(queries: Queries, quote: str, length: tuple[str, int]) -> dict[str, Any]:
    """What to draw of the accounts' value and realised profit."""
    lines: dict[str, Points] = {}
    for row in queries.rows("value_over_time", length=length[1]):
        lines.setdefault(_account(row), []).append((row["time"], row["value"]))
    if len(lines) > 1:
        lines = {"all accounts": _together(list(lines.values()))} | lines
    started = {name: list(dropwhile(lambda p: p[1] is None, line)) for name, line in lines.items()}
    profit: dict[str, Points] = {}
    for row in queries.rows("profit_over_time", quote=quote, timeframe=length[0]):
        profit.setdefault(_account(row), []).append((row["time"], row["profit"]))
    end = max((time for line in lines.values() for time, _ in line), default=0)
    for points in profit.values():
        points.append((max(end, points[-1][0]), points[-1][1]))
    return {
        "quote": quote,
        "timeframe": length[0],
        "accounts": [
            {"name": name, "points": points} for name, points in started.items() if points
        ],
        "profit": [{"name": name, "points": points} for name, points in profit.items()],
    }


def fees_chart(fees: Sequence[Row], quote: str) -> dict[str, Any] | None:
    """Fees by month in ``quote``; ``None`` where there are no two months to compare."""
    rows = [r for r in fees if r["quote"] == quote and r["fee_quote"] is not None]
    months = sorted({r["month"] for r in rows})[-LISTED:]
    if len(months) < 2:
        return None
    accounts: dict[str, Points] = {}
    for row in reversed(rows):
        if row["month"] in months:
            accounts.setdefault(_account(row), []).append((row["month"], float(row["fee_quote"])))
    return {
        "quote": quote,
        "accounts": [{"name": name, "points": points} for name, points in accounts.items()],
    }


def _together(lines: Sequence[Points]) -> Points:
    """The sum of several lines: 0 before one begins, its last value after it; not known where one
    is not.
    """
    known = [dict(line) for line in lines]
    now: list[float | None] = [0.0 for _ in lines]
    found: Points = []
    for moment in sorted(set().union(*known)):
        now = [line.get(moment, value) for line, value in zip(known, now, strict=True)]
        priced = [value for value in now if value is not None]
        found.append((moment, sum(priced) if len(priced) == len(now) else None))
    return found


def _account(row: Row) -> str:
    return f"{row['exchange']} {row['account']}"
