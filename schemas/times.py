"""Conversions between a UTC datetime and whole microseconds since 1970."""

from datetime import UTC, datetime, timedelta
from typing import Final, overload

SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@overload
def to_datetime(microseconds: int) -> datetime: ...
@overload
def to_datetime(microseconds: None) -> None: ...
@overload
def to_datetime(microseconds: int | None) -> datetime | None: ...


def to_datetime(microseconds: int | None) -> datetime | None:
    """Microseconds since 1970 as a UTC datetime; ``None`` stays ``None``.

    Raises ``OverflowError`` for a time that no datetime can hold.
    """
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def to_microseconds(moment: datetime) -> int:
    """A datetime with a time zone as microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND
