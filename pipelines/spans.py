"""Spans of time as two options, or two fields of a run configuration, name them."""

from datetime import UTC, datetime

from pipelines.output.formatting import with_fix
from schemas import ConfigError
from schemas.times import to_microseconds

Names = tuple[str, str]
"""What start and end are called where the user writes them."""


def span(
    start: str | None, end: str | None, names: Names
) -> tuple[datetime | None, datetime | None]:
    """Start (inclusive) and end (exclusive), in UTC.

    Raises ``ConfigError`` for what is no date or time, and for an end that is not after the start.
    """
    since, until = (_time(text, name) for text, name in zip((start, end), names, strict=True))
    if since is not None and until is not None and since >= until:
        first, last = names
        problem = f"{first} {start} is not before {last} {end}"
        raise ConfigError(with_fix(problem, f"name a later {last}, which is exclusive"))
    return since, until


def stretch(start: str | None, end: str | None, names: Names) -> tuple[int, int] | None:
    """What to fetch again: microseconds since 1970, ``[start, end)``; ``None`` without a start.

    Without an end: until now. Raises ``ConfigError`` as :func:`span`, for an end without a start,
    and for a start in the future.
    """
    since, until = span(start, end, names)
    if since is None:
        if until is None:
            return None
        first, last = names
        example = f"{first} 2026-01-10 {last} {end}"
        raise ConfigError(with_fix(f"{last} {end} needs {first}", example))
    now = datetime.now(UTC)
    if since >= now:
        raise ConfigError(with_fix(f"{names[0]} {start} is in the future", "name an earlier time"))
    return to_microseconds(since), to_microseconds(now if until is None else until)


def _time(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        fix = f"{name} 2026-01-10, or {name} 2026-01-10T12:00Z (UTC)"
        problem = f"{name} {text!r} is neither a date nor a time"
        raise ConfigError(with_fix(problem, fix)) from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
