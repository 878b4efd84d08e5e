"""What the calls of Bitstamp share: ids, times, numbers, refusals."""

from datetime import UTC, datetime

from sandbox.bitstamp.switches import BitstampSwitches
from sandbox.exchange import Answer, Exchange
from sandbox.jsontext import number
from sandbox.markets import MARKETS, Market

ID_STEP = 1000
"""Ids of trades of the seeded world are so far apart; rows of accounts are numbered in between."""


class Refused(Exception):
    """Becomes an error: ``code`` and text."""

    def __init__(self, code: str, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.code = code
        self.status = status


def fail(exchange: Exchange, code: str, text: str, status: int) -> Answer:
    """One of the four shapes of errors."""
    shape = exchange.of(BitstampSwitches).bs_errors
    if shape == "response":
        return Answer.of({"response_code": code, "response_explanation": text}, status)
    if shape == "coded":
        return Answer.of({"status": "error", "reason": text, "code": code}, status)
    said = f"{code} {text}"
    return Answer.of({"error": said if shape == "text" else {"__all__": [said]}}, status)


def native(market: Market) -> str:
    """The market's url symbol: ``btcusd``."""
    return market.spelled or market.symbol.replace("-", "").lower()


def market_of(exchange: Exchange, name: str) -> Market:
    """Raises :class:`Refused` for a market that there is not."""
    found = next((m for m in exchange.markets() if native(m) == name), None)
    if found is None:
        raise Refused("404.002", f"Invalid currency pair: {name}", 404)
    return found


def id_of(exchange: Exchange, world_id: int) -> int:
    """The id of a trade; those of a recorded tape stay what they are."""
    return world_id * ID_STEP if exchange.world.markets is MARKETS else world_id


def amount(exchange: Exchange, text: str) -> str:
    """A number in the style of the switches."""
    return number(text, exchange.of(BitstampSwitches).bs_numbers)


def moment(exchange: Exchange, ms: int) -> str:
    """``2026-01-09 12:00:00.123000``, or without the fraction."""
    at = datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{at}.{ms % 1000:03d}000" if exchange.of(BitstampSwitches).bs_micros else at


def integer(given: dict[str, str], name: str, usual: int | None = None) -> int | None:
    """A parameter that is a natural number. Raises :class:`Refused`."""
    value = given.get(name, "")
    if not value:
        return usual
    if not value.isdecimal():
        raise Refused("API0000", f"{name}: Enter a whole number.")
    return int(value)
