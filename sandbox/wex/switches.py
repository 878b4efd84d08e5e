"""What the documents of WEX and its siblings leave open, as switches, and in what they differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sandbox.jsontext import NumberStyle
from sandbox.keys import Key
from sandbox.paging import End


@dataclass
class WexSwitches:
    from_id_inclusive: bool = True
    end_id_inclusive: bool = True
    wex_numbers: NumberStyle = "number"
    wex_order: End = "newest"
    wex_trades_default: int = 150
    wex_trades_max: int = 5000
    wex_shuffled_keys: bool = False
    """Objects keyed by id come in no order."""
    wex_success: Literal[1, "1", True, "true"] = 1
    wex_empty: Literal["error", "object", "array"] = "error"
    """An empty result: the error ``no trades``, ``{}`` or ``[]``."""
    wex_trade_digits: int | None = None
    """Significant digits of TradeHistory (6 in a recorded account); None = exact."""
    wex_nonce_hint: bool = True
    """Whether the nonce error ends in ``, you should send:N``."""
    wex_public_per_second: int = 100
    """The sandbox's own limits: the documents name none."""
    wex_private_per_second: int = 20


@dataclass(frozen=True)
class Flavor:
    """One exchange that speaks the BTC-e dialect; the switches are those of all.

    ``tapi``: the path of signed calls. ``methods``: those there are. ``of_pair``: those that need a
    ``pair``. ``most``: rows of public trades and of one side of a book. ``buy_is_bid``: whether a
    ticker's ``buy`` is the bid. ``has_totals``: whether pairs have a least value, and accounts all
    that is held besides what is free.
    """

    name: str
    keys: Sequence[Key]
    tapi: str
    max_nonce: int
    methods: Sequence[str]
    of_pair: Sequence[str] = ()
    most: int = 5000
    most_pairs: int | None = None
    buy_is_bid: bool = False
    has_totals: bool = False
