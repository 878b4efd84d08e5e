"""The two ledgers of an account at OKX: of funding, where deposits arrive, and of trading.

Nine tenths of a deposit go on to trading; a withdrawal comes from there. Fees of trades are in what
is received, as in the world. Interest is of this exchange alone. Amounts are integers of 1e-8.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sandbox.account import Account, of_a_moment
from sandbox.book import Fill, Order
from sandbox.markets import UNIT

_INTEREST: Final = 5
"""Every so many-th fill of a maker, interest comes after it: in funding, and of trading a debit."""
_FEE_SHARE: Final = 1_000
"""The fee of a withdrawal is that part of what leaves."""


@dataclass(frozen=True)
class Entry:
    """One change of one currency. ``funding``: in which ledger; ``type``: its code there."""

    ms: int
    funding: bool
    currency: str
    amount: int
    type: str
    order: Order | None = None
    fill: Fill | None = None


def fee_of(amount: int) -> int:
    """Of a withdrawal: a part of what leaves the account."""
    return amount // _FEE_SHARE


@of_a_moment
def ledger(account: Account, now: int) -> list[Entry]:
    """Oldest first; a later moment only adds entries at the end."""
    found = [*_transfers(account, now), *_fills(account, now)]
    return sorted((e for e in found if e.ms <= now), key=lambda e: e.ms)


def _transfers(account: Account, now: int) -> Iterator[Entry]:
    for t in account.visible_transactions(now):
        end, status = t.states[-1]
        if t.kind == 1 and status == "ok":
            moved = t.amount * 9 // 10
            yield Entry(end, True, t.currency, t.amount, "1")
            yield Entry(end, True, t.currency, -moved, "131")
            yield Entry(end, False, t.currency, moved, "1")
        elif t.kind == 2:
            yield Entry(t.ms, False, t.currency, -t.amount, "1")
            yield Entry(t.ms, True, t.currency, t.amount, "130")
            yield Entry(t.ms, True, t.currency, -t.amount, "2")
            if status == "failed":
                yield Entry(end, True, t.currency, t.amount, "13")


def _fills(account: Account, now: int) -> Iterator[Entry]:
    made = 0
    for order, fill in account.fills(now):
        way, market = (1 if order.buy else -1), order.market
        base, quote = way * fill.amount, -way * fill.cost
        base -= fill.fee if order.buy else 0
        quote -= 0 if order.buy else fill.fee
        yield Entry(fill.ms, False, market.base, base, "2", order, fill)
        yield Entry(fill.ms, False, market.quote, quote, "2", order, fill)
        made += fill.maker
        if fill.maker and made % _INTEREST == 0:
            yield Entry(fill.ms, True, "LTC", UNIT // 100, "74")
            yield Entry(fill.ms, False, "USD", -UNIT // 50, "7")
