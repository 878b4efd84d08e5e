"""What the calls of OKX share: answers, refusals, numbers, pages between cursors."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sandbox.exchange import Answer, Call, Exchange
from sandbox.jsontext import number
from sandbox.markets import Market
from sandbox.okx.switches import OkxSwitches

BUSY: Final = "50013"


class Refused(Exception):
    """Becomes an error: ``code`` and text, with an HTTP status."""

    def __init__(self, code: str, text: str, status: int = 200) -> None:
        super().__init__(text)
        self.code = code
        self.status = status


def fail(code: str, text: str, status: int) -> Answer:
    """The dialect's only form of errors."""
    return Answer.of({"msg": text, "code": code, "data": []}, status)


def rows(found: Sequence[Any]) -> Answer:
    """The dialect's only form of answers."""
    return Answer.of({"code": "0", "msg": "", "data": found})


def native(market: Market) -> str:
    """The instrument's id: ``BTC-USD``."""
    return market.spelled or market.symbol


def market_of(exchange: Exchange, call: Call) -> Market:
    """Raises :class:`Refused` for an instrument that there is not."""
    name = needed(call, "instId")
    found = next((m for m in exchange.markets() if native(m) == name), None)
    if found is None:
        raise Refused("51001", f"Instrument ID, {name} does not exist.")
    return found


def needed(call: Call, name: str) -> str:
    """A parameter that must be there. Raises :class:`Refused`."""
    value = call.query.get(name, "")
    if not value:
        raise Refused("50014", f"Parameter {name} can not be empty.", 400)
    return value


def integer(call: Call, name: str) -> int | None:
    """A parameter that is a natural number. Raises :class:`Refused`."""
    value = call.query.get(name, "")
    if not value:
        return None
    if not value.isdecimal():
        raise Refused("51000", f"Parameter {name} error", 400)
    return int(value)


def amount(exchange: Exchange, text: str) -> str:
    """A number in the style of the switches."""
    return number(text, exchange.of(OkxSwitches).okx_numbers)


def limit_of(exchange: Exchange, call: Call, most: int) -> int:
    """How many rows an answer holds: what is beyond the most is cut in silence."""
    asked = integer(call, "limit")
    cap = exchange.paging.page_cap or most
    return max(1, min(most if asked is None else asked, most, cap))


def between(
    keys: Sequence[int],
    shown: Sequence[int],
    cursors: tuple[int | None, int | None],
    limit: int,
) -> list[int]:
    """The places of one page, newest first. ``shown``: places, ascending by key.

    ``cursors``: ``after`` (older than it) and ``before`` (newer than it). Of all that lie between,
    the newest are kept: so ``before`` alone gives the newest page.
    """
    after, before = cursors
    found = [
        i
        for i in shown
        if (after is None or keys[i] < after) and (before is None or keys[i] > before)
    ]
    return found[max(0, len(found) - limit) :][::-1]


def cursors_of(call: Call) -> tuple[int | None, int | None]:
    """``after`` and ``before``."""
    return integer(call, "after"), integer(call, "before")


def extended(exchange: Exchange, row: Mapping[str, Any]) -> dict[str, Any]:
    """With a field that no document names, where the switch says so."""
    return {**row, "note": ""} if exchange.paging.extra_fields else dict(row)
