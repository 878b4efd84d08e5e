"""Whole columns at once: the fast way from decoded values to Arrow, exact or refused.

Each kind of column knows two ways that agree to the last digit. ``many`` turns the values of a
whole page into Arrow with a handful of vector calls and raises :class:`InvalidValue` as soon as
anything is unusual; ``one`` converts a single value with care and reports what is wrong with it.

Casting text to decimal is exact in Arrow for plain digits only (``'1e30'`` has come out wrong), so
the text is looked at before any cast.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors import exact
from connectors.errors import ContractError
from connectors.exact import InvalidValue, shown, text
from schemas.arrays import from_numpy
from schemas.declare import PRICE, TEXT, TIME, WIDE

_LONGEST: Final = 26
"""More digits than these may not fit before the point, and Arrow's cast wraps around in silence."""
_POINT: Final = np.uint8(ord("."))
_PLAIN_SIGNED: Final = r"^-?[0-9]{1,26}(\.[0-9]{1,12})?$"
_MOST: Final = 2**31 - 1
_PLAIN_WIDE: Final = r"^[0-9]{1,20}(\.[0-9]{1,18})?$"
_PLAIN_WIDE_SIGNED: Final = r"^-?[0-9]{1,20}(\.[0-9]{1,18})?$"
_ISO_UTC: Final = r"^[0-9]{4}(-[0-9]{2}){2}[T ][0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,9})?Z$"
_NANOSECONDS: Final = pa.decimal128(38, 9)
_LEAST_NS: Final = 10**17  # of nine digits of seconds; fewer may be of another unit
_ANY_SECOND: Final = "1000000000"
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


def are_plain(texts: pa.StringArray) -> bool:
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


def _integers(texts: pa.StringArray) -> pa.Int64Array:
    """Texts of plain digits as integers."""
    if not are_plain(texts) or pc.any(pc.match_substring(texts, "."), min_count=0).as_py():
        raise InvalidValue("is not an id")
    try:
        return texts.cast(pa.int64())
    except pa.ArrowInvalid:  # it does not fit
        raise InvalidValue("is not an id") from None


class Id:
    """A 64-bit id of at least ``least``: 0 or, where 0 stands for none, 1."""

    type = pa.int64()

    def __init__(self, least: int = 0) -> None:
        self._least = least

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """Integers, or texts of plain digits."""
        if values and type(values[0]) is str:
            array = _integers(_array(values, TEXT, required))
        else:
            array = _array(values, self.type, required)
        ends = pc.min_max(array).as_py()
        if (
            ends["min"] is not None
            and not self._least <= ends["min"] <= ends["max"] <= exact.MAX_ID
        ):
            raise InvalidValue("is not an id")
        return array

    def one(self, value: Any) -> int:
        found = exact.identity(value)
        if found < self._least:
            raise InvalidValue(f"is {found}, which is no id")
        return found


class Time:
    """A moment, in microseconds since 1970 UTC; what is finer is cut off."""

    type = pa.int64()

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """Integers that all lie in the range of one unit, decimal seconds, or ISO 8601 in UTC."""
        if values and type(values[0]) is str:
            array = _microseconds(_array(values, TEXT, required))
        else:
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
        return exact.time_us(value)


def _microseconds(texts: pa.StringArray) -> pa.Int64Array:
    """Decimal seconds or ISO 8601 in UTC, all of them alike, in whole microseconds."""
    try:
        if are_plain(texts):
            # 16 bytes each, the low half first: of any moment the nanoseconds fit into it
            _, data = pc.fill_null(texts, _ANY_SECOND).cast(_NANOSECONDS).buffers()
            low, high = np.frombuffer(data, np.int64).reshape(-1, 2).T
            if low.min() < _LEAST_NS or high.any():
                raise InvalidValue("is not a date in seconds")
            found = from_numpy(low // 1000)
            return pc.if_else(texts.is_valid(), found, None) if texts.null_count else found
        if pc.all(pc.match_substring_regex(texts, _ISO_UTC), min_count=0).as_py():
            return pc.divide(texts.cast(pa.timestamp("ns", "UTC")).cast(pa.int64()), 1000)
    except pa.ArrowInvalid:  # no such day
        pass
    raise InvalidValue("is not a date in one form")


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
            plain = are_plain(texts)
        if not plain:
            raise InvalidValue("is not a plain number")
        try:
            return texts.cast(PRICE)
        except pa.ArrowInvalid:  # two points, or more digits than fit
            raise InvalidValue("is not a plain number") from None

    def one(self, value: Any) -> Any:
        return exact.price(value, signed=self._signed)


class Wide(Number):
    """A balance, fee, transfer or volume: ``decimal128(38, 18)``."""

    type = WIDE

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """Plain decimal text of at most 20 digits before the point and 18 places, or integers."""
        texts = _texts(values, required)
        pattern = _PLAIN_WIDE_SIGNED if self._signed else _PLAIN_WIDE
        if not pc.all(pc.match_substring_regex(texts, pattern), min_count=0).as_py():
            raise InvalidValue("is not a plain number")
        return texts.cast(self.type)

    def one(self, value: Any) -> Any:
        """See :func:`connectors.exact.wide`."""
        return exact.wide(value, signed=self._signed)


def by_word(words: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """``{"open": ("NEW", "PENDING")}`` as ``{"NEW": "open", "PENDING": "open"}``.

    Of a text, each character is a word.
    """
    return {word: meaning for meaning, said in words.items() for word in said}


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
        return exact.choice(value, self._choices)


class Text:
    """Text as sent; integers as their text."""

    type = TEXT

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """Texts and integers."""
        return _texts(values, required)

    def one(self, value: Any) -> str:
        return exact.text(value)


def as_stored(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """A column of a kind as the dataset declares it: ids become text, microseconds timestamps."""
    if array.type == type_:
        return array
    if type_ == TIME:
        return array.view(TIME) if array.null_count == 0 else array.cast(TIME)
    return array.cast(type_)


class Whole:
    """A small whole number: decimal places."""

    type = pa.int32()

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """Integers, or texts of plain digits."""
        array = Id().many(values, required)
        if len(array) > array.null_count and pc.max(array).as_py() > _MOST:
            raise InvalidValue("is too large")
        return array.cast(self.type)

    def one(self, value: Any) -> int:
        """A whole number below 2^31."""
        found = exact.identity(value)
        if found > _MOST:
            raise InvalidValue(f"is too large: {found}")
        return found


class Places(Whole):
    """The decimal places of a step: 2 of ``0.01000000``."""

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """All of them, one by one: these are few."""
        return super().many([exact.places(value) for value in values], required)

    def one(self, value: Any) -> int:
        """See :func:`connectors.exact.places`."""
        return super().one(exact.places(value))


class Flag:
    """Yes or no."""

    type = pa.bool_()

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """JSON booleans."""
        if not {bool}.issuperset(map(type, values)):
            raise InvalidValue("is not true or false")
        return pa.array(values, self.type)

    def one(self, value: Any) -> bool:
        """A boolean, or 0 or 1, as such or as text."""
        word = str(value).lower()
        if word not in ("true", "false", "0", "1"):
            raise InvalidValue(
                f"is not true or false: {shown(value)}" if value is not None else "is missing"
            )
        return word in ("true", "1")


class Cost(Wide):
    """A sum of money that the exchange calculated: exact, or null where it does not fit."""

    def one(self, value: Any) -> Decimal | None:
        """An exact ``decimal128(38, 18)``, or None."""
        return exact.cost(value)


class Worded:
    """A flag, stored as one of two words."""

    type = TEXT

    def __init__(self, yes: str, no: str) -> None:
        self._words = (yes, no)

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """JSON booleans."""
        return pc.if_else(Flag().many(values, required), *self._words)

    def one(self, value: Any) -> str:
        """The word for a JSON boolean."""
        if not isinstance(value, bool):
            raise InvalidValue(
                f"is not true or false: {shown(value)}" if value is not None else "is missing"
            )
        return self._words[not value]


class Percent(Number):
    """A rate that is sent in percent and stored as a fraction."""

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """One by one: these are few."""
        raise InvalidValue("is in percent")

    def one(self, value: Any) -> Any:
        """0.2 as 0.002."""
        return exact.percent(value, signed=self._signed)


class Canonical:
    """An exchange's spelling of a market, translated by a function."""

    type = Text.type

    def __init__(self, symbol_of: Callable[[str], str]) -> None:
        self._symbol_of = symbol_of

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """All translated; each spelling once."""
        try:
            known = {value: self.one(value) for value in set(values)}
        except TypeError:
            raise InvalidValue("is not a market") from None
        return pa.array([known[value] for value in values], self.type)

    def one(self, value: Any) -> str:
        """``btc_usd`` as ``BTC-USD``."""
        if not isinstance(value, str) or value.strip("_-") != value or not value:
            raise InvalidValue(
                f"is not a market: {shown(repr(value))}" if value is not None else "is missing"
            )
        return self._symbol_of(text(value))


class Only:
    """The one market that was asked for. A row of another one is a ``ContractError``."""

    type = Text.type

    def __init__(self, native: str, symbol: str) -> None:
        self._native = native
        self._symbol = symbol

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """The canonical name, once per row."""
        if values and values.count(self._native) != len(values):
            raise InvalidValue("is another market")
        return pa.repeat(pa.scalar(self._symbol, self.type), len(values))

    def one(self, value: Any) -> str:
        """The canonical name. Raises ``ContractError`` for another market."""
        found = text(value)
        if found != self._native:
            raise ContractError(f"a row of {found[:40]!r} in the answer for {self._native!r}")
        return self._symbol
