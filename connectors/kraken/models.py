"""Kraken's rows as they come. Any field may be missing, null, text or number: parse.py decides.

Numbers that are not integers arrive as their text. Rows that are members of an object have the
member's key in ``id``.
"""

from typing import Any

from msgspec import Raw, Struct


class Envelope(Struct):
    """What wraps every answer: a list of errors and warnings, and the result."""

    error: Any = None
    result: Raw = Raw(b"")


class Trade(Struct, array_like=True, gc=False):
    """``Trades``: ``side`` (b, s) is the taker's; the last element is the id."""

    price: Any = None
    amount: Any = None
    time: Any = None
    side: Any = None
    kind: Any = None
    misc: Any = None
    id: Any = None


class Candle(Struct, array_like=True, gc=False):
    """``OHLC``: ``time`` is the opening, in seconds."""

    time: Any = None
    open: Any = None
    high: Any = None
    low: Any = None
    close: Any = None
    vwap: Any = None
    volume: Any = None


class Ticker(Struct, rename={"low": "l", "high": "h"}):
    """``Ticker``: lists; the second of ``v``, ``p``, ``l`` and ``h`` is of the last 24 hours."""

    id: Any = None
    a: Any = None
    b: Any = None
    c: Any = None
    v: Any = None
    p: Any = None
    low: Any = None
    high: Any = None


class Depth(Struct):
    """``Depth``: each level an array of price, amount and time."""

    asks: Raw
    bids: Raw


class Market(Struct):
    """One of ``AssetPairs``; ``fees``: volume and per cent, the first pair of no volume."""

    id: Any = None
    altname: Any = None
    wsname: Any = None
    base: Any = None
    quote: Any = None
    pair_decimals: Any = None
    lot_decimals: Any = None
    ordermin: Any = None
    costmin: Any = None
    fees: Any = None
    status: Any = None


class Currency(Struct):
    """One of ``Assets``."""

    id: Any = None
    altname: Any = None
    decimals: Any = None
    status: Any = None


class Fill(Struct, gc=False):
    """One of ``TradesHistory``: ``pair`` is an id or a name, the currency of ``fee`` not named."""

    id: Any = None
    ordertxid: Any = None
    pair: Any = None
    time: Any = None
    type: Any = None
    price: Any = None
    cost: Any = None
    fee: Any = None
    vol: Any = None
    maker: Any = None


class Entry(Struct, gc=False):
    """One of ``Ledgers``: the balance changes by ``amount - fee``."""

    id: Any = None
    refid: Any = None
    time: Any = None
    type: Any = None
    subtype: Any = None
    asset: Any = None
    amount: Any = None
    fee: Any = None


class Order(Struct, gc=False):
    """One of ``OpenOrders`` and ``ClosedOrders``: ``price`` is the average of what is filled."""

    id: Any = None
    status: Any = None
    opentm: Any = None
    closetm: Any = None
    descr: Any = None
    vol: Any = None
    vol_exec: Any = None
    cost: Any = None
    fee: Any = None
    price: Any = None
    oflags: Any = None


class Balance(Struct):
    """One of ``BalanceEx``."""

    id: Any = None
    balance: Any = None
    hold_trade: Any = None
    credit: Any = None
    credit_used: Any = None


class Fees(Struct):
    """One pair of ``TradeVolume``: the account's rates, in percent."""

    id: Any = None
    taker: Any = None
    maker: Any = None
