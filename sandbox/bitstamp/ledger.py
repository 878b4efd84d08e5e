"""The history of an account as Bitstamp has it: one list of everything that was done.

Fees of trades are taken in the quote currency, besides what was paid; the world's own are not. Ids
are from one counter of trades and everything else. Staking rewards are of this exchange alone.
Amounts are integers of 1e-8.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sandbox.account import Account
from sandbox.bitstamp.shape import id_of
from sandbox.book import Fill, Order
from sandbox.exchange import Exchange
from sandbox.markets import UNIT

REWARD: Final = 5
"""Every so many-th fill of a maker, a reward of 0.01 LTC comes after it."""
_FEE: Final = 5 * UNIT // 100
"""Of a withdrawal in USD, in USD."""


@dataclass(frozen=True)
class Entry:
    """One row. ``amounts``: changes by currency; the fee comes besides, in ``paid_in``."""

    id: int
    ms: int
    type: int
    amounts: Mapping[str, int]
    fee: int = 0
    paid_in: str = ""
    order: Order | None = None
    fill: Fill | None = field(default=None, repr=False)


def fee_of(order: Order, fill: Fill) -> int:
    """In the quote currency."""
    return fill.cost * order.market.fee_ppm // 1_000_000


def paid(order: Order, fill: Fill) -> int:
    """The sum in quote currency: of USD in whole cents."""
    cent = UNIT // 100 if order.market.quote == "USD" else 1
    return (fill.cost + cent // 2) // cent * cent


def ledger(exchange: Exchange, account: Account, now: int) -> list[Entry]:
    """Oldest first; a later moment only adds entries at the end."""
    found: list[Entry] = []
    rewards = 0
    for order, fill in account.fills(now):
        way, market = (1 if order.buy else -1), order.market
        id_ = id_of(exchange, fill.trade_id)
        amounts = {market.base: way * fill.amount, market.quote: -way * paid(order, fill)}
        fee = fee_of(order, fill)
        found.append(Entry(id_, fill.ms, 2, amounts, fee, market.quote, order, fill))
        rewards += fill.maker
        if fill.maker and rewards % REWARD == 0:
            found.append(Entry(id_ + 999, fill.ms, 27, {"LTC": UNIT // 100}))
    return sorted([*found, *_transfers(exchange, account, now)], key=lambda e: e.id)


def _transfers(exchange: Exchange, account: Account, now: int) -> list[Entry]:
    """Only what is done appears: at the moment at which it was."""
    done = [
        (t.states[-1][0], t)
        for t in account.visible_transactions(now)
        if t.kind in (1, 2) and t.states[-1][1] == "ok" and t.states[-1][0] <= now
    ]
    found: list[Entry] = []
    number = last = 0
    tapes = list(exchange.world.tapes.values())
    for ms, t in sorted(done, key=lambda pair: (pair[0], pair[1].id)):
        before = [tape.ids[at - 1] for tape in tapes if (at := bisect_right(tape.times, ms))]
        base = id_of(exchange, max(before, default=1))
        number = number + 1 if base == last else 1
        last = base
        way = 1 if t.kind == 1 else -1
        fee = _FEE if t.kind == 2 and t.currency == "USD" else 0
        amounts = {t.currency: way * t.amount}
        found.append(Entry(base + number, ms, t.kind - 1, amounts, fee, t.currency))
    return found
