"""Coinbase's rows as they come. Any field may be missing, null, text or number: parse.py decides.

Numbers that are not integers arrive as their text (see :func:`connectors.jsontext.decode`).
"""

from typing import Any

import msgspec
from msgspec import Struct


class Trade(Struct, gc=False):
    """``/products/<id>/trades``: ``side`` is the MAKER's; the answer does not name the market."""

    time: Any = None
    trade_id: Any = None
    price: Any = None
    size: Any = None
    side: Any = None


class Candle(Struct, array_like=True, gc=False):
    """``/products/<id>/candles``: low before high, open third; the time is in seconds."""

    time: Any = None
    low: Any = None
    high: Any = None
    open: Any = None
    close: Any = None
    volume: Any = None


class Ticker(Struct):
    """``/products/<id>/ticker``: ``time`` is that of the last trade."""

    time: Any = None
    price: Any = None
    bid: Any = None
    ask: Any = None
    volume: Any = None


class Book(Struct):
    """``/products/<id>/book``: each level an array of price, size and number of orders."""

    asks: msgspec.Raw
    bids: msgspec.Raw


class Product(Struct):
    """``/products``: increments are the steps of price and amount."""

    id: Any = None
    base_currency: Any = None
    quote_currency: Any = None
    quote_increment: Any = None
    base_increment: Any = None
    base_min_size: Any = None
    base_max_size: Any = None
    min_market_funds: Any = None
    status: Any = None
    trading_disabled: Any = None


class Currency(Struct):
    """``/currencies``: ``max_precision`` and ``min_size`` are steps."""

    id: Any = None
    name: Any = None
    min_size: Any = None
    max_precision: Any = None
    status: Any = None


class Fill(Struct, gc=False):
    """``/fills``: ``side`` is the account's own; ``trade_id`` is that of the public trade."""

    trade_id: Any = None
    product_id: Any = None
    order_id: Any = None
    created_at: Any = None
    side: Any = None
    price: Any = None
    size: Any = None
    fee: Any = None
    liquidity: Any = None
    settled: Any = None


class Order(Struct, gc=False):
    """``/orders``: a market order has no ``price``, and no ``size`` where it named funds."""

    id: Any = None
    product_id: Any = None
    created_at: Any = None
    side: Any = None
    type: Any = None
    price: Any = None
    size: Any = None
    filled_size: Any = None
    executed_value: Any = None
    fill_fees: Any = None
    status: Any = None
    done_at: Any = None
    done_reason: Any = None


class Transfer(Struct, gc=False):
    """``/transfers``: ``details`` differs by kind; three times say how far it has come."""

    id: Any = None
    type: Any = None
    created_at: Any = None
    amount: Any = None
    currency: Any = None
    details: Any = None
    completed_at: Any = None
    canceled_at: Any = None
    processed_at: Any = None


class Account(Struct):
    """``/accounts``: one currency of the key's profile."""

    currency: Any = None
    available: Any = None
    hold: Any = None


class Fees(Struct):
    """``/fees``: one pair of rates for all markets."""

    maker_fee_rate: Any = None
    taker_fee_rate: Any = None


class Clock(Struct):
    """``/time``: ``epoch`` is in seconds, with decimals."""

    epoch: Any = None


class Refusal(Struct):
    """Every error, whatever its status."""

    message: Any = None
