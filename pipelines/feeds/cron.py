"""Cron expressions: what is wrong with one, and when it was last due.

Dagster has a check of its own, but importing it takes a second, and it does not say what is wrong.
What passes here passes there, and is due at the same times (tests hold both).
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Final

_MONTHS: Final = [
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
]
_WEEKDAYS: Final = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: Final[tuple[tuple[str, int, int, dict[str, int]], ...]] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of the week", 0, 7, {name: number for number, name in enumerate(_WEEKDAYS)}),
)
_ALIASES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_SLACK: Final = timedelta(minutes=15)
"""So long something that is due may take at least."""
_LOOKED_BACK: Final = timedelta(days=8 * 366 + 1)
"""29 February comes after eight years at the latest."""


def problem(cron: str) -> str | None:
    """What is wrong with a five-field cron expression; ``None`` for a sound one.

    >>> problem("*/5 * * * *")
    >>> problem("*/5 * * *")
    'a cron schedule has 5 fields (minute hour day month weekday), this one has 4'
    >>> problem("0 25 * * *")
    "hour '25' is not within 0-23"
    """
    if cron.startswith("@"):
        return None if cron in _ALIASES else f"only {', '.join(_ALIASES)} stand for a schedule"
    parts = cron.lower().split()
    if len(parts) != len(_FIELDS):
        return (
            "a cron schedule has 5 fields (minute hour day month weekday), "
            f"this one has {len(parts)}"
        )
    for text, (name, low, high, names) in zip(parts, _FIELDS, strict=True):
        for piece in text.split(","):
            if _numbers(piece, low, high, names) is None:
                return f"{name} {piece!r} is not within {low}-{high}"
    return None


def last_due(cron: str, at: datetime) -> datetime | None:
    """The last minute up to ``at`` at which a sound ``cron`` is due; ``None`` = never.

    >>> last_due("*/15 3 * * *", datetime(2026, 1, 10, 12, 0)).isoformat()
    '2026-01-10T03:45:00'
    """
    minutes, hours, is_day = _ticks(cron)
    now = at.replace(second=0, microsecond=0)
    day = now
    while now - day < _LOOKED_BACK:
        if is_day(day):
            for hour in sorted(hours, reverse=True):
                for minute in sorted(minutes, reverse=True):
                    found = day.replace(hour=hour, minute=minute)
                    if found <= now:
                        return found
        day -= timedelta(days=1)
    return None


def _ticks(cron: str) -> tuple[set[int], set[int], Callable[[date], bool]]:
    """The minutes and hours of a sound ``cron``, and on which days it is due."""
    parts = _ALIASES.get(cron, cron).lower().split()
    minutes, hours, days, months, weekdays = (
        {n for piece in text.split(",") for n in _numbers(piece, low, high, names) or ()}
        for text, (_, low, high, names) in zip(parts, _FIELDS, strict=True)
    )
    weekdays = {day % 7 for day in weekdays}
    # As in every cron: where both are restricted, either is enough.
    enough = any if len(days) < 31 and len(weekdays) < 7 else all

    def is_day(day: date) -> bool:
        return day.month in months and enough([day.day in days, day.isoweekday() % 7 in weekdays])

    return minutes, hours, is_day


def _numbers(piece: str, low: int, high: int, names: dict[str, int]) -> range | None:
    """What one piece of a field names; ``None`` where that is not within ``low`` to ``high``."""
    span, slash, step = piece.partition("/")
    if slash and not (step.isdecimal() and 1 <= int(step) <= max(high, 1)):
        return None
    if span == "*":
        return range(low, high + 1, int(step or 1))
    first, dash, last = span.partition("-")
    begin = _number(first, names)
    end = _number(last, names) if dash else begin
    if begin is None or end is None or not low <= begin <= end <= high or (slash and not dash):
        return None
    return range(begin, end + 1, int(step or 1))


def _number(text: str, names: dict[str, int]) -> int | None:
    if text in names:
        return names[text]
    return int(text) if text.isascii() and text.isdecimal() else None


@cache
def longest_pause(cron: str) -> timedelta:
    """The longest time between two ticks that follow each other.

    >>> longest_pause("*/5 * * * *")
    datetime.timedelta(seconds=300)
    >>> longest_pause("0 9-17 * * mon-fri")  # from Friday evening to Monday morning
    datetime.timedelta(days=2, seconds=57600)
    """
    minutes, hours, is_day = _ticks(cron)
    times = sorted(timedelta(hours=h, minutes=m) for h in hours for m in minutes)
    days_looked_at = (date(2024, 1, 1) + timedelta(n) for n in range(5 * 366))  # two leap days
    active = [day for day in days_looked_at if is_day(day)]
    apart = max((b - a for a, b in pairwise(active)), default=timedelta(5 * 366))
    return max([b - a for a, b in pairwise(times)] + [apart + times[0] - times[-1]])


def overdue_after(pause: timedelta) -> timedelta:
    """How long after a pull the next one is overdue, if there is one every ``pause``.

    Half a pause more, at least 15 minutes: one slow pull is no alarm.
    """
    return pause + max(pause / 2, _SLACK)
