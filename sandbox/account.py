"""One account: what it holds, and its history. All amounts are integers of 1e-8."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from typing import Literal, TypeVar

from sandbox.book import Fill, Order
from sandbox.jsontext import plain
from sandbox.markets import text

T = TypeVar("T")
Status = Literal["failed", "pending", "ok", "unconfirmed"]


@dataclass(frozen=True)
class Transaction:
    """A line of TransHistory. ``kind``: 1 deposit, 2 withdrawal, 4 credit, 5 debit.

    ``states``: from when each status holds, oldest first.
    """

    id: int
    ms: int
    kind: int
    currency: str
    amount: int
    desc: str
    states: tuple[tuple[int, Status], ...]

    def status(self, now: int) -> Status:
        return next(status for since, status in reversed(self.states) if since <= now)


@dataclass
class _Wallet:
    times: list[int] = field(default_factory=list)
    available: list[int] = field(default_factory=list)
    reserved: list[int] = field(default_factory=list)


def of_a_moment(made: Callable[["Account", int], list[T]]) -> Callable[["Account", int], list[T]]:
    """Keep what ``made`` last gave for an account at a moment: lists are asked for page by page."""

    @lru_cache(maxsize=2)
    def kept(account: "Account", now: int, _orders: int, _transactions: int) -> list[T]:
        return made(account, now)

    @wraps(made)
    def ask(account: "Account", now: int) -> list[T]:
        return kept(account, now, len(account.orders), len(account.transactions))

    return ask


class Account:
    """Balances are the running sum of the journal, so that any moment of the past is known.

    A deposit is credited when it becomes ``ok``; a withdrawal is debited when it is asked for and
    comes back if it fails; an open order holds what it would pay.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.orders: list[Order] = []
        self.transactions: list[Transaction] = []
        self._wallets: dict[str, _Wallet] = {}

    def move(self, ms: int, currency: str, available: int, reserved: int = 0) -> None:
        """Change a balance at ``ms``; times never fall within an account."""
        wallet = self._wallets.setdefault(currency, _Wallet())
        wallet.times.append(ms)
        wallet.available.append(available + (wallet.available[-1] if wallet.available else 0))
        wallet.reserved.append(reserved + (wallet.reserved[-1] if wallet.reserved else 0))

    def available(self, currency: str) -> int:
        """What can be spent at the end of the history made so far."""
        wallet = self._wallets.get(currency)
        return wallet.available[-1] if wallet else 0

    def balances(self, now: int) -> dict[str, tuple[int, int]]:
        """Available and reserved amount of every currency ever held by ``now``."""
        result = {}
        for currency, wallet in sorted(self._wallets.items()):
            at = bisect_right(wallet.times, now) - 1
            if at >= 0:
                result[currency] = wallet.available[at], wallet.reserved[at]
        return result

    @of_a_moment
    def fills(self, now: int) -> list[tuple[Order, Fill]]:
        """Every fill by ``now``, by trade id."""
        pairs = [(o, f) for o in self.orders if o.created <= now for f in o.filled(now)]
        return sorted(pairs, key=lambda pair: pair[1].trade_id)

    def visible_transactions(self, now: int) -> list[Transaction]:
        return [t for t in self.transactions if t.ms <= now]


def fill_leg(order: Order, fill: Fill) -> tuple[int, str, int, str]:
    """TransHistory's one line for a fill: kind, currency, amount, description.

    Worded as in a recorded account, which shows what a maker receives, what a taker pays for a
    buy and receives for a sell; the taker's base leg has no line there.
    """
    market = order.market
    percent = plain(f"{market.fee_ppm // 10_000}.{market.fee_ppm % 10_000:04d}")
    amount, price = plain(text(fill.amount)), plain(text(fill.price))
    total = plain(text(fill.cost))
    base, quote = market.base, market.quote
    tail = f"by price {price} {quote}"
    if order.buy and fill.maker:
        desc = f"Buy {amount} {base} (-{percent}%) from your order :order:{order.id}: {tail}"
        return 4, base, fill.amount - fill.fee, desc
    if order.buy:
        desc = f"Buy {amount} {base} (-{percent}%) from order :order:{fill.maker_order}: {tail}"
        return 5, quote, fill.cost, desc
    whose = f"your order :order:{order.id}" if fill.maker else f"order :order:{fill.maker_order}"
    verb = "Bought" if fill.maker else "Sell"
    desc = f"{verb} {amount} {base} from {whose}: {tail} total {total} {quote} (-{percent}%)"
    return 4, quote, fill.cost - fill.fee, desc
