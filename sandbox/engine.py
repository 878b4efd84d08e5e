"""Makes the seeded world, ten minutes at a time: trades, orders, fills, transfers.

Each slice is a function of the seed, its number and the state at its start, and is made whole,
so a later clock only ever adds to what an earlier one showed. Only integers are used.
"""

import heapq
from collections.abc import Callable
from random import Random
from typing import Final, Literal

from sandbox.account import Account, Status, Transaction, fill_leg
from sandbox.book import Book, Fill, Order
from sandbox.clock import DAY, HOUR, MINUTE, SECOND
from sandbox.marketdata import MarketTape
from sandbox.markets import MARKETS, UNIT, Market

SLICE: Final = 10 * MINUTE
HISTORY: Final = 3 * DAY
LIVELY: Final = DAY
"""For a day after the epoch the markets are three times as busy."""
_UNDER_WAY: Final = 5 * MINUTE
_BURST: Final = (
    (1,) * 35 + (2,) * 20 + (3,) * 15 + (4,) * 10 + (5,) * 8 + (6,) * 5 + (7,) * 4 + (8,) * 3
)
_FIRST_TRADE: Final = 999_994_000  # ids grow from 9 to 10 digits inside the history
_FIRST_ORDER: Final = 2**31 - 3_000  # and past 32 bits
_FIRST_TRANSACTION: Final = 1_960_984_222
_DEPOSITS: Final = {"USD": 250_000, "BTC": 12, "ETH": 160, "LTC": 2_000}

_Kind = Literal["burst", "crowd", "order", "take", "cancel", "transfer", "settle"]
_OF_ACCOUNTS: Final[tuple[tuple[_Kind, int], ...]] = (("order", 80), ("take", 15))
"""What an account does in a slice, with its chance in percent."""


class Engine:
    """``start``: the first moment of the history, in milliseconds."""

    def __init__(self, seed: int, epoch: int) -> None:
        self.seed = seed
        self.epoch = epoch
        self.start = epoch - HISTORY
        self.tapes = {m.symbol: MarketTape(m.symbol) for m in MARKETS}
        self.books = {m.symbol: Book() for m in MARKETS}
        self.accounts = {name: Account(name) for name in ("alpha", "beta")}
        self._last = {m.symbol: m.start * m.tick for m in MARKETS}
        self._bias = dict.fromkeys(self._last, 50)
        self._next = 0
        self._trade_id = _FIRST_TRADE
        self._order_id = _FIRST_ORDER
        self._transaction_id = _FIRST_TRANSACTION
        self._events: list[tuple[int, int, _Kind, tuple[object, ...]]] = []
        self._seq = 0
        self._rng = Random()
        self._happen: dict[_Kind, Callable[..., None]] = {
            "burst": self._burst,
            "crowd": self._crowd,
            "order": self._place,
            "take": self._take,
            "cancel": self._cancel,
            "transfer": self._transfer,
            "settle": self._settle,
        }

    def extend(self, until: int) -> None:
        """Make every slice that begins at or before ``until``."""
        while self.start + self._next * SLICE <= until:
            self._slice()

    def _at(self, ms: int, kind: _Kind, *what: object) -> None:
        self._seq += 1
        heapq.heappush(self._events, (ms, self._seq, kind, what))

    def _slice(self) -> None:
        begin = self.start + self._next * SLICE
        self._rng = rng = Random(f"{self.seed}:{self._next}")
        live = self.epoch <= begin < self.epoch + LIVELY
        if self._next == 0:
            self._open(begin)
        if begin <= self.epoch - _UNDER_WAY < begin + SLICE:
            # Something is always pending when a default world is first looked at.
            when, settle = self.epoch - _UNDER_WAY, _UNDER_WAY // SECOND
            for account in self.accounts.values():
                self._at(when, "transfer", account, 1, "LTC", 5 * UNIT, settle + 60, "ok")
                self._at(when, "transfer", account, 2, "ETH", UNIT, settle + 120, "failed")
        open_markets = [m for m in MARKETS if m.enabled]
        for market in open_markets:
            self._bias[market.symbol] = self._drift(market)
            for _ in range(rng.randrange(2 * market.bursts + 1) * (3 if live else 1)):
                self._at(begin + rng.randrange(SLICE), "burst", market)
            for _ in range(3):
                self._at(begin + rng.randrange(SLICE), "crowd", market, 40)
        for account in self.accounts.values():
            for kind, chance in _OF_ACCOUNTS:
                if rng.randrange(100) < chance * (2 if live else 1):
                    market = open_markets[rng.randrange(len(open_markets))]
                    self._at(begin + rng.randrange(SLICE), kind, market, account)
            if rng.randrange(36 if not live else 3) == 0:
                self._plan_transfer(account, begin + rng.randrange(SLICE))
        self._next += 1
        end = begin + SLICE
        while self._events and self._events[0][0] < end:
            ms, _, kind, what = heapq.heappop(self._events)
            self._happen[kind](ms, *what)

    def _open(self, begin: int) -> None:
        for market in (m for m in MARKETS if m.enabled):
            for _ in range(120):
                self._crowd(begin, market, 60)
        for account in self.accounts.values():
            for currency, amount in _DEPOSITS.items():
                settle = self._rng.randrange(30, 300)
                self._at(begin + SECOND, "transfer", account, 1, currency, amount * UNIT, settle)

    def _drift(self, market: Market) -> int:
        """The chance in percent that a taker buys: a small trend that leans back to the start."""
        lean = self._last[market.symbol] * 100 // (market.start * market.tick) - 100
        return max(20, min(80, 50 + self._rng.randrange(-6, 7) - 2 * lean))

    def _plan_transfer(self, account: Account, when: int) -> None:
        rng = self._rng
        currency = ("BTC", "ETH", "LTC", "USD")[rng.randrange(4)]
        amount = rng.randrange(1_000, 90_000) * _DEPOSITS[currency] * UNIT // 10_000_000
        end: Status = "failed" if rng.randrange(8) == 0 else "ok"
        kind = 1 + rng.randrange(2)
        self._at(when, "transfer", account, kind, currency, amount, rng.randrange(60, 1_500), end)

    # Ids: one counter each, with holes.

    def _trade(self) -> int:
        self._trade_id += 1 + (self._rng.randrange(6) if self._rng.randrange(3) == 0 else 0)
        return self._trade_id

    def _order(self) -> int:
        self._order_id += 1 + self._rng.randrange(3)
        return self._order_id

    def _record(
        self,
        account: Account,
        ms: int,
        kind: int,
        currency: str,
        amount: int,
        desc: str,
        states: tuple[tuple[int, Status], ...] = (),
    ) -> None:
        self._transaction_id += 1 + self._rng.randrange(4)
        account.transactions.append(
            Transaction(
                self._transaction_id, ms, kind, currency, amount, desc, states or ((ms, "ok"),)
            )
        )

    # Transfers.

    def _transfer(
        self,
        ms: int,
        account: Account,
        kind: int,
        currency: str,
        amount: int,
        settle: int,
        end: Status = "ok",
    ) -> None:
        if kind == 2:
            if account.available(currency) < 2 * amount:
                return
            account.move(ms, currency, -amount)
        desc = f"{currency} payment" if kind == 1 else f"{currency} withdraw"
        begin: Status = "unconfirmed" if kind == 1 else "pending"
        done = ms + settle * SECOND
        self._record(account, ms, kind, currency, amount, desc, ((ms, begin), (done, end)))
        if (kind == 1) == (end == "ok"):
            self._at(done, "settle", account, currency, amount)

    def _settle(self, ms: int, account: Account, currency: str, amount: int) -> None:
        account.move(ms, currency, amount)

    # Orders.

    def _size(self, market: Market) -> int:
        zeros = self._rng.randrange(market.size + 1)
        return int(self._rng.randrange(1, 1_000) * 10**zeros) * market.lot

    def _crowd(self, ms: int, market: Market, reach: int) -> None:
        rng, buy = self._rng, self._rng.randrange(2) == 0
        away = rng.randrange(1, reach * market.step + 1) * market.tick
        price = self._last[market.symbol] + (-away if buy else away)
        amount = self._size(market)
        if price > 0:
            order = Order(self._order(), market, None, buy, price, amount, ms, amount)
            self.books[market.symbol].rest(order)
            self._at(ms + rng.randrange(30 * MINUTE, 12 * HOUR), "cancel", order)

    def _place(self, ms: int, market: Market, account: Account) -> None:
        rng, buy = self._rng, self._rng.randrange(2) == 0
        away = rng.randrange(1, 3 * market.step + 1) * market.tick
        price = self._last[market.symbol] + (-away if buy else away)
        have = (
            account.available(market.quote) * UNIT // price
            if buy
            else account.available(market.base)
        )
        amount = min(have // rng.randrange(4, 20), 3 * self._size(market))
        amount -= amount % market.lot
        if amount <= 0:
            return
        order = Order(self._order(), market, account.name, buy, price, amount, ms, amount)
        account.orders.append(order)
        self.books[market.symbol].rest(order)
        hold = order.hold(amount)
        account.move(ms, order.held_currency, -hold, hold)
        desc = f"In payment for a warrant :order:{order.id}:"
        self._record(account, ms, 5, order.held_currency, hold, desc)
        self._at(ms + rng.randrange(10 * MINUTE, 3 * HOUR), "cancel", order)

    def _cancel(self, ms: int, order: Order) -> None:
        if not order.left:
            return
        order.canceled = ms
        if order.owner is not None:
            account, hold = self.accounts[order.owner], order.hold(order.left)
            account.move(ms, order.held_currency, hold, -hold)
            self._record(
                account, ms, 4, order.held_currency, hold, f"Cancel order :order:{order.id}:"
            )

    # Trades.

    def _burst(self, ms: int, market: Market) -> None:
        buy = self._rng.randrange(100) < self._bias[market.symbol]
        self._sweep(ms, market, buy, None)

    def _take(self, ms: int, market: Market, account: Account) -> None:
        self._sweep(ms, market, self._rng.randrange(2) == 0, account)

    def _sweep(self, ms: int, market: Market, buy: bool, account: Account | None) -> None:
        """One taker order: up to eight trades in one millisecond, at prices that get worse."""
        rng, book, tape = self._rng, self.books[market.symbol], self.tapes[market.symbol]
        price = self._last[market.symbol]
        sign = 1 if buy else -1
        order = None
        if account is not None:
            order = Order(self._order(), market, account.name, buy, price, 0, ms, 0)
        amount = self._size(market)
        for _ in range(_BURST[rng.randrange(100)]):
            reach = max(market.tick, price + sign * rng.randrange(market.step + 1) * market.tick)
            if rng.randrange(20):  # else: the same amount again, perhaps at the same price
                amount = self._size(market)
            maker = book.best(buys=not buy)
            if maker is not None and (reach - maker.price) * sign < 0:
                maker = None
            executed = maker.price if maker else reach
            traded = min(amount, maker.left) if maker else amount
            if account is not None:
                spend = executed * traded // UNIT if buy else traded
                own = maker is not None and maker.owner == account.name
                if own or spend * 4 > account.available(market.quote if buy else market.base):
                    break
            price = executed
            maker_id = maker.id if maker else self._order()
            trade_id = self._trade()
            at = tape.add(trade_id, ms, price, traded, buy)
            if maker is not None:
                maker.left -= traded
                self._fill(maker, at, trade_id, ms, price, traded, True, maker_id)
            if order is not None:
                order.price, order.amount = price, order.amount + traded
                self._fill(order, at, trade_id, ms, price, traded, False, maker_id)
        self._last[market.symbol] = price
        if account is not None and order is not None and order.fills:
            account.orders.append(order)
            book.orders.append(order)

    def _fill(
        self,
        order: Order,
        at: int,
        trade_id: int,
        ms: int,
        price: int,
        amount: int,
        maker: bool,
        other: int,
    ) -> None:
        market = order.market
        received = amount if order.buy else price * amount // UNIT
        fee = received * market.fee_ppm // 1_000_000
        fill = Fill(at, trade_id, ms, price, amount, fee, maker, other)
        order.fills.append(fill)
        if order.owner is None:
            return
        account = self.accounts[order.owner]
        paid = price * amount // UNIT if order.buy else amount
        account.move(ms, order.held_currency, 0 if maker else -paid, -paid if maker else 0)
        account.move(ms, market.base if order.buy else market.quote, received - fee)
        self._record(account, ms, *fill_leg(order, fill))
