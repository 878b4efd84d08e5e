"""What Kraken's documentation leaves open, and its awkward habits, as switches."""

from dataclasses import dataclass, field
from typing import Literal

from sandbox.jsontext import NumberStyle


@dataclass
class KrakenSwitches:
    kraken_numbers: NumberStyle = "text"
    kraken_since_inclusive: bool = True
    """Whether ``since`` shows a row of exactly that nanosecond."""
    kraken_ns_step: int = 700
    """Nanoseconds between the trades of one millisecond; 0: all in one nanosecond."""
    kraken_last: Literal["always", "never", "sometimes"] = "always"
    kraken_first_id: int = 1
    """Of every market; ids have no holes."""
    kraken_zero_ids: tuple[int, int] | None = None
    """Rows with ids in this stretch (both ends inclusive) come with id 0."""
    kraken_with_ids: bool = True
    """Whether rows have their last element, the id."""
    kraken_renamed: dict[str, str] = field(default_factory=dict)
    """Other ids of markets, by symbol."""
    kraken_maintenance: bool = False
    """Every call is refused, with status 200."""
    kraken_stale_head: int = 0
    """Answers without ``since`` leave out so many of the newest rows: they come from a cache."""
    kraken_last_candle: Literal["open", "final"] = "open"
    """Whether the open interval is sent."""
    kraken_shuffled_keys: bool = False
    """Objects keyed by id come in no order."""
    kraken_count: Literal["number", "text", "missing"] = "number"
    kraken_count_extra: int = 0
    """So many rows more are counted than any page shows."""
    kraken_transfers: Literal["list", "cursor", "denied", "unknown", "down"] = "list"
    """How DepositStatus and WithdrawStatus answer."""
    kraken_rewards: bool = False
    """Whether the ledger has staking, earning, dividends, purchases and adjustments."""
    kraken_margin: bool = False
    """Whether the account has positions on margin, closed and settled."""
    kraken_public_per_second: int = 1
    kraken_decay: float = 0.33
    kraken_most: float = 15.0
    """Of a key's counter, and what it loses in a second."""


@dataclass
class Counters:
    """A key's counter of calls, and when it was last changed, by key."""

    values: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, key: str, cost: float, now: float, switches: KrakenSwitches) -> bool:
        """Count one call; False where the counter goes past its most."""
        value, at = self.values.get(key, (0.0, now))
        value = max(0.0, value - (now - at) * switches.kraken_decay) + cost
        self.values[key] = value, now
        return value <= switches.kraken_most
