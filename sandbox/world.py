"""The world that all dialects speak of: a function of seed, epoch and clock, or recorded tapes."""

import threading
from array import array
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from operator import mul

from sandbox.account import Account
from sandbox.book import Book, Order
from sandbox.candles import Candle, Candles
from sandbox.clock import DAY, Clock, Instant, to_ms, wall_clock
from sandbox.engine import Engine
from sandbox.errors import SandboxError
from sandbox.marketdata import MarketTape
from sandbox.markets import CURRENCIES, MARKETS, UNIT, Currency, Market
from sandbox.paging import PagingProfile


@dataclass(frozen=True)
class Ticker:
    """The last 24 hours. Volumes and prices are integers of 1e-8 (``change`` in percent)."""

    updated: int
    last: int
    bid: int
    ask: int
    high: int
    low: int
    base_volume: int
    quote_volume: int
    change: int


class World:
    """``World(seed, epoch)`` is the same in every process; a later clock only adds rows.

    ``epoch`` (default: the last midnight UTC) ends three days of history. ``clock`` gives
    milliseconds. ``World.replay`` serves recorded tapes instead, with empty accounts.
    """

    def __init__(
        self,
        seed: int = 1,
        epoch: Instant | None = None,
        clock: Clock = wall_clock,
        *,
        tapes: Mapping[str, MarketTape] | None = None,
    ) -> None:
        self.seed = seed
        self.clock = clock
        now = clock()
        self.epoch = now - now % DAY if epoch is None else to_ms(epoch)
        self._lock = threading.RLock()
        self._engine: Engine | None = None
        self._relisted: dict[str, tuple[MarketTape, int]] = {}
        self.tapes: dict[str, MarketTape]
        if tapes is None:
            self._engine = engine = Engine(seed, self.epoch)
            self.markets: tuple[Market, ...] = MARKETS
            self.currencies: tuple[Currency, ...] = CURRENCIES
            self.tapes = dict(engine.tapes)
            self.books: Mapping[str, Book] = engine.books
            self.accounts: Mapping[str, Account] = engine.accounts
        else:
            self.markets = tuple(_replayed(*pair) for pair in tapes.items())
            names = {name for m in self.markets for name in (m.base, m.quote)}
            self.currencies = tuple(Currency(name, name, 8) for name in sorted(names))
            self.tapes = dict(tapes)
            self.books = {symbol: Book() for symbol in tapes}
            self.accounts = {name: Account(name) for name in ("alpha", "beta")}
        self._candles = {symbol: Candles(tape) for symbol, tape in self.tapes.items()}

    @classmethod
    def replay(cls, tapes: Mapping[str, MarketTape], clock: Clock = wall_clock) -> "World":
        """A world that serves exactly these rows, by market (``{"XRP-ETH": tape}``)."""
        return cls(0, 0, clock, tapes=tapes)

    def now(self) -> int:
        """The world's time in milliseconds; everything up to it exists once this returns."""
        now = self.clock()
        if self._engine is not None:
            with self._lock:
                self._engine.extend(now)
                for symbol, (old, start) in self._relisted.items():
                    new = self.tapes[symbol]
                    for at in range(start + len(new), len(old)):
                        row = old.times[at], old.prices[at], old.amounts[at], bool(old.buys[at])
                        new.add(len(new) + 1, *row)
        return now

    def relist(self, symbol: str) -> None:
        """List ``symbol`` again: its trades are gone, and those from now on have ids from 1."""
        now = self.now()
        with self._lock:
            if self._engine is not None:
                old = self._engine.tapes[symbol]
                self._relisted[symbol] = old, bisect_right(old.times, now)
            self.tapes[symbol] = MarketTape(symbol)
            self._candles[symbol] = Candles(self.tapes[symbol])
        self.now()

    def visible(self, symbol: str, now: int, paging: PagingProfile) -> range | list[int]:
        """Positions on the market's tape that are shown at ``now``, ascending by id."""
        tape = self.tapes[symbol]
        return tape.visible(now, paging.retention, paging.late_every, paging.late_ms)

    def candles(self, symbol: str, now: int, length: int, paging: PagingProfile) -> list[Candle]:
        """Candles of ``length`` milliseconds with trades in them, oldest first."""
        with self._lock:
            return self._candles[symbol].at(now, length, paging.late_every, paging.late_ms)

    def open_orders(self, symbol: str, now: int) -> list[Order]:
        return [order for order in self.books[symbol].orders if order.is_open(now)]

    def depth(self, symbol: str, now: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Asks and bids (price, amount), best first: the open orders, added up by price."""
        sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for order in self.open_orders(symbol, now):
            side = sides[1 if order.buy else 0]
            side[order.price] = side.get(order.price, 0) + order.unfilled(now)
        asks, bids = sides
        return sorted(asks.items()), sorted(bids.items(), reverse=True)

    def ticker(self, symbol: str, now: int) -> Ticker:
        tape = self.tapes[symbol]
        asks, bids = self.depth(symbol, now)
        ask, bid = asks[0][0] if asks else 0, bids[0][0] if bids else 0
        shown = tape.visible(now, None, 0, 0)
        if not shown:
            return Ticker(now, 0, bid, ask, 0, 0, 0, 0, 0)
        if isinstance(shown, list):  # a recorded tape whose times do not follow its ids
            shown.sort(key=tape.times.__getitem__)
        updated, last = tape.times[shown[-1]], tape.prices[shown[-1]]
        first = bisect_right(shown, now - DAY, key=tape.times.__getitem__)
        if first == len(shown):
            return Ticker(updated, last, bid, ask, 0, 0, 0, 0, 0)
        before = tape.prices[shown[max(0, first - 1)]]
        if isinstance(shown, range):
            prices, amounts = tape.prices[first : len(shown)], tape.amounts[first : len(shown)]
        else:
            prices = array("q", (tape.prices[i] for i in shown[first:]))
            amounts = array("q", (tape.amounts[i] for i in shown[first:]))
        quote = sum(map(mul, prices, amounts)) // UNIT
        change = (last - before) * 100 * UNIT // before
        high, low = max(prices), min(prices)
        return Ticker(updated, last, bid, ask, high, low, sum(amounts), quote, change)


def _replayed(symbol: str, tape: MarketTape) -> Market:
    if symbol.count("-") != 1 or not all(symbol.split("-")) or symbol != symbol.upper():
        raise SandboxError(
            f"market {symbol!r} of a tape. Fix: write it like XRP-ETH, in upper case"
        )
    return Market(symbol, 8, 8, start=0, step=1, size=1, bursts=0, spelled=tape.spelled)
