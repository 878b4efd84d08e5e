"""YoBit as the sandbox speaks it: the BTC-e dialect of WEX, and what differs."""

from dataclasses import dataclass

from sandbox.wex import dialect
from sandbox.wex.private import keys_of
from sandbox.wex.switches import Flavor

__all__ = ["DIALECT", "YobitSwitches"]


@dataclass
class YobitSwitches:
    """None of its own: what is open at YoBit is open at WEX, whose switches count for both."""


DIALECT = dialect(
    Flavor(
        "yobit",
        keys_of("yobit"),
        "/tapi/",
        2_147_483_646,
        methods=("getInfo", "ActiveOrders", "OrderInfo", "TradeHistory"),
        of_pair=("ActiveOrders", "TradeHistory"),
        most=2000,
        most_pairs=40,
        buy_is_bid=True,
        has_totals=True,
    ),
    YobitSwitches,
    prefix="/yobit",
)
