"""Whether a schedule is a cron expression, and what is wrong with it if not.

Dagster has a check of its own, but importing it takes a second, and it does not say what is wrong.
What passes here passes there (a test holds it).
"""

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
_ALIASES: Final = ("@hourly", "@daily", "@weekly", "@monthly", "@yearly")


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
            if not _is_sound(piece, low, high, names):
                return f"{name} {piece!r} is not within {low}-{high}"
    return None


def _is_sound(piece: str, low: int, high: int, names: dict[str, int]) -> bool:
    span, slash, step = piece.partition("/")
    if slash and not (step.isdecimal() and 1 <= int(step) <= max(high, 1)):
        return False
    if span == "*":
        return True
    first, dash, last = span.partition("-")
    ends = [_number(first, names), _number(last, names) if dash else None]
    if any(end is not None and not low <= end <= high for end in ends) or ends[0] is None:
        return False
    if not dash:
        return not slash
    return ends[1] is not None and ends[0] <= ends[1]


def _number(text: str, names: dict[str, int]) -> int | None:
    if text in names:
        return names[text]
    return int(text) if text.isascii() and text.isdecimal() else None
