"""Kinds of column that few datasets need; the usual ones are in :mod:`connectors.columns`."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from connectors import exact
from connectors.columns import Id, Number, Text
from connectors.exact import InvalidValue
from schemas.datasets import COST

_MOST: Final = 2**31 - 1
_PLAIN_COST: Final = r"^[0-9]{1,20}(\.[0-9]{1,18})?$"


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


class Flag:
    """Yes or no."""

    type = pa.bool_()

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """JSON booleans."""
        if not all(type(value) is bool for value in values):
            raise InvalidValue("is not true or false")
        return pa.array(values, self.type)

    def one(self, value: Any) -> bool:
        """A boolean, or 0 or 1, as such or as text."""
        word = str(value).lower()
        if word not in ("true", "false", "0", "1"):
            raise InvalidValue(
                f"is not true or false: {value!r}" if value is not None else "is missing"
            )
        return word in ("true", "1")


class Cost:
    """A sum of money that the exchange worked out: exact, or null where it does not fit."""

    type = COST

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """Plain decimal text of at most 18 places."""
        texts = Text().many(values, required)
        if not pc.all(pc.match_substring_regex(texts, _PLAIN_COST), min_count=0).as_py():
            raise InvalidValue("is not a plain number")
        return texts.cast(self.type)

    def one(self, value: Any) -> Decimal | None:
        """An exact ``decimal128(38, 18)``, or None."""
        return exact.cost(value)


class Percent(Number):
    """A rate that is sent in percent and stored as a fraction."""

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """One by one: these are few."""
        raise InvalidValue("is in percent")

    def one(self, value: Any) -> Any:
        """0.2 as 0.002."""
        return exact.price(str(exact.number(value).scaleb(-2)), signed=self._signed)
