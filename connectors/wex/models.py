"""WEX's rows as they come. Any field may be missing, null, text or number: parse.py decides.

Rows of private calls and of tickers are members of an object; the member's key is kept in ``id`` or
``symbol``. Numbers that are not integers arrive as their text.
"""

from typing import Any

import msgspec
from msgspec import Struct


class Envelope(Struct, rename={"result": "return"}):
    """What wraps every answer of ``/tapi``, and every error of the public API."""

    success: Any = None
    error: Any = None
    result: msgspec.Raw = msgspec.Raw(b"")


class Trade(Struct, gc=False):
    """One of ``/api/3/trades``: ``type`` ask is a taker's sale, bid a taker's purchase."""

    tid: Any = None
    type: Any = None
    price: Any = None
    amount: Any = None
    timestamp: Any = None


class Ticker(Struct):
    """One of ``/api/3/ticker``; ``vol_cur`` is in base. Which of ``buy`` and ``sell`` is the bid
    differs by exchange.
    """

    symbol: Any = None
    high: Any = None
    low: Any = None
    avg: Any = None
    vol: Any = None
    vol_cur: Any = None
    last: Any = None
    buy: Any = None
    sell: Any = None
    updated: Any = None


class AccountTrade(Struct, gc=False):
    """One of ``TradeHistory``: ``type`` is the account's own side."""

    id: Any = None
    pair: Any = None
    type: Any = None
    amount: Any = None
    rate: Any = None
    order_id: Any = None
    is_your_order: Any = None
    timestamp: Any = None


class Transaction(Struct, gc=False):
    """One of ``TransHistory``."""

    id: Any = None
    type: Any = None
    amount: Any = None
    currency: Any = None
    desc: Any = None
    status: Any = None
    timestamp: Any = None


class Market(Struct):
    """One pair of ``/api/3/info``; ``fee`` is in percent. Only YoBit has ``min_total``."""

    symbol: Any = None
    decimal_places: Any = None
    min_price: Any = None
    max_price: Any = None
    min_amount: Any = None
    min_total: Any = None
    hidden: Any = None
    fee: Any = None


class Depth(Struct):
    """One pair of ``/api/3/depth``: each level an array of price and amount."""

    asks: msgspec.Raw = msgspec.Raw(b"[]")
    bids: msgspec.Raw = msgspec.Raw(b"[]")


class Order(Struct, gc=False):
    """One of ``OrderInfo``: ``amount`` is what remains. ``ActiveOrders`` lacks ``start_amount``."""

    id: Any = None
    pair: Any = None
    type: Any = None
    start_amount: Any = None
    amount: Any = None
    rate: Any = None
    timestamp_created: Any = None
    status: Any = None


class Account(Struct):
    """``getInfo``: what is available of each currency, and what the key may do.

    Only YoBit has ``funds_incl_orders``: what is held, with what open orders hold back.
    """

    funds: msgspec.Raw
    funds_incl_orders: msgspec.Raw = msgspec.Raw(b"{}")
    rights: Any = None


class Address(Struct):
    """``CoinDepositAddress``."""

    address: Any = None
