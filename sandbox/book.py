"""Orders and the resting book of one market."""

import heapq
from dataclasses import dataclass, field

from sandbox.markets import Market


@dataclass(frozen=True, slots=True)
class Fill:
    """One row of the tape, seen from an order: ``at`` is its position on the market's tape.

    ``fee`` is in units of what was received (base for a buy, quote for a sell). ``maker_order``
    is the resting order of the trade: this very order where ``maker`` is true.
    """

    at: int
    trade_id: int
    ms: int
    price: int
    amount: int
    fee: int
    maker: bool
    maker_order: int

    @property
    def cost(self) -> int:
        return self.price * self.amount // 10**8


@dataclass(slots=True)
class Order:
    """``owner``: an account's name, or None for the crowd. Amounts and prices are 1e-8."""

    id: int
    market: Market
    owner: str | None
    buy: bool
    price: int
    amount: int
    created: int
    left: int
    canceled: int | None = None
    fills: list[Fill] = field(default_factory=list)

    def filled(self, now: int) -> list[Fill]:
        """The fills that have happened by ``now``."""
        if not self.fills or self.fills[-1].ms <= now:
            return self.fills
        return [fill for fill in self.fills if fill.ms <= now]

    def is_canceled(self, now: int) -> bool:
        return self.canceled is not None and self.canceled <= now

    def unfilled(self, now: int) -> int:
        return self.amount - sum(fill.amount for fill in self.filled(now))

    def is_open(self, now: int) -> bool:
        return self.created <= now and not self.is_canceled(now) and self.unfilled(now) > 0

    def hold(self, amount: int) -> int:
        """What resting with ``amount`` holds back: quote for a buy, base for a sell."""
        return self.price * amount // 10**8 if self.buy else amount

    @property
    def held_currency(self) -> str:
        return self.market.quote if self.buy else self.market.base


class Book:
    """Resting orders of one market while the tape is being made."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        """Every order that ever rested or took here, in the order of ids."""
        self._buys: list[tuple[int, int, Order]] = []
        self._sells: list[tuple[int, int, Order]] = []

    def rest(self, order: Order) -> None:
        self.orders.append(order)
        side = self._buys if order.buy else self._sells
        heapq.heappush(side, (-order.price if order.buy else order.price, order.id, order))

    def best(self, buys: bool) -> Order | None:
        """The order that trades next on that side."""
        side = self._buys if buys else self._sells
        while side and (side[0][2].left == 0 or side[0][2].canceled is not None):
            heapq.heappop(side)
        return side[0][2] if side else None
