"""What the calls of Coinbase share: ids, times, numbers, refusals, and pages between cursors."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any, Final

from sandbox.coinbase.switches import CoinbaseSwitches
from sandbox.exchange import Answer, Call, Exchange
from sandbox.jsontext import number
from sandbox.marketdata import MarketTape
from sandbox.markets import MARKETS, Market
from sandbox.windows import Positions

LONG: Final = 16
"""Decimal places of balances, fees and sums."""


class Refused(Exception):
    """Becomes an error with this text as ``message``."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def fail(message: str, status: int) -> Answer:
    """The dialect's only form of errors."""
    return Answer.of({"message": message}, status)


def native(market: Market) -> str:
    """The product's id: ``BTC-USD``."""
    return market.spelled or market.symbol


def product(exchange: Exchange, name: str) -> Market:
    """Raises :class:`Refused` for a product that there is not."""
    found = next((m for m in exchange.markets() if native(m) == name), None)
    if found is None:
        raise Refused("NotFound", 404)
    return found


def ids_of(exchange: Exchange, tape: MarketTape) -> Sequence[int]:
    """The trade ids of a market, without holes: numbered from 1, or those of a recorded tape."""
    return range(1, len(tape) + 1) if exchange.world.markets is MARKETS else tape.ids


def iso(ms: int, micros: int = 0) -> str:
    """ISO 8601 with the zeros at the end of the fraction dropped: ``.390`` is ``.39``."""
    whole, _, fraction = _moment(ms, micros).strftime("%Y-%m-%dT%H:%M:%S %f").partition(" ")
    digits = fraction.rstrip("0")
    return f"{whole}.{digits}Z" if digits else f"{whole}Z"


def spaced(ms: int, micros: int = 0) -> str:
    """The other form, of transfers: ``2022-12-21 00:48:45.4775+00``."""
    return iso(ms, micros).replace("T", " ").replace("Z", "+00")


def _moment(ms: int, micros: int) -> datetime:
    return datetime.fromtimestamp(ms // 1_000, UTC).replace(microsecond=ms % 1_000 * 1_000 + micros)


def microseconds(text: str, what: str) -> int:
    """The moment that a parameter names, in microseconds. Raises :class:`Refused`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"{what} is not a valid date") from None
    since = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def amount(exchange: Exchange, text: str) -> str:
    """A number in the style of the switches."""
    return number(text, exchange.of(CoinbaseSwitches).cb_numbers)


def long(value: int) -> str:
    """The text of an integer of 1e-16, with all 16 places."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    return f"{sign}{value // 10**LONG}.{value % 10**LONG:0{LONG}d}"


@cache
def uuid(kind: int, identity: int) -> str:
    """An id of orders, accounts and transfers that follows from the world's own."""
    bits = f"{Random(f'{kind}:{identity}').getrandbits(128):032x}"
    return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-8{bits[17:20]}-{bits[20:]}"


def integer(call: Call, name: str) -> int | None:
    value = call.query.get(name, "")
    if not value:
        return None
    if not value.isdecimal():
        raise Refused(f"{name} is not a valid cursor")
    return int(value)


def limit_of(exchange: Exchange, call: Call, usual: int, most: int) -> int:
    asked = integer(call, "limit")
    wanted = usual if asked is None else asked
    if wanted > most and exchange.of(CoinbaseSwitches).cb_over_most == "refuse":
        raise Refused(f"limit cannot exceed {most}")
    return max(1, min(wanted, most, exchange.paging.page_cap or most))


def between(
    exchange: Exchange,
    shown: Positions,  # ascending by key
    keys: Sequence[int],
    cursors: tuple[int | None, int | None],
    limit: int,
) -> Positions:
    """The rows of one page, newest first. ``cursors``: ``before`` and ``after``, both exclusive."""
    before, after = cursors
    low = 0 if before is None else bisect_right(shown, before, key=keys.__getitem__)
    high = len(shown) if after is None else bisect_left(shown, after, key=keys.__getitem__)
    found = shown[low : max(low, high)]
    alone = before is not None and after is None
    if alone and exchange.of(CoinbaseSwitches).cb_before_alone == "oldest":
        return found[:limit][::-1]
    return found[max(0, len(found) - limit) :][::-1]


def page(rows: list[dict[str, Any]], cursors: Sequence[object]) -> Answer:
    """Rows with the cursors of the first and the last of them; an empty page names none."""
    if not rows:
        return Answer.of([])
    return Answer.of(rows, 200, CB_BEFORE=str(cursors[0]), CB_AFTER=str(cursors[-1]))
