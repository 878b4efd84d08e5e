"""Exchanges without a connector of their own, through the library ccxt: ``ccxt:<id>``.

The library signs, and knows the markets; it never sends (the module ``library`` here). Which
calls may leave is in ``exchanges.toml``. Where the history of an exchange can be asked for is in
its profile, a module of its own; without one, an exchange shows what is new, and no more
(:mod:`connectors.ccxt.generic`).
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Final

from connectors.base import THROUGH_CCXT as PREFIX
from connectors.ccxt import library
from connectors.ccxt.table import Entry, entries
from connectors.dialect import Dialect
from schemas import ConfigError

PROFILES: Final = {
    **dict.fromkeys(("okx", "myokx", "okxus"), "okx"),
    **dict.fromkeys(("bybit", "bybiteu", "bybitid"), "bybit"),
    **dict.fromkeys(("gate", "gateeu", "bitfinex", "htx"), "public"),
}
"""The module of a profile, by the id of the exchange."""
_NATIVE: Final = {
    "binance": "binance",
    "bitstamp": "bitstamp",
    "coinbaseexchange": "coinbase",
    "kraken": "kraken",
}
"""Exchanges with a connector of their own, by their id at ccxt."""


def knows(name: str) -> bool:
    """Whether there is an exchange ``name`` through ccxt. Nothing of ccxt's is imported."""
    return name.startswith(PREFIX) and name.removeprefix(PREFIX) in entries()


def profiled() -> tuple[str, ...]:
    """The names of the exchanges that have a profile, each once, whatever hosts it has."""
    return tuple(f"{PREFIX}{id_}" for id_, module in PROFILES.items() if id_ == module)


@cache
def dialect_of(name: str) -> Dialect:
    """What exchange ``name`` (``ccxt:okx``) speaks. Raises ``ConfigError`` for an unknown one."""
    id_ = name.removeprefix(PREFIX)
    entry = entries().get(id_)
    if entry is None:
        raise ConfigError(_unknown(id_))
    module = import_module(f"{__name__}.{PROFILES.get(id_, 'generic')}")
    make: Callable[[Entry], Dialect] = module.dialect
    return make(entry)


def check_installed(name: str) -> None:
    """Raise ``ConfigError`` where the library is not installed that ``name`` needs."""
    library.check_installed(name.removeprefix(PREFIX))


def _unknown(id_: str) -> str:
    if id_ in _NATIVE:
        own = _NATIVE[id_]
        return f"{own} has a connector of its own, which knows it better. Fix: exchange: {own}"
    from difflib import get_close_matches  # seldom needed

    near = get_close_matches(id_, entries(), 3, 0.5)
    fix = f"use {' or '.join(PREFIX + name for name in near)}" if near else "see " + _PAGE
    if library.has(id_):
        return (
            f"there is no list of the reading calls of {PREFIX}{id_}, so that nothing may be sent "
            f"there. Fix: {_PAGE} says how to add one"
        )
    return f"there is no exchange {PREFIX}{id_}. Fix: {fix}"


_PAGE: Final = "docs/exchanges/ccxt.md"
