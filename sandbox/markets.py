"""The currencies and markets of the seeded world. Amounts and prices are integers of 1e-8."""

from dataclasses import dataclass
from typing import Final

UNIT: Final = 10**8


def text(value: int) -> str:
    """The decimal text of an integer of 1e-8, with all 8 places."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    return f"{sign}{value // UNIT}.{value % UNIT:08d}"


@dataclass(frozen=True)
class Currency:
    code: str
    name: str
    precision: int
    enabled: bool = True


@dataclass(frozen=True)
class Market:
    """``price_digits + amount_digits <= 8``, so that every cost is exact to 8 places.

    ``start``: first price in ticks. ``step``: most ticks that one trade moves the price.
    ``bursts``: taker orders in ten minutes, on average. ``fee_ppm``: fee in millionths.
    ``spelled``: how every dialect spells it, where not as usual.
    """

    symbol: str
    price_digits: int
    amount_digits: int
    start: int
    step: int
    size: int
    bursts: int
    fee_ppm: int = 2_000
    enabled: bool = True
    spelled: str = ""

    @property
    def base(self) -> str:
        return self.symbol.split("-")[0]

    @property
    def quote(self) -> str:
        return self.symbol.split("-")[1]

    @property
    def tick(self) -> int:
        return int(10 ** (8 - self.price_digits))

    @property
    def lot(self) -> int:
        return int(10 ** (8 - self.amount_digits))


CURRENCIES: Final = (
    Currency("USD", "US Dollar", 8),
    Currency("BTC", "Bitcoin", 8),
    Currency("ETH", "Ethereum", 8),
    Currency("LTC", "Litecoin", 8),
    Currency("DOGE", "Dogecoin", 8, enabled=False),
)
MARKETS: Final = (
    Market("BTC-USD", 2, 6, start=6_180_000, step=300, size=3, bursts=6),
    Market("ETH-USD", 2, 6, start=268_000, step=30, size=4, bursts=5),
    Market("LTC-BTC", 6, 2, start=1_002, step=1, size=1, bursts=3),
    Market("ETH-BTC", 5, 3, start=4_340, step=2, size=1, bursts=4, fee_ppm=1_000),
    # Listed, but closed: BitexBit says so, WEX does not show it at all.
    Market("DOGE-USD", 5, 3, start=10_000, step=5, size=1, bursts=0, enabled=False),
)
