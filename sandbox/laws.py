"""What the exchanges' documents leave open, as switches. The defaults are what they suggest.

Every switch may be changed while a server runs; the next request obeys.
"""

from dataclasses import dataclass
from typing import Literal

End = Literal["newest", "oldest"]
NumberStyle = Literal["text", "number", "exponent", "exponent-text"]


@dataclass
class Laws:
    # Pages of both dialects
    order: End = "newest"
    """Which row of a BitexBit page comes first."""
    limit_keeps: End = "newest"
    """Which end of the window BitexBit's ``limit`` keeps."""
    page_cap: int | None = None
    """The most rows of any BitexBit page and of any tapi history, if lower than documented."""
    since_id_inclusive: bool = True
    until_id_inclusive: bool = True
    from_id_inclusive: bool = True
    end_id_inclusive: bool = True
    ignored: frozenset[str] = frozenset()
    """Parameters that the server takes but does not apply: ``since_id``, ``until_id``,
    ``from_id``, ``end_id``, ``since``, ``until``, ``end``, ``from``, ``order``, ``type``."""
    retention: int | None = None
    """How many of its newest trades a market still shows; None = all."""
    late_every: int = 0
    """Every n-th trade id shows up late (0: none does) …"""
    late_ms: int = 30_000
    """… by this many milliseconds, below ids that are already there."""

    # BitexBit
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
    transfers_page: int = 100
    transfers_paging: Literal["page", "offset"] = "page"
    extra_fields: bool = False
    """Fields that no document names, in every row."""

    # WEX
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

    gzip: bool = False
    """Compress answers for clients that accept it."""
