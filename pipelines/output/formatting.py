"""How numbers, times, spans and problems are written for people, everywhere alike."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from schemas.times import to_datetime
from schemas.wording import count

if TYPE_CHECKING:
    from warehouse import Verification
    from warehouse.intervals import Interval


WHITESPACE: Final = "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029"
"""The control characters at which ``str.split`` and ``str.splitlines`` split."""
_HIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Control characters, and those that turn the direction of what follows."""


def visible(text: str, keep: str = "\n\t") -> str:
    """``text`` for a terminal: control characters, except ``keep``, as escapes like ``\\x1b``.

    Text of an exchange could else move the cursor, hide lines, or set the terminal's title.
    """
    return _HIDDEN.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def with_fix(problem: str, fix: str) -> str:
    """A message of two parts: what is wrong, and in a line of its own what to do about it."""
    return f"{problem}\nFix: {fix}"


def number(value: Decimal) -> str:
    """An exact decimal in plain notation, without trailing zeros: ``433``, ``0.00692841``."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def size(count: int) -> str:
    """A number of bytes as files are measured: ``812 B``, ``3.4 kB``, ``1.2 GB``."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def instant(value: datetime, separator: str = " ") -> str:
    """A time as ISO 8601; with a ``Z`` and in UTC when it knows its zone."""
    if value.tzinfo is None:
        return _trim(value.isoformat(separator))
    return _trim(value.astimezone(UTC).replace(tzinfo=None).isoformat(separator)) + "Z"


def age(span: timedelta) -> str:
    """A span in the two units that matter: ``12 s``, ``3 min``, ``5 h 10 min``, ``41 d 3 h``."""
    seconds = max(0, int(span.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 1:
        return f"{seconds} s"
    if hours < 1:
        return f"{minutes} min"
    if days < 1:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"


def interval_text(interval: "Interval", unit: str) -> str:
    """``ids 5..9``, ``ids up to 9``, ``2019-10-11 00:00..2019-10-12 00:00``."""
    if unit == "time":
        lower, upper = (to_datetime(bound) for bound in (interval.lower, interval.upper))
        return f"{lower:%Y-%m-%d %H:%M}..{upper:%Y-%m-%d %H:%M}"
    last = interval.upper - 1
    return f"ids up to {last}" if interval.lower <= 0 else f"ids {interval.lower}..{last}"


def _trim(iso: str) -> str:
    return iso.rstrip("0") if "." in iso else iso


def age_of(microseconds: int | None, now: datetime) -> str:
    """The age of a time in microseconds since 1970; a dash for none."""
    return "–" if microseconds is None else age(now - to_datetime(microseconds))


def verdict(result: "Verification") -> str:
    """The result in one line."""
    wrong, healed = len(result.of("error")), len(result.of("healed"))
    files = result.figures["files"]
    held = f"{count(files.get('rows', 0), 'row')} in {count(files.get('files', 0), 'file')}"
    after = f", after healing {count(healed, 'thing')}" if healed else ""
    if wrong:
        return f"verdict: {count(wrong, 'thing')} wrong{after} ({held})"
    return f"verdict: everything agrees{after} ({held})"
