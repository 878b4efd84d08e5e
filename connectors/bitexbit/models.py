"""BitexBit's rows as they come. Any field may be missing, null, text or number: parse.py decides.

Numbers that are not integers arrive as their text (see :func:`connectors.jsontext.decode`).
"""

from typing import Any

import msgspec
from msgspec import Struct


class Trade(Struct, gc=False):
    """``/public/trades``; ``date`` in milliseconds, ``type`` is the taker's side."""

    id: Any = None
    date: Any = None
    symbol: Any = None
    price: Any = None
    amount: Any = None
    type: Any = None


class Candle(Struct, array_like=True, gc=False):
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


class AccountTrade(Struct, gc=False):
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


class Transfer(Struct, gc=False):
    """``/private/transfers``: ``currency`` and ``status`` are objects; the document has no id."""

    id: Any = None
    txid: Any = None
    date: Any = None
    amount: Any = None
    currency: Any = None
    status: Any = None
    is_outgoing: Any = None


class Market(Struct):
    """``/public/pairs``; a pair without ``is_enabled`` is enabled."""

    symbol: Any = None
    base: Any = None
    quote: Any = None
    price_precision: Any = None
    amount_precision: Any = None
    min_amount: Any = None
    max_amount: Any = None
    min_value: Any = None
    is_enabled: Any = True


class Currency(Struct):
    """``/public/currencies``."""

    code: Any = None
    name: Any = None
    precision: Any = None
    is_enabled: Any = None


class Order(Struct, gc=False):
    """``/public/orders`` and ``/private/orders`` (which alone has ``fee_filled``)."""

    id: Any = None
    date: Any = None
    type: Any = None
    symbol: Any = None
    price: Any = None
    amount: Any = None
    amount_unfilled: Any = None
    amount_filled: Any = None
    value_filled: Any = None
    fee_filled: Any = None
    price_avg: Any = None
    done_at: Any = None
    state: Any = None


class Depth(Struct):
    """``/public/depth``: each level an array of price and amount."""

    asks: msgspec.Raw
    bids: msgspec.Raw
    symbol: Any = None


class Balance(Struct):
    """``/private/balance``: ``symbol`` is a currency."""

    symbol: Any = None
    available: Any = None
    reserved: Any = None


class Fees(Struct):
    """``/private/trading-fees``: the account's rates, and in ``pair_fee_rates`` those of pairs.

    The example names the rates by side, the text by role. The text explains them one way for the
    account and the other way for a pair (see ``parse_account``).
    """

    symbol: Any = None
    buy_fee_rate: Any = None
    sell_fee_rate: Any = None
    maker_fee_rate: Any = None
    taker_fee_rate: Any = None
