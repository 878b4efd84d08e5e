"""Names, ids and parameters as Binance has them.

Trade ids have no hole: they count the trades of a market. A recorded tape whose ids have none keeps
its own.
"""

from collections.abc import Mapping

from sandbox.binance.switches import BinanceSwitches
from sandbox.binance.weights import fail
from sandbox.exchange import Answer, Call, Exchange
from sandbox.marketdata import MarketTape
from sandbox.markets import Market
from sandbox.paging import End
from sandbox.windows import Bounds, Positions, Rows

PROOF = ("recvWindow", "timestamp", "signature")


class Refused(Exception):
    """Becomes the answer that it holds."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def refuse(code: int, message: str, status: int = 400) -> Refused:
    return Refused(fail(code, message, status))


def native(market: Market) -> str:
    """The market as Binance spells it: ``BTCUSD``."""
    return market.spelled or market.symbol.replace("-", "")


def market_of(exchange: Exchange, name: str) -> Market:
    found = next((m for m in exchange.markets() if native(m) == name), None)
    served = exchange.of(BinanceSwitches).breaks_served
    if found is None or not (found.enabled or served):
        raise refuse(-1121, "Invalid symbol.")
    return found


def first_id(tape: MarketTape) -> int:
    """The id of the first trade."""
    ids = tape.ids
    return ids[0] if len(ids) > 1 and ids[-1] - ids[0] == len(ids) - 1 else 1


def known(call: Call, *names: str) -> dict[str, str]:
    """The parameters. Raises ``Refused`` for one that the call does not have."""
    given = {name: value for name, value in call.query.items() if name not in PROOF}
    odd = set(given) - set(names)
    if odd:
        read = len(given) - len(odd)
        raise refuse(
            -1104,
            f"Not all sent parameters were read; read '{read}' parameter(s) but was sent "
            f"'{len(given)}'.",
        )
    return given


def required(given: Mapping[str, str], name: str) -> str:
    if not given.get(name):
        raise refuse(
            -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
        )
    return given[name]


def integer(given: Mapping[str, str], name: str) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if not value.isdecimal():
        raise refuse(-1100, f"Illegal characters found in parameter '{name}'.")
    return int(value)


def limit_of(exchange: Exchange, given: Mapping[str, str], most: int = 1000) -> int:
    limit = integer(given, "limit")
    return min(500 if limit is None else limit, most, exchange.paging.page_cap or most)


def page_from_id(
    exchange: Exchange,
    rows: Rows,
    shown: Positions,
    start: int | None,
    limit: int,
) -> Positions:
    """Up to ``limit`` rows from the id ``start`` on, ascending; without one, the newest."""
    paging = exchange.paging
    shown = rows.within(shown, Bounds(lower_id=start), paging, exchange.world.now())
    keeps: End = "newest" if start is None else "oldest"
    return rows.page(shown, limit, keeps, "oldest", paging)
