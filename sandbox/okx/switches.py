"""What OKX's documentation leaves open, and its awkward habits, as switches."""

from dataclasses import dataclass

from sandbox.jsontext import NumberStyle


@dataclass
class OkxSwitches:
    okx_numbers: NumberStyle = "text"
    okx_most: int = 100
    """The most rows of trades and of an account's lists."""
    okx_most_candles: int = 300
    okx_skipped: frozenset[int] = frozenset()
    """Trade ids that were never given."""
    okx_behind: tuple[int, ...] = ()
    """Servers of different freshness: so many of the newest trades each lacks, in turn."""
    okx_history_is_final: bool = True
    """Whether the list of old candles leaves out the one that is still open."""
    okx_quiet_candles: bool = False
    """Whether intervals without a trade are sent, with volume 0."""
    okx_ends_open: bool = False
    """Whether ``begin`` and ``end`` leave out the moment that they name."""
    okx_rights: str = "read_only"
    okx_maintenance: bool = False
    """Every answer says so, with status 200."""
    okx_clock_ahead_ms: int = 0
    """By how much the exchange's clock is ahead of the one of the world."""
