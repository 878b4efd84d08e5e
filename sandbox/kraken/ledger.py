"""The ledger of an account as Kraken has it: every change of every asset.

Fills and transfers are those of the world. Rewards and positions on margin are of this exchange
alone, and the world has none: each hangs on an order of the account, at whose moment it begins.
Amounts are integers of 1e-8.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sandbox.account import Account, Transaction, of_a_moment
from sandbox.book import Fill, Order
from sandbox.kraken.names import asset, txid
from sandbox.kraken.switches import KrakenSwitches
from sandbox.markets import UNIT, Market

_HOUR: Final = 3_600_000
_LEVERAGE: Final = 5


@dataclass(frozen=True)
class Entry:
    """One change of one asset (Kraken's own id). Balances change by ``amount`` - ``fee``."""

    ms: int
    id: str
    refid: str
    type: str
    asset: str
    amount: int
    fee: int = 0
    subtype: str = ""


@dataclass(frozen=True)
class MarginFill:
    """A fill on margin. It moves neither currency: the ledger books fee, result and settlement."""

    id: str
    order_id: str
    market: Market
    ms: int
    buy: bool
    price: int
    amount: int
    kind: str
    fee: int = 0

    @property
    def cost(self) -> int:
        return self.price * self.amount // UNIT

    @property
    def margin(self) -> int:
        return self.cost // _LEVERAGE


def fill_id(fill: Fill, order: Order) -> str:
    """The id of a fill of the world, to which its two entries refer."""
    return txid("T", order.market.symbol, fill.trade_id)


def transfer_id(transaction: Transaction) -> str:
    """The reference of a deposit or withdrawal, as the ledger has it too."""
    return txid("Q" if transaction.kind == 1 else "A", transaction.id)


def ledger(account: Account, now: int, switches: KrakenSwitches) -> list[Entry]:
    """Oldest first; a later moment only adds entries."""
    found = [*_of_the_world(account, now), *own(account, now, switches)]
    return sorted(found, key=lambda entry: entry.ms)


@of_a_moment
def _of_the_world(account: Account, now: int) -> list[Entry]:
    return [*_trades(account, now), *_transfers(account, now)]


def own(account: Account, now: int, switches: KrakenSwitches) -> list[Entry]:
    """The entries of which the world knows nothing."""
    found: list[Entry] = []
    if switches.kraken_rewards:
        found += _rewards(account)
    if switches.kraken_margin:
        found += _positions(account)
    return [entry for entry in found if entry.ms <= now]


def _trades(account: Account, now: int) -> Iterator[Entry]:
    for order, fill in account.fills(now):
        market, ref, way = order.market, fill_id(fill, order), 1 if order.buy else -1
        for currency, amount, is_received in (
            (market.base, way * fill.amount, order.buy),
            (market.quote, -way * fill.cost, not order.buy),
        ):
            name, fee = txid("L", ref, currency), fill.fee if is_received else 0
            yield Entry(fill.ms, name, ref, "trade", asset(currency), amount, fee)


def _transfers(account: Account, now: int) -> Iterator[Entry]:
    """Credited deposits, withdrawals and those that came back."""
    for t in account.visible_transactions(now):
        done, ref = t.states[-1][0], transfer_id(t)
        is_settled, is_ok = done <= now, done <= now and t.status(now) == "ok"
        name = txid("L", ref)
        if t.kind == 1 and is_ok:
            yield Entry(done, name, ref, "deposit", asset(t.currency), t.amount)
        if t.kind == 2:
            yield Entry(t.ms, name, ref, "withdrawal", asset(t.currency), -t.amount)
        if t.kind == 2 and is_settled and not is_ok:
            back = txid("L", ref, "back")
            yield Entry(done, back, ref, "withdrawal", asset(t.currency), t.amount)


_REWARDS: Final[dict[int, tuple[tuple[str, str, str, int, int], ...]]] = {
    0: (
        ("transfer", "spottostaking", "XETH", -1_000_003, 0),
        ("transfer", "stakingfromspot", "ETH.S", 1_000_003, 0),
    ),
    1: (("staking", "", "ETH.S", 1_237, 0),),
    2: (
        ("earn", "allocation", "XXBT", -20_011, 0),
        ("earn", "allocation", "XBT.F", 20_011, 0),
    ),
    3: (("earn", "reward", "XBT.F", 113, 23),),
    4: (("spend", "", "ZUSD", -25 * UNIT, UNIT // 4), ("receive", "", "XXBT", 40_009, 0)),
    5: (("dividend", "", "ZUSD", 7_001, 0), ("invite bonus", "", "KFEE", 5 * UNIT, 0)),
    6: (("adjustment", "", "XLTC", -1_009, 0), ("adjustment", "", "XETH", 77, 0)),
}
"""Type, subtype, asset, amount and fee, by the number of the order in each 7."""


def _rewards(account: Account) -> Iterator[Entry]:
    for n, order in enumerate(account.orders):
        ref = txid("R", order.id)
        for at, (kind, subtype, name, amount, fee) in enumerate(_REWARDS[n % len(_REWARDS)]):
            made = txid("L", ref, at)
            yield Entry(order.created, made, ref, kind, name, amount, fee, subtype)


def margin_fills(account: Account, now: int) -> list[MarginFill]:
    """What opened, closed and settled the positions of an account."""
    made = (fill for order in account.orders[::_POSITION] for fill in _fills(order))
    return [fill for fill in made if fill.ms <= now]


_POSITION: Final = 5
"""Every so many-th order comes with a position."""


def _fills(order: Order) -> tuple[MarginFill, MarginFill]:
    """What opens a position on the order's market, and nine hours later ends it.

    Every second one is settled: the account keeps what it bought, or gives what it sold.
    """
    is_settled = order.id % 2 == 0
    kinds = (("open", "market"), ("end", "settle-position" if is_settled else "limit"))
    opened, ended = (
        MarginFill(
            id=txid("T", "margin", order.id, name),
            order_id=txid("O", "margin", order.id, name),
            market=order.market,
            ms=order.created + at * 9 * _HOUR,
            buy=order.buy if at == 0 else not order.buy,
            price=order.price if at == 0 or is_settled else order.price * 1013 // 1000,
            amount=12_345_678,
            kind=kind,
            fee=0 if at and is_settled else order.price // 3_001,
        )
        for at, (name, kind) in enumerate(kinds)
    )
    return opened, ended


def _positions(account: Account) -> Iterator[Entry]:
    for order in account.orders[::_POSITION]:
        opened, ended = _fills(order)
        base, quote = asset(order.market.base), asset(order.market.quote)
        way = 1 if opened.buy else -1

        def entry(
            about: MarginFill, ms: int, kind: str, name: str, amount: int, fee: int = 0
        ) -> Entry:
            return Entry(ms, txid("L", about.id, ms, kind, name), about.id, kind, name, amount, fee)

        # the opening fee is part of the first; a fee may first be exchanged into the collateral
        yield entry(opened, opened.ms, "collateralconversion", quote, -opened.fee)
        yield entry(opened, opened.ms, "collateralconversion", "EURC", opened.fee)
        yield entry(opened, opened.ms, "margin", "EURC", 0, opened.fee)
        for n in (1, 2):
            at = opened.ms + n * 4 * _HOUR
            yield entry(opened, at, "rollover", quote, 0, opened.fee // 7 + n)
        if ended.kind == "settle-position":
            yield entry(ended, ended.ms, "settled", base, way * opened.amount)
            yield entry(ended, ended.ms, "settled", quote, -way * opened.cost)
        else:
            result = way * (ended.cost - opened.cost)
            yield entry(ended, ended.ms, "margin", quote, result, ended.fee)
