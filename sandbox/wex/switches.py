"""What the documents of WEX and its siblings leave open, as switches."""

from dataclasses import dataclass
from typing import Literal

from sandbox.jsontext import NumberStyle
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
