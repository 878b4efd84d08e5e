"""What changes an account here besides its trades and transfers; the world has none of it.

Conversions, small balances turned into BNB, dividends, fiat money: each hangs on an order of the
account, at whose moment it happened. Amounts are integers of 1e-8.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from sandbox.account import Account
from sandbox.binance.switches import BinanceSwitches
from sandbox.book import Fill, Order
from sandbox.markets import UNIT

Kind = Literal["dividend", "convert", "dust", "buy", "sell", "deposit", "withdrawal"]
_EVERY: Final[dict[int, Kind]] = {
    1: "convert", 3: "dust", 5: "dividend", 7: "buy", 9: "convert", 11: "deposit", 13: "dust",
    15: "sell", 17: "convert", 19: "withdrawal", 21: "dividend", 23: "buy",
}  # fmt: skip
"""By the number of the order in each 24."""
_BNB: Final = 5 * UNIT
DUST_CHARGE: Final = 6 * UNIT // 10**6


@dataclass(frozen=True)
class Change:
    """``taken`` and ``given``: currency and amount. ``in_wallet``: whether the fiat side counts."""

    ms: int
    kind: Kind
    id: int
    taken: tuple[str, int] = ("", 0)
    given: tuple[str, int] = ("", 0)
    fee: int = 0
    in_wallet: bool = True


def changes(account: Account, now: int) -> list[Change]:
    """Oldest first."""
    return [c for c in _all(account) if c.ms <= now]


def _all(account: Account) -> Iterator[Change]:
    for n, order in enumerate(account.orders):
        at, id_, is_paid = order.created, order.id, n % 48 > 24
        if n == 0:
            yield Change(at, "dividend", id_ + 10**9, given=("BNB", _BNB))
            yield Change(at, "deposit", id_ + 10**9, given=("EUR", 900 * UNIT))
        kind = _EVERY.get(n % 24)
        if kind == "dividend":
            yield Change(at, kind, id_, given=("BNB", UNIT // 20))
        elif kind == "convert":
            yield Change(at, kind, id_, ("USD", 1_234_567_890), ("BTC", 12_345))
        elif kind == "dust":
            yield Change(at, kind, id_, ("LTC", 12_345), ("BNB", 30_000))
            yield Change(at, kind, id_, ("ETH", 1_001), ("BNB", 20_001))
        elif kind == "buy":
            yield Change(at, kind, id_, ("EUR", 20 * UNIT), ("BTC", 44_620), in_wallet=is_paid)
        elif kind == "sell":
            yield Change(at, kind, id_, ("ETH", 700_000), ("EUR", 15 * UNIT), in_wallet=is_paid)
        elif kind == "deposit":
            yield Change(at, kind, id_, given=("EUR", 50 * UNIT))
        elif kind == "withdrawal":
            yield Change(at, kind, id_, taken=("EUR", 10 * UNIT), fee=UNIT + 1)


def of_wallet(account: Account, now: int) -> Iterator[tuple[str, int]]:
    """Currency and signed amount of every change."""
    for c in changes(account, now):
        if c.taken[0] and (c.in_wallet or c.kind != "buy"):
            yield c.taken[0], -c.taken[1] - c.fee
        if c.given[0] and (c.in_wallet or c.kind != "sell"):
            yield c.given


@dataclass(frozen=True)
class Side:
    """One row of ``myTrades``."""

    order: int
    fill: Fill
    buy: bool
    maker: bool
    fee: tuple[str, int]


def sides(order: Order, fill: Fill, switches: BinanceSwitches) -> list[Side]:
    """The rows of a fill: two of a trade with oneself; the fee may be in BNB."""
    market = order.market
    fee = (market.base if order.buy else market.quote, fill.fee)
    if switches.bnb_fees and fill.at % 3 == 0:
        fee = ("BNB", 1 + fill.fee // 7 % 1000)
    found = [Side(order.id, fill, order.buy, fill.maker, fee)]
    if switches.self_trades and fill.maker and fill.at % 5 == 0:
        counter = (market.quote if order.buy else market.base, 7)
        found.append(Side(order.id + 10**9, fill, not order.buy, False, counter))
    return found


def of_fills(account: Account, now: int, switches: BinanceSwitches) -> Iterator[tuple[str, int]]:
    """Currency and signed amount by which ``myTrades`` differ from the world's fills."""
    for order, fill in account.fills(now):
        market, (own, *others) = order.market, sides(order, fill, switches)
        yield market.base if order.buy else market.quote, fill.fee
        yield own.fee[0], -own.fee[1]
        for side in others:
            way = 1 if side.buy else -1
            yield market.base, way * fill.amount
            yield market.quote, -way * fill.cost
            yield side.fee[0], -side.fee[1]
