"""What Bitstamp's documentation leaves open, and its awkward habits, as switches."""

from dataclasses import dataclass, field
from typing import Literal

from sandbox.jsontext import NumberStyle
from sandbox.paging import End


@dataclass
class BitstampSwitches:
    bs_numbers: NumberStyle = "text"
    bs_order: End = "newest"
    """Which row of public trades comes first."""
    bs_window_cap: int | None = None
    """The most trades of one answer; the newest are kept."""
    bs_behind_ms: int = 0
    """How old the list of trades is that is shown."""
    bs_edge: bool = True
    """Whether a trade just as old as the window is long is shown."""
    bs_start_keeps: End = "oldest"
    """Which end ``limit`` keeps where candles are asked for with ``start`` alone."""
    bs_quiet_candles: bool = True
    """Whether intervals without a trade are sent: volume 0, and prices of their own."""
    bs_twice: frozenset[int] = frozenset()
    """Openings (seconds) of candles that come twice, with different content …"""
    bs_twice_alone: bool = False
    """… also where one of them is asked for alone."""
    bs_since_inclusive: bool = True
    """Whether ``since_id`` shows the row that it names."""
    bs_micros: bool = True
    """Whether times of an account's rows have a fraction."""
    bs_type_text: bool = True
    """Whether types come as text."""
    bs_old_markets: bool = False
    """Whether the list of markets has the fields that it had first."""
    bs_orders_ms: int | None = None
    """For how long an order can be asked for; None = for ever."""
    bs_clock_window_ms: int | None = None
    """How far the time of a call may be from the exchange's; None = no limit is documented."""
    bs_clock_ahead_ms: int = 0
    bs_errors: Literal["coded", "text", "all", "response"] = "coded"
    """The shape of errors."""
    bs_maintenance: bool = False
    """Every answer says so in plain text, with status 200."""
    bs_nonces: set[str] = field(default_factory=set)
    """Those that were used."""
