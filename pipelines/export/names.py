"""Account and commodity names as Beancount allows them; hledger takes them as well."""

import re
from typing import Final

_NO_COMMODITY: Final = frozenset({"TRUE", "FALSE", "NULL"})
"""Words of Beancount's language."""


class Names:
    """The names of one journal. Two things never get one name: the second gets a number."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._taken: set[tuple[str, str]] = set()

    def part(self, kind: str, name: str) -> str:
        """A part of an account's name: ``my_desk`` is ``My-desk``, ``1INCH`` stays."""
        return self._given.get((kind, name)) or self._new(kind, name, _part(name))

    def commodity(self, currency: str) -> str:
        """A commodity: ``BTC`` stays, ``1INCH`` is ``X1INCH``."""
        known = self._given.get(("commodity", currency))
        return known or self._new("commodity", currency, _commodity(currency))

    def _new(self, kind: str, name: str, wanted: str) -> str:
        text, number = wanted, 1
        while (kind, text) in self._taken:
            number += 1
            text = f"{wanted}-{number}"
        self._taken.add((kind, text))
        self._given[kind, name] = text
        return text


def _part(name: str) -> str:
    text = re.sub(r"[^A-Za-z0-9-]", "-", name)
    text = text[:1].upper() + text[1:]
    return text if re.match("[A-Z0-9]", text) else f"X{text}"


def _commodity(currency: str) -> str:
    text = re.sub(r"[^A-Z0-9'._-]", "-", currency.upper()).strip("'._-")
    usable = re.match("[A-Z]", text) and text not in _NO_COMMODITY
    return text if usable else f"X{text}"
