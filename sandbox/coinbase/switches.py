"""What Coinbase's documentation leaves open, and its awkward habits, as switches."""

from dataclasses import dataclass
from typing import Literal

from sandbox.jsontext import NumberStyle
from sandbox.paging import End


@dataclass
class CoinbaseSwitches:
    cb_before_alone: End = "newest"
    """Which of the newer rows come where only ``before`` is given and not all fit."""
    cb_most: int = 1000
    """The most rows of trades and fills …"""
    cb_over_most: Literal["cut", "refuse"] = "cut"
    """… and what becomes of a request for more."""
    cb_skipped: frozenset[int] = frozenset()
    """Trade ids that were never given."""
    cb_beyond_head: Literal["empty", "newest", "refuse"] = "empty"
    """The answer where ``before`` is above the newest id."""
    cb_behind: tuple[int, ...] = ()
    """Servers of different freshness: so many of the newest trades each lacks, in turn."""
    cb_delisted_trades: bool = True
    """Whether products that are delisted still have trades."""
    cb_empty_candles: int = 0
    """Every n-th answer with candles comes empty …"""
    cb_candles_asked: int = 0
    """… of those asked for so far."""
    cb_surplus_candles: int = 0
    """So many candles from before ``start`` come along."""
    cb_base_increment: bool = True
    """Whether products have the step of amounts (newer answers), or least and largest amounts."""
    cb_numbers: NumberStyle = "text"
    cb_settles_ms: int = 0
    """After so many milliseconds a fill is settled and its fee is known."""
    cb_purges: bool = True
    """Whether orders vanish that were canceled before anything was filled."""
    cb_dates_open: bool = False
    """Whether ``start_date`` and ``end_date`` leave out the moment that they name."""
    cb_fee_included: bool = True
    """Whether the amount of a withdrawal includes its fee; else ``subtotal`` says what it is."""
    cb_one_date: Literal["applied", "ignored"] = "applied"
    """What becomes of ``start_date`` or ``end_date`` of a ledger where the other one is missing."""
    cb_maintenance: bool = False
    """Every answer says so, with status 200."""
    cb_clock_ahead_ms: int = 0
    """By how much the exchange's clock is ahead of the one of the world."""
