"""What Kraken calls markets and currencies.

A currency has an id (``XXBT``) and a name (``XBT``); a market an id (``XXBTZUSD``), a name
(``XBTUSD``) and a third spelling (``XBT/USD``). The lists say which belongs to which. No first
letter is cut off by rule: ``XTZ`` and ``ZEC`` are whole names. Where no list is at hand, the few
ids are known that have a letter in front; Kraken gave the last of them in 2017.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from connectors.codes import Codes
from connectors.names import Names, Spelling

COMMON: Final = {"XBT": "BTC", "XDG": "DOGE"}
"""Codes of the field, by Kraken's names."""
_OWN: Final = {code: name for name, code in COMMON.items()}
_CRYPTO: Final = "ETC ETH ICN LTC MLN NMC REP XBT XDG XLM XMR XRP XVN ZEC"
_FIAT: Final = "AUD CAD EUR GBP JPY KRW USD"
PREFIXED: Final[Mapping[str, str]] = {
    **{f"X{name}": name for name in _CRYPTO.split()},
    **{f"Z{name}": name for name in _FIAT.split()},
    "KFEE": "FEE",
}
"""Names of the currencies whose id is another one, as Kraken lists them."""
_QUOTES: Final = (
    *("PYUSD", "RLUSD", "USDT", "USDC", "USDG", "USDQ", "USDR", "EURC", "EURQ", "EURR"),
    *("DAI", "USD", "EUR", "GBP", "CAD", "JPY", "CHF", "AUD", "AED", "KRW", "XBT", "BTC", "ETH"),
    *("DOT", "SOL", "XDG"),
)
"""In which markets are quoted: a longer name before one that ends it."""
_NO_CODES: Final = Codes()


def common(name: str) -> str:
    """The code of a currency's name, variants too: ``XBT`` is BTC, ``XBT.F`` is BTC.F."""
    first, dot, variant = name.partition(".")
    return f"{COMMON.get(first, first)}{dot}{variant}"


def code(codes: Codes, sent: str) -> str:
    """The code of a currency that a row names by its id or its name."""
    known = codes.aliases.get(sent)
    return known if known is not None else common(PREFIXED.get(sent, sent))


def halves(pair: str, codes: Codes = _NO_CODES) -> tuple[str, str] | None:
    """Base and quote of a market that no list names: the two currencies that it is made of."""
    first, slash, second = pair.partition("/")
    if slash:
        return code(codes, first), code(codes, second)
    for at in range(1, len(pair)):
        if {pair[:at], pair[at:]} <= codes.aliases.keys():
            return code(codes, pair[:at]), code(codes, pair[at:])
    first, second = pair[:4], pair[4:]
    if second in PREFIXED and (first in PREFIXED or first == "USDT"):
        return code(codes, first), code(codes, second)
    quote = next((q for q in _QUOTES if pair.endswith(q) and pair != q), None)
    return None if quote is None else (common(pair[: -len(quote)]), common(quote))


@dataclass(frozen=True)
class KrakenSpelling(Spelling):
    """Markets that are not listed are asked for by their names: ``XBTUSD`` is BTC-USD."""

    separator: str = ""
    reserved: str = ",/\\&"

    def native(self, symbol: str) -> str:
        """``BTC-USD`` as ``XBTUSD``."""
        base, _, quote = symbol.partition("-")
        return f"{_OWN.get(base, base)}{_OWN.get(quote, quote)}"

    def symbol(self, native: str, base: str = "", quoted: str = "") -> str:
        """BASE-QUOTE by the currencies given, else by those that the name is made of."""
        found = (base, quoted) if base and quoted else halves(native)
        return "-".join(found).upper() if found else native.upper()

    def is_usual(self, native: str) -> bool:
        """Whether ``native`` is the id or name of an ordinary market."""
        return re.fullmatch("[A-Z0-9]+", native) is not None


SPELLING: Final = KrakenSpelling()


def symbol_of(names: Names, pair: str) -> str:
    """The symbol of a market that a row names by id or name, be it listed or not."""
    if pair in names.known or pair in names.aliases:
        return names.symbol_of(pair)
    found = halves(pair, names.codes)
    return "-".join(found).upper() if found else names.symbol_of(pair)
