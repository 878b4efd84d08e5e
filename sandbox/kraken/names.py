"""Kraken's ids of currencies and markets, and its texts."""

import hashlib
from functools import cache
from typing import Final

from sandbox.exchange import Answer, Exchange
from sandbox.jsontext import NumberStyle, number
from sandbox.kraken.switches import KrakenSwitches
from sandbox.markets import Market, text

_NAMES: Final = {"BTC": "XBT", "DOGE": "XDG"}
_PREFIXED: Final = {
    **{name: "X" for name in ("XBT", "XDG", "ETH", "LTC", "XRP", "ETC", "XLM", "XMR", "ZEC")},
    **{name: "Z" for name in ("USD", "EUR", "GBP", "CAD", "JPY", "AUD")},
}


def altname(code: str) -> str:
    """``BTC`` as Kraken names it: ``XBT``."""
    return _NAMES.get(code, code)


def asset(code: str) -> str:
    """The id of a currency: ``XXBT``, ``ZUSD``, ``USDT``."""
    name = altname(code)
    return _PREFIXED.get(name, "") + name


def pair_name(market: Market) -> str:
    """``XBTUSD``."""
    return altname(market.base) + altname(market.quote)


def pair_id(exchange: Exchange, market: Market) -> str:
    """``XXBTZUSD``; of a market with a newer currency ``XBTUSDT``."""
    renamed = exchange.of(KrakenSwitches).kraken_renamed.get(market.symbol)
    base, quote = asset(market.base), asset(market.quote)
    old = base != altname(market.base) and quote != altname(market.quote)
    return renamed or (base + quote if old else pair_name(market))


def wsname(market: Market) -> str:
    """``XBT/USD``."""
    return f"{altname(market.base)}/{altname(market.quote)}"


def find_market(exchange: Exchange, name: str) -> Market | None:
    """The market of that id or name."""
    for market in exchange.markets():
        if name in (pair_id(exchange, market), pair_name(market), wsname(market)):
            return market
    return None


@cache
def txid(kind: str, *what: object) -> str:
    """An id of a fill (T), order (O) or ledger entry (L): text in no order."""
    digest = hashlib.sha256(f"sandbox kraken {kind} {what}".encode()).hexdigest().upper()
    return f"{kind}{digest[:5]}-{digest[5:10]}-{digest[10:16]}"


def figure(value: int, style: NumberStyle) -> str:
    """An integer of 1e-8 in the style of the switches."""
    return number(text(value), style)


def ok(result: object) -> Answer:
    """An answer with a result."""
    return Answer.of({"error": [], "result": result})


def fail(error: str, status: int = 200) -> Answer:
    """An error, as a rule with status 200."""
    return Answer.of({"error": [error]}, status)
