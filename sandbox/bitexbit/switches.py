"""What BitexBit's document leaves open, as switches."""

from dataclasses import dataclass
from typing import Literal

from sandbox.jsontext import NumberStyle
from sandbox.paging import End


@dataclass
class BitexBitSwitches:
    since_id_inclusive: bool = True
    until_id_inclusive: bool = True
    time_unit: Literal["ms", "s"] = "ms"
    """Unit of ``since``/``until``."""
    dates: Literal["ms", "s"] = "ms"
    """``date`` of public rows: integer milliseconds, or seconds with decimals."""
    private_dates: Literal["ms", "s"] = "ms"
    candle_time: Literal["ms", "s"] = "s"
    candle_order: End = "oldest"
    candle_open_included: bool = True
    candle_empty: Literal["omit", "repeat"] = "omit"
    numbers: NumberStyle = "text"
    fee_keys: Literal["side", "role"] = "side"
    """``buy_fee_rate``/``sell_fee_rate`` (the example) or ``taker_…``/``maker_…`` (the text)."""
    transfers: bool = True
    """Whether the later document's calls exist: transfers, and the trades of one order."""
    transfers_id: bool = True
    """Whether transfers have an id, which the later document does not name."""
    transfers_page: int = 100
    transfers_paging: Literal["page", "offset"] = "page"
    public_per_second: int = 100
    private_per_second: int = 2
