"""The trades of one market, ordered by id, with each row's JSON ready to send."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from sandbox.markets import UNIT, text


@dataclass(frozen=True)
class Trade:
    """``timestamp`` in milliseconds; ``side`` is the taker's; the texts are exactly as served."""

    id: int
    timestamp: int
    side: str
    price: str
    amount: str


class MarketTape:
    """Columns of trades in the order of their ids. Rows are only ever added, at the end.

    ``spelled``: the market in every row, where not as BitexBit spells it as a rule.
    """

    def __init__(self, symbol: str, spelled: str = "") -> None:
        self.symbol = symbol
        self.ids = array("q")
        self.times = array("q")
        self.prices = array("q")
        self.amounts = array("q")
        self.buys = bytearray()
        self.monotonic = True
        """Whether times never fall along the ids."""
        self.spelled = spelled
        self._native = spelled or symbol.replace("-", "_")
        self._blob = bytearray()
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return len(self.ids)

    def add(
        self,
        trade_id: int,
        ms: int,
        price: int,
        amount: int,
        buy: bool,
        texts: tuple[str, str] | None = None,
    ) -> int:
        """Append a trade (integers of 1e-8) and give its position. Ids must rise."""
        if self.times and ms < self.times[-1]:
            self.monotonic = False
        price_text, amount_text = texts or (text(price), text(amount))
        self.ids.append(trade_id)
        self.times.append(ms)
        self.prices.append(price)
        self.amounts.append(amount)
        self.buys.append(buy)
        self._blob += (
            f'{{"date":{ms},"id":{trade_id},"symbol":"{self._native}","price":"{price_text}",'
            f'"amount":"{amount_text}","type":"{"buy" if buy else "sell"}"}}'
        ).encode()
        self._ends.append(len(self._blob))
        return len(self.ids) - 1

    def json(self, at: int) -> bytes:
        """The row as BitexBit sends it by default."""
        return bytes(self._blob[self._ends[at] : self._ends[at + 1]])

    def page(self, positions: "range | list[int]") -> bytes:
        """A JSON array of rows, in the order given."""
        blob, ends = self._blob, self._ends
        return b"[" + b",".join([blob[ends[i] : ends[i + 1]] for i in positions]) + b"]"

    def texts(self, at: int) -> tuple[str, str]:
        """Price and amount exactly as served."""
        parts = self.json(at).decode().split('"')
        return parts[11], parts[15]

    def trade(self, at: int) -> Trade:
        price, amount = self.texts(at)
        side = "buy" if self.buys[at] else "sell"
        return Trade(self.ids[at], self.times[at], side, price, amount)

    def trades(self) -> Iterator[Trade]:
        return map(self.trade, range(len(self)))

    def visible(
        self, now: int, retention: int | None, late_every: int, late_ms: int
    ) -> "range | list[int]":
        """Positions that the exchange shows at ``now``, ascending by id."""
        if self.monotonic:
            shown: range | list[int] = range(bisect_right(self.times, now))
        else:
            shown = [i for i, ms in enumerate(self.times) if ms <= now]
        if late_every:
            ids, times = self.ids, self.times
            cut = len(shown)
            while cut and times[shown[cut - 1]] > now - late_ms:
                cut -= 1
            tail = [i for i in shown[cut:] if ids[i] % late_every or times[i] <= now - late_ms]
            if len(tail) < len(shown) - cut:
                shown = [*shown[:cut], *tail]
        if retention is not None:
            shown = shown[max(0, len(shown) - retention) :]
        return shown


def exact(number: str) -> int:
    """Plain decimal text as an integer of 1e-8. Raises ``ValueError`` where it does not fit."""
    scaled = Decimal(number) * UNIT
    if scaled != int(scaled):
        raise ValueError(f"{number} has more than 8 decimals")
    return int(scaled)
