"""BitexBit's rows as they come. Any field may be missing, null, text or number: parse.py decides.

Numbers that are not integers arrive as their text (see :func:`connectors.jsontext.decoder`).
"""

from typing import Any

from msgspec import Struct


class Pair(Struct):
    """``/public/pairs``."""

    symbol: str
    base: str
    quote: str
    is_enabled: bool = True


class Trade(Struct):
    """``/public/trades``; ``date`` in milliseconds, ``type`` is the taker's side."""

    id: Any = None
    date: Any = None
    symbol: Any = None
    price: Any = None
    amount: Any = None
    type: Any = None


class Candle(Struct, array_like=True):
    """``/public/ohlcv``: an array; the document says milliseconds, its example shows seconds."""

    date: Any = None
    open: Any = None
    high: Any = None
    low: Any = None
    close: Any = None
    volume: Any = None


class Ticker(Struct):
    """``/public/tickers``: ``buy`` is the bid, ``sell`` the ask, ``vol1`` base, ``vol2`` quote."""

    date: Any = None
    symbol: Any = None
    last: Any = None
    buy: Any = None
    sell: Any = None
    high: Any = None
    low: Any = None
    vol1: Any = None
    vol2: Any = None
    change: Any = None


class AccountTrade(Struct):
    """``/private/trades``; ``type`` is the account's own side."""

    id: Any = None
    date: Any = None
    type: Any = None
    symbol: Any = None
    price: Any = None
    amount: Any = None
    fee_amount: Any = None
    fee_rate: Any = None
    fee_symbol: Any = None


class Transfer(Struct):
    """``/private/transfers``: ``currency`` and ``status`` are objects."""

    id: Any = None
    txid: Any = None
    date: Any = None
    amount: Any = None
    currency: Any = None
    status: Any = None
    is_outgoing: Any = None
