"""Columns of market names: translated, or held against the one market that was asked for."""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from connectors.columns import Text
from connectors.errors import ContractError
from connectors.exact import InvalidValue, text


def code_of(value: Any) -> Any:
    """A currency's code in upper case; what is no text stays, to be refused by its column."""
    return value.upper() if isinstance(value, str) else value


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
            raise InvalidValue(f"is not a market: {value!r}" if value is not None else "is missing")
        return self._symbol_of(value)


class Only:
    """The one market that was asked for. A row of another one spoils the whole answer."""

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
