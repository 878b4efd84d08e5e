"""The ledger of an account as Coinbase Exchange has it: every change of every currency.

Fees are taken in the quote currency and have up to 16 decimals, which the world's own (in what was
received, 8 decimals) do not. Conversions and rebates are of this exchange alone: the world has
none. Amounts are integers of 1e-16.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sandbox.account import Account, of_a_moment
from sandbox.book import Fill
from sandbox.coinbase.shape import LONG, native, uuid
from sandbox.markets import UNIT

MAKER_PPM: Final = 1_255
TAKER_PPM: Final = 2_550
WIDE: Final[int] = 10 ** (LONG - 8)
"""1e-16 in an integer of 1e-8."""
_REBATE: Final = 7
"""Every so many-th fill of a maker gets a tenth of its fee back."""
_CONVERSION: Final = 9
"""When every so many-th order was placed, 12.34 USD became 0.25 LTC."""


@dataclass(frozen=True)
class Entry:
    """One change of one currency. ``details``: what it belongs to."""

    ms: int
    currency: str
    amount: int
    type: str
    details: tuple[tuple[str, str], ...] = ()


def fee_of(fill: Fill) -> int:
    """In the quote currency."""
    ppm = MAKER_PPM if fill.maker else TAKER_PPM
    return fill.cost * ppm * (WIDE // 1_000_000)


@of_a_moment
def ledger(account: Account, now: int) -> list[Entry]:
    """Oldest first; a later moment only adds entries at the end."""
    found = [*_transfers(account, now), *_fills(account, now), *_conversions(account)]
    return sorted((e for e in found if e.ms <= now), key=lambda e: e.ms)


def _transfers(account: Account, now: int) -> Iterator[Entry]:
    for t in account.visible_transactions(now):
        end, status = t.states[-1]
        names = (("transfer_id", uuid(2, t.id)), ("transfer_type", "deposit" * (t.kind == 1)))
        amount = t.amount * WIDE
        if t.kind == 1 and status == "ok":
            yield Entry(end, t.currency, amount, "transfer", names)
        elif t.kind == 2:
            yield Entry(t.ms, t.currency, -amount, "transfer", names)
            if status == "failed":
                yield Entry(end, t.currency, amount, "transfer", names)


def _fills(account: Account, now: int) -> Iterator[Entry]:
    rebates = 0
    for order, fill in account.fills(now):
        way, market = (1 if order.buy else -1), order.market
        names = (
            ("order_id", uuid(0, order.id)),
            ("product_id", native(market)),
            ("trade_id", str(fill.at + 1)),
        )
        yield Entry(fill.ms, market.base, way * fill.amount * WIDE, "match", names)
        yield Entry(fill.ms, market.quote, -way * fill.cost * WIDE, "match", names)
        yield Entry(fill.ms, market.quote, -fee_of(fill), "fee", names)
        rebates += fill.maker
        if fill.maker and rebates % _REBATE == 0:
            yield Entry(fill.ms, market.quote, fee_of(fill) // 10, "rebate", names)


def _conversions(account: Account) -> Iterator[Entry]:
    for order in account.orders[_CONVERSION::_CONVERSION]:
        names = (("conversion_id", uuid(3, order.id)),)
        yield Entry(order.created, "USD", -1_234 * UNIT // 100 * WIDE, "conversion", names)
        yield Entry(order.created, "LTC", UNIT // 4 * WIDE, "conversion", names)
