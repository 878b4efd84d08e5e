"""Single values, exactly: the text of a number is its value, and no binary float comes near it.

These are the careful conversions, used row by row where a page holds something unusual. The fast
ones of :mod:`connectors.columns` must agree with them to the last digit.

A value as decoded is ``int`` (JSON integer), ``str`` (JSON string, or the text of any other JSON
number), ``bool``, ``None``, ``list`` or ``dict``. What cannot be stored raises
:class:`InvalidValue`.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from typing import Any, Final

EARLIEST_US: Final = 631_152_000_000_000
"""1990-01-01: nothing traded here is older."""
LATEST_US: Final = 4_102_444_800_000_000
"""2100-01-01 (exclusive)."""
MAX_ID: Final = 2**63 - 2
"""An interval of ids ends behind its last one, which has to fit in 64 bits as well."""

_NUMBER: Final = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ISO: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?"
    r"(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_TRAPS: Final = [Inexact, InvalidOperation, Overflow]
_STORED: Final = Context(prec=38, traps=_TRAPS)
_WIDE: Final = Context(prec=200, traps=_TRAPS)
_STEP: Final = Decimal("1e-12")
_HUNDREDTH: Final = Decimal("0.01")
_WIDE_STEP: Final = Decimal("1e-18")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST: Final = 400
_DIGITS: Final = 100
"""Before or behind the point: what is beyond is no amount, and products of two such still are."""
# Microseconds per unit, by magnitude: the four ranges of 1990..2100 do not overlap.
_UNITS: Final = (Decimal(1_000_000), Decimal(1000), Decimal(1), Decimal("0.001"))


class InvalidValue(ValueError):
    """A value that cannot be stored; the message completes "the row's <field> …"."""


def shown(value: Any) -> str:
    """``value`` short enough for a message."""
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def number(value: Any) -> Decimal:
    """The value of a number's text, with all digits as sent. Raises :class:`InvalidValue`.

    Two of them can be multiplied: neither is beyond what any amount can be.
    """
    if value is None:
        raise InvalidValue("is missing")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InvalidValue(f"is not a number: {shown(value)}")
    text = str(value)
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        raise InvalidValue(f"is not a number: {shown(text)}")
    try:
        found = Decimal(text)
    except DecimalException:
        raise InvalidValue(f"is not a number: {shown(text)}") from None
    if found and abs(found.adjusted()) > _DIGITS:
        raise InvalidValue(f"is no amount of anything: {shown(text)}")
    return found


def price(value: Any, *, signed: bool = False) -> Decimal:
    """An exact ``decimal128(38, 12)``. Raises :class:`InvalidValue` instead of rounding."""
    return _fitting(value, _STEP, signed)


def wide(value: Any, *, signed: bool = False) -> Decimal:
    """An exact ``decimal128(38, 18)``. Raises :class:`InvalidValue` instead of rounding."""
    return _fitting(value, _WIDE_STEP, signed)


def _fitting(value: Any, step: Decimal, signed: bool) -> Decimal:
    found = number(value)
    if not found:
        return step - step
    if found < 0 and not signed:
        raise InvalidValue(f"is negative: {shown(value)}")
    try:
        return found.quantize(step, context=_STORED)
    except DecimalException:
        places = -step.adjusted()
        raise InvalidValue(f"does not fit decimal(38, {places}) exactly: {shown(value)}") from None


def total(plus: Sequence[Any], minus: Sequence[Any] = ()) -> str:
    """The exact text of the sum of ``plus`` less ``minus``, numbers as :func:`wide` has them.

    What is missing (None) counts as nothing. Raises :class:`InvalidValue`.
    """
    found = Decimal(0)
    for values, add in ((plus, _WIDE.add), (minus, _WIDE.subtract)):
        for value in values:
            found = found if value is None else add(found, wide(value, signed=True))
    return f"{found:f}"


def difference(value: Any, other: Any) -> Decimal:
    """``value - other``, both as :func:`price` has them. Raises :class:`InvalidValue`."""
    return _WIDE.subtract(price(value), price(other))


def ratio(value: Any, other: Any) -> str | None:
    """``value / other`` as :func:`price` has it, as text; None where that is no such number."""
    try:
        return f"{price(f'{_STORED.divide(number(value), number(other)):f}', signed=True):f}"
    except (DecimalException, InvalidValue):
        return None


def places(step: Any) -> int | None:
    """The decimal places of a step: 2 of ``0.01000000``, 0 of ``10``; None where there is none.

    Raises :class:`InvalidValue` for what is no number.
    """
    if step is None:
        return None
    try:
        exponent = number(step).normalize(_WIDE).as_tuple().exponent
    except DecimalException:
        raise InvalidValue(f"is no step: {shown(step)}") from None
    return max(0, -int(exponent))


def percent(value: Any, *, signed: bool = False) -> Decimal:
    """A hundredth of ``value`` as :func:`price` has it. Raises :class:`InvalidValue`."""
    try:
        return price(str(_WIDE.multiply(number(value), _HUNDREDTH)), signed=signed)
    except DecimalException:
        raise InvalidValue(f"does not fit decimal(38, 12) exactly: {shown(value)}") from None


def cost(value: Any) -> Decimal | None:
    """An exact ``decimal128(38, 18)``, or None where it does not fit.

    Raises :class:`InvalidValue` for what is no number.
    """
    try:
        return number(value).quantize(_WIDE_STEP, context=_STORED)
    except DecimalException:
        return None


def natural(sent: bytes) -> int | None:
    """A natural number of JSON, which may stand in quotes; None for anything else."""
    digits = sent.strip(b'"')
    return int(digits) if digits.isdigit() and len(digits) < 20 else None


def identity(value: Any) -> int:
    """A non-negative 64-bit id, from an integer or its text."""
    found = number(value)
    # The size is looked at before int(): 1e999999999 would fill the memory.
    if found.adjusted() > 19 or found != found.to_integral_value():
        raise InvalidValue(f"is not an id: {shown(value)}")
    whole = int(found)
    if not 0 <= whole <= MAX_ID:
        raise InvalidValue(f"is not an id between 0 and 2^63: {shown(value)}")
    return whole


def time_us(value: Any) -> int:
    """Microseconds since 1970 UTC; what is finer is cut off.

    Takes seconds, milliseconds, microseconds or nanoseconds (recognised by magnitude, as integer,
    decimal number or text) and ISO 8601 text (UTC where it names no zone).
    """
    if isinstance(value, str) and (iso := _ISO.fullmatch(value)):
        return _plausible(_iso_us(value, iso), value)
    found = number(value)
    if found.adjusted() > 30:
        raise InvalidValue(f"is not a date between 1990 and 2100: {shown(value)}")
    for per_unit in _UNITS:
        try:
            us = _WIDE.multiply(found, per_unit)
        except DecimalException:  # of more than 200 digits
            break
        if EARLIEST_US <= us < LATEST_US:
            return int(us)
    raise InvalidValue(f"is not a date between 1990 and 2100: {shown(value)}")


def _iso_us(value: str, iso: re.Match[str]) -> int:
    whole, fraction, zone = iso.groups()
    digits = (fraction or "")[:6]
    try:
        moment = datetime.fromisoformat(whole + ("+00:00" if zone in (None, "Z") else zone))
    except ValueError:
        raise InvalidValue(f"is not a date: {shown(value)}") from None
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    return seconds * 1_000_000 + int(digits.ljust(6, "0"))


def _plausible(us: int, value: Any) -> int:
    if not EARLIEST_US <= us < LATEST_US:
        raise InvalidValue(f"is not a date between 1990 and 2100: {shown(value)}")
    return us


def choice(value: Any, choices: Mapping[str, str]) -> str:
    """``value`` (text, or an integer read as text) through ``choices``."""
    if isinstance(value, int | str) and not isinstance(value, bool):
        found = choices.get(str(value))
        if found is not None:
            return found
    if value is None:
        raise InvalidValue("is missing")
    raise InvalidValue(f"is none of {', '.join(choices)}: {shown(value)}")


def text(value: Any) -> str:
    """Text, or an integer as text."""
    if value is None:
        raise InvalidValue("is missing")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InvalidValue(f"is not text: {shown(value)}")
    found = str(value)
    if not found.isascii() and _SURROGATE.search(found):
        raise InvalidValue(f"holds half a surrogate or a byte that is not UTF-8: {shown(found)}")
    return found
