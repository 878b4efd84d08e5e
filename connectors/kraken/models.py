"""Kraken's answers as they come. Any field may be missing, null, text or number.

Numbers that are not integers arrive as their text. Rows that are members of an object are read as
dictionaries, each with its key as ``id``.
"""

from typing import Any

from msgspec import Raw, Struct

Row = dict[str, Any]


class Envelope(Struct):
    """What wraps every answer: a list of errors and warnings, and the result."""

    error: Any = None
    result: Raw = Raw(b"")


class Trade(Struct, array_like=True, gc=False):
    """One of ``Trades``: ``side`` (b, s) is the taker's; old answers have no id."""

    price: Any = None
    amount: Any = None
    time: Any = None
    side: Any = None
    kind: Any = None
    misc: Any = None
    id: Any = None


class Candle(Struct, array_like=True, gc=False):
    """One of ``OHLC``: ``time`` is the opening, in seconds."""

    time: Any = None
    open: Any = None
    high: Any = None
    low: Any = None
    close: Any = None
    vwap: Any = None
    volume: Any = None


class Depth(Struct):
    """``Depth`` of one market: each level an array of price, amount and time."""

    asks: Raw
    bids: Raw


class Page(Struct):
    """A page of a history: its rows stand under one of these names."""

    trades: Raw = Raw(b"")
    ledger: Raw = Raw(b"")
    open: Raw = Raw(b"")
    closed: Raw = Raw(b"")
    count: Any = None


class TradeVolume(Struct):
    """The account's rates by pair, in per cent, as a taker and as a maker."""

    fees: Raw = Raw(b"{}")
    fees_maker: Raw = Raw(b"{}")
