"""Whole columns at once: the fast way from decoded values to Arrow, exact or refused.

Each kind of column knows two ways that agree to the last digit. ``many`` turns the values of a
whole page into Arrow with a handful of vector calls and raises :class:`InvalidValue` as soon as
anything is unusual; ``one`` converts a single value with care and reports what is wrong with it.

Casting text to decimal is exact in Arrow for plain digits only (``'1e30'`` has come out wrong), so
the text is looked at before any cast.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors import exact
from connectors.exact import InvalidValue
from schemas.datasets import PRICE, TEXT, TIME

_LONGEST: Final = 26
"""More digits than these may not fit before the point, and Arrow's cast wraps around in silence."""
_POINT: Final = np.uint8(ord("."))
_PLAIN_SIGNED: Final = r"^-?[0-9]{1,26}(\.[0-9]{1,12})?$"
_PER_US: Final = (1_000_000, 1000, 1)  # seconds, milliseconds, microseconds


class Kind(Protocol):
    """One kind of column. ``type``: what both ways produce."""

    type: pa.DataType

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """All values at once. Raises :class:`InvalidValue` where ``one`` has to look at them."""
        ...

    def one(self, value: Any) -> Any:
        """One value, not None. Raises :class:`InvalidValue` with the reason."""
        ...


def _array(values: Sequence[Any], type_: pa.DataType, required: bool) -> pa.Array:
    try:
        array = pa.array(values, type_)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        raise InvalidValue("mixed values") from None
    if required and array.null_count:
        raise InvalidValue("is missing")
    return array


def _texts(values: Sequence[Any], required: bool) -> pa.StringArray:
    """Text as it is, integers as text. Anything else is invalid."""
    try:
        return _array(values, TEXT, required)
    except InvalidValue:
        if not {type(value) for value in values} <= {str, int, type(None)}:
            raise
        return _array([v if v is None else str(v) for v in values], TEXT, required)


def _are_plain(texts: pa.StringArray) -> bool:
    """Whether every text is made of digits and points, neither first nor last a point.

    On the bytes: four times as fast as a pattern. A second point and a thirteenth place are left to
    the cast, which refuses them.
    """
    if texts.null_count:
        texts = texts.drop_null()
    if not len(texts):
        return True
    _, ends, data = texts.buffers()
    at = np.frombuffer(ends, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    sizes = at[1:] - at[:-1]
    if not 0 < sizes.min() <= sizes.max() <= _LONGEST:
        return False
    # the point is 0, "/" 1, digits 2 to 11; whatever comes before the point wraps to beyond
    found = np.frombuffer(data, np.uint8)[at[0] : at[-1]] - _POINT
    edges = (found[at[:-1] - at[0]], found[at[1:] - at[0] - 1])
    return bool(found.max() <= 11 and not (found == 1).any() and min(map(np.min, edges)) > 0)


class Id:
    """A non-negative 64-bit id."""

    type = pa.int64()

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """Integers, or texts of plain digits."""
        if values and type(values[0]) is str:
            if not all(type(v) is str and v.isascii() and v.isdigit() for v in values):
                raise InvalidValue("is not an id")
            values = list(map(int, values))
        array = _array(values, self.type, required)
        if len(array) > array.null_count and pc.min(array).as_py() < 0:
            raise InvalidValue("is not an id")
        return array

    def one(self, value: Any) -> int:
        """See :func:`connectors.exact.identity`."""
        return exact.identity(value)


class Time:
    """A moment, in microseconds since 1970 UTC."""

    type = pa.int64()

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """Integers that all lie in the range of one unit."""
        array = _array(values, self.type, required)
        if len(array) == array.null_count:
            return array
        ends = pc.min_max(array).as_py()
        for per_unit in _PER_US:
            low, high = ends["min"] * per_unit, ends["max"] * per_unit
            if low >= exact.EARLIEST_US and high < exact.LATEST_US:
                return pc.multiply(array, per_unit)
        raise InvalidValue("is not a date in one unit")

    def one(self, value: Any) -> int:
        """See :func:`connectors.exact.time_us`."""
        return exact.time_us(value)


class Number:
    """A price, amount or rate: ``decimal128(38, 12)``."""

    type = PRICE

    def __init__(self, *, signed: bool = False) -> None:
        self._signed = signed

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """Plain decimal text of at most 12 places, or integers."""
        texts = _texts(values, required)
        if self._signed:
            plain = pc.all(pc.match_substring_regex(texts, _PLAIN_SIGNED), min_count=0).as_py()
        else:
            plain = _are_plain(texts)
        if not plain:
            raise InvalidValue("is not a plain number")
        try:
            return texts.cast(PRICE)
        except pa.ArrowInvalid:  # two points, or more digits than fit
            raise InvalidValue("is not a plain number") from None

    def one(self, value: Any) -> Any:
        """See :func:`connectors.exact.price`."""
        return exact.price(value, signed=self._signed)


class Choice:
    """One of a few words, translated."""

    type = TEXT

    def __init__(self, choices: Mapping[str, str]) -> None:
        self._choices = choices

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """Every value translated; a missing required one is invalid."""
        try:
            known = {value: self.one(value) for value in set(values)}
        except TypeError:  # a list or an object
            raise InvalidValue("is an unknown word") from None
        if not all(type(word) is str for word in known) and bool in map(type, values):
            raise InvalidValue("is an unknown word")  # to a dictionary True is 1
        if any(value != word for value, word in known.items()):
            values = list(map(known.__getitem__, values))
        return _array(values, TEXT, required)

    def one(self, value: Any) -> str:
        """See :func:`connectors.exact.choice`."""
        return exact.choice(value, self._choices)


class Text:
    """Text as sent; integers as their text."""

    type = TEXT

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """Texts and integers."""
        return _texts(values, required)

    def one(self, value: Any) -> str:
        """See :func:`connectors.exact.text`."""
        return exact.text(value)


def as_stored(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """A column of a kind as the dataset declares it: ids become text, microseconds timestamps."""
    if array.type == type_:
        return array
    if type_ == TIME:
        return array.view(TIME) if array.null_count == 0 else array.cast(TIME)
    return array.cast(type_)
