"""How the sandbox pages and what it shows: what the exchanges' documents leave open, as switches.

The defaults are what the documents suggest. Every switch may be turned while a server runs; the
next request obeys. Switches of one dialect alone are in its folder. Faults of single requests (a
spoilt row, a refusal, an empty body) are in ``sandbox.faults``; ``World.relist`` lists a market
again with ids from 1.

Which switch plays which behaviour of a real exchange:

- cuts to ``limit`` first and filters by market afterwards: ``filters_after_limit``;
- lowers its page cap between two pulls, sorts by time: ``page_cap``, ``sorts_by``;
- shows nothing of a stretch for a while: ``hidden_ids``, ``hidden_ms``, ``hidden_until``;
- ignores bounds, and one row or all but the first cannot be read: ``ignored``, and the fault
  ``malformed`` with ``spoil=("id", "null")`` and ``rows``;
- changes the unit of candle bounds: ``time_unit`` of BitexBit's switches;
- says once that it is under maintenance: the fault ``refusal`` with ``text``;
- relists a market with ids from 1: ``World.relist``; an open order leaves the list:
  ``hidden_orders``;
- delists a market and lists it again: ``delisted``;
- answers nothing for the newest rows: ``empty_head``.
"""

from dataclasses import dataclass
from typing import Literal

End = Literal["newest", "oldest"]


@dataclass
class PagingProfile:
    """The switches that the dialects share."""

    order: End = "newest"
    """Which row of a BitexBit page comes first."""
    limit_keeps: End = "newest"
    """Which end of the window BitexBit's ``limit`` keeps."""
    sorts_by: Literal["id", "time"] = "id"
    """By time: rows of one moment come, and are cut off, in no order of their ids."""
    page_cap: int | None = None
    """The most rows of any BitexBit page and of any tapi history, if lower than documented."""
    filters_after_limit: bool = False
    """Whether BitexBit cuts trades and orders to ``limit`` before it picks those of ``symbol``."""
    ignored: frozenset[str] = frozenset()
    """Parameters that the server takes but does not apply: ``since_id``, ``until_id``,
    ``from_id``, ``end_id``, ``since``, ``until``, ``end``, ``from``, ``order``, ``type``."""
    retention: int | None = None
    """How many of its newest trades a market still shows; None = all."""
    late_every: int = 0
    """Every n-th trade id shows up late (0: none does) …"""
    late_ms: int = 30_000
    """… by this many milliseconds, below ids that are already there."""
    hidden_ids: tuple[int, int] | None = None
    """Rows with ids in this stretch (both ends inclusive) are not shown …"""
    hidden_ms: tuple[int, int] | None = None
    """… nor rows and candles of this stretch of time (milliseconds, both ends inclusive) …"""
    hidden_until: int | None = None
    """… until the world's clock has come here (milliseconds); None = for good."""
    empty_head: bool = False
    """Whether histories asked for without an upper bound come empty, with status 200."""
    delisted: frozenset[str] = frozenset()
    """Markets (``BTC-USD``) that are not listed and that every call refuses as unknown."""
    hidden_orders: frozenset[int] = frozenset()
    """Ids of orders that no list shows, although they are open."""
    extra_fields: bool = False
    """Fields that no document names, in every row."""
    gzip: bool = False
    """Compress answers for clients that accept it."""
