"""What Binance's documents leave open or changed over time, as switches."""

from dataclasses import dataclass
from typing import Literal

from sandbox.jsontext import NumberStyle


@dataclass
class BinanceSwitches:
    binance_numbers: NumberStyle = "text"
    history_lag_ms: int = 0
    """By how much ``historicalTrades`` is behind ``trades``."""
    history_needs_key: bool = False
    """As until 2023."""
    history_missing: bool = False
    """As on a host for public data alone."""
    breaks_served: bool = True
    """Whether the history of a pair that does not trade is shown; else its name is invalid."""
    klines_keep: Literal["documented", "newest"] = "documented"
    """Which end of a window with both bounds ``limit`` keeps; "documented": the oldest."""
    klines_empty: Literal["repeat", "omit"] = "repeat"
    """A quiet interval: the last close with volume 0, or nothing."""
    three_days_from: int = 0
    """The day since 1970 from which candles of three days are counted."""
    short_pages: bool = False
    """Whether every page of an account's trades and orders but the last holds fewer rows."""
    windows_by: Literal["applyTime", "completeTime"] = "applyTime"
    """Which time of a withdrawal its window selects."""
    deposit_ids: bool = True
    bnb_fees: bool = False
    """Whether every third fill pays its fee in BNB."""
    self_trades: bool = False
    """Whether some trades have the account on both sides: two rows with one id."""
    lists_keep: Literal["newest", "oldest"] = "newest"
    """Which end of a window of conversions, dividends or small balances an answer holds."""
    lists_missing: bool = False
    """Whether there are no lists of conversions, small balances and fiat."""
    conversions_most: int = 1000
    dust_form: Literal["present", "older"] = "present"
    fiat_most: int = 500
    fiat_data_always: bool = False
    """Whether a list without fiat transactions is there at all."""
    sale_source: Literal["money", "coin"] = "money"
    """What ``sourceAmount`` of a sale for fiat money is."""
    clock_ahead_ms: int = 0
    """Of the exchange's own clock, by which signed calls must be fresh."""
    retry_after: Literal["header", "zero", "message"] = "header"
    """How long to wait: ``Retry-After``, there 0 and said in the message, or said there alone."""
    weight_of_others: int = 0
    """Spent in each minute by other programs behind the client's address."""
    weight_per_minute: int = 6_000
    uid_weight_per_minute: int = 180_000
    uid_shared: bool = False
    """Whether calls counted by account share that; else each has its own."""
    blocked: bool = False
    """Whether the client's place is one that is not served."""
