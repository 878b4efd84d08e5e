"""Which symbol (``BTC-USD``) is which market of an exchange (``BTC_USD``, ``btc_usd``).

A market's own name is looked up among the names that are known: those of the exchange's list, and
those that were listed before. Two markets never have one symbol, also where their names differ by
case or by a separator only; a market keeps the symbol that it once had.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa

from connectors.base import Page
from connectors.codes import Codes
from connectors.columns import Text
from connectors.errors import RequestError
from connectors.exact import InvalidValue, shown, text
from connectors.jsontext import NotJsonError
from connectors.rows import MOST_ROWS, Built, Source

IN_PATH: Final = r"(?!\.+(?:$|/))(?:[A-Za-z0-9_.~-]|%(?!2F|5C|[01]|7F)[0-9A-F]{2})+"
"""Pattern of a name as one segment of a path: percent-encoded, never a way to another path."""
_LONGEST: Final = 120
"""Bytes of a name, percent-encoded: it is part of the names of folders and locks."""
_DIGITS: Final = range(8, 65, 8)


@dataclass(frozen=True)
class Spelling:
    """How an exchange spells markets as a rule; it may break it for any of them.

    ``lower``: in lower case, else in upper case. ``separator``: empty where base and quote are not
    told apart by the name (``BTCUSDT``): then only the list tells. ``reserved``: characters that no
    name can be asked for with, because they separate names.
    """

    lower: bool = False
    separator: str = "_"
    reserved: str = "/\\"

    def native(self, symbol: str) -> str:
        """``BTC-USD`` as the exchange spells it by the rule."""
        name = symbol.replace("-", self.separator, 1)
        return name.lower() if self.lower else name.upper()

    def symbol(self, native: str, base: str = "", quoted: str = "") -> str:
        """BASE-QUOTE of a market's own name; by its currencies where the name has no two parts."""
        first, _, second = native.partition(self.separator) if self.separator else ("", "", "")
        if not (first and second) and base and quoted:
            first, second = base, quoted
        return f"{first}-{second}".upper() if first and second else native.upper()

    def is_usual(self, native: str) -> bool:
        """Whether ``native`` is spelled by the rule: then no other such name has its symbol."""
        return self.native(self.symbol(native)) == native

    def problem(self, native: str) -> str | None:
        """Why no market can be asked for by this name; ``None`` where one can."""
        wrong = [c for c in native if c in self.reserved]
        return (
            f"holds {wrong[0]!r}, with which it cannot be asked for" if wrong else unsound(native)
        )


def unsound(native: str) -> str | None:
    """Why this can be the name of no market; ``None`` where it can."""
    wrong = [c for c in native if c.isspace() or not c.isprintable()]
    if wrong:
        return f"holds {wrong[0]!r}"
    if not native.strip("._-"):
        return "is no name"
    encoded = quote(native.upper(), safe="")
    return f"is longer than {_LONGEST} bytes" if len(encoded) > _LONGEST else None


@dataclass(frozen=True)
class Names:
    """The names that are known of one exchange.

    ``known``: symbols by native name, all distinct. ``codes``: of its currencies. ``aliases``:
    symbols by what other calls name the markets by. ``listed``: native names of the last list read.
    """

    spelling: Spelling = field(default_factory=Spelling)
    known: Mapping[str, str] = field(default_factory=dict)
    codes: Codes = field(default_factory=Codes)
    aliases: Mapping[str, str] = field(default_factory=dict)
    listed: Collection[str] = ()

    @cached_property
    def _natives(self) -> dict[str, str]:
        return {symbol: native for native, symbol in self.known.items()}

    def knowing(self, more: Mapping[str, str], codes: Iterable[str] = ()) -> "Names":
        """These names and ``more``; what is known already stays as it is."""
        known = {**more, **self.known}
        return replace(self, known=known, codes=self.codes.knowing(codes))

    def assigned(self, markets: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        """The symbol of each of ``markets`` (base and quote by native name), each another one.

        A name that is spelled by the rule comes before others that would have the same symbol;
        those get a third part that distinguishes them: ``BTC-USD-3F2A9C01``.
        """
        found = {native: self.known[native] for native in markets if native in self.known}
        taken = set(self._natives)
        fresh = {n: self.spelling.symbol(n, *markets[n]) for n in sorted(markets) if n not in found}
        contested = Counter(fresh[n] for n in fresh if not self.spelling.is_usual(n))
        for native in sorted(fresh, key=self.spelling.is_usual, reverse=True):
            symbol = fresh[native]
            alone = self.spelling.is_usual(native) or contested[symbol] == 1
            if not alone or symbol in taken:
                symbol = _distinguished(symbol, native, taken)
            taken.add(symbol)
            found[native] = symbol
        return found

    def symbol_of(self, native: str) -> str:
        """The symbol of a market, be it listed or not. Raises :class:`InvalidValue`."""
        if native in self.known:
            return self.known[native]
        if native in self.aliases:
            return self.aliases[native]
        problem = unsound(native)
        if problem:
            raise InvalidValue(f"is not a market: it {problem}: {shown(native)!r}")
        return self.assigned({native: ("", "")})[native]

    def native_of(self, symbol: str) -> str:
        """The exchange's own name of a market; of one that is not known, by the rule.

        Raises ``RequestError`` where the rule gives the name of another market.
        """
        native = self._natives.get(symbol)
        if native is not None:
            return native
        native = self.spelling.native(symbol)
        if native in self.known or self.spelling.problem(native):
            raise RequestError(f"there is no market {symbol!r}. Fix: see the table `markets`")
        return native

    def named(self, name: str) -> str | None:
        """The symbol that ``name``, a symbol or an exchange's own name, stands for.

        By the rule where it is not known; ``None`` where that gives another market's.
        """
        if name in self._natives:
            return name
        if name in self.known or name in self.aliases:
            return self.known.get(name) or self.aliases[name]
        native = name if self.spelling.is_usual(name) else self.spelling.native(name)
        symbol = self.spelling.symbol(native)
        if not self.spelling.is_usual(native) or self.spelling.problem(native):
            return None
        return symbol if name in (native, symbol) and symbol not in self._natives else None


def _distinguished(symbol: str, native: str, taken: set[str]) -> str:
    digest = hashlib.sha256(native.encode()).hexdigest().upper()
    return next(s for n in _DIGITS if (s := f"{symbol}-{digest[:n]}") not in taken)


class Listed:
    """The kind of column that holds the symbol of a market of the exchange's list."""

    type = Text.type

    def __init__(self, names: Names, markets: Mapping[str, tuple[str, str]]) -> None:
        self._spelling = names.spelling
        self._symbols = names.assigned({n: markets[n] for n in markets if not self._problem(n)})

    def _problem(self, native: str) -> str | None:
        return self._spelling.problem(native)

    def many(self, values: Sequence[Any], required: bool) -> pa.Array:
        """All of them, one by one: each is another one."""
        return pa.array([self.one(value) for value in values], self.type)

    def one(self, value: Any) -> str:
        """The symbol of a native name."""
        native = text(value)
        problem = self._problem(native)
        if problem:
            raise InvalidValue(f"{problem}: {shown(native)!r}")
        if native not in self._symbols:  # a number
            raise InvalidValue(f"is not a market: {shown(native)!r}")
        return self._symbols[native]


def listed_rows(source: Source) -> Iterator[Any]:
    """The decoded rows of a list; those that cannot be decoded are left out.

    Of a list that is too long for :func:`connectors.rows.read`, no more than the beginning.
    """
    if source.rows is not None:
        yield from source.rows[:MOST_ROWS]
        return
    for row in source.texts()[:MOST_ROWS]:
        with suppress(InvalidValue, NotJsonError):
            yield source.one(row)


def with_aliases(
    built: Built, rows: Sequence[Mapping[str, Any]], key: str, value: str, others: Sequence[str]
) -> Page:
    """The page of a list, with what its rows (of ``keyed``) are called besides.

    ``key``, ``value``: the columns that hold a row's own name, and what is meant by it.
    ``others``: the members that hold further names.
    """
    known = dict(zip(*(built.columns[n].to_pylist() for n in (key, value)), strict=True))
    more = {
        row[other]: known[row["id"]]
        for row in rows
        for other in others
        if row["id"] in known and isinstance(row.get(other), str)
    }
    return replace(built.page(), aliases={**more, **known})
