"""Binance's rows as they come. Any field may be missing, null, text or number: parse.py decides.

Numbers that are not integers arrive as their text (see :func:`connectors.jsontext.decode`).
"""

from typing import Any

import msgspec
from msgspec import Struct


class Trade(Struct, gc=False, rename={"is_buyer_maker": "isBuyerMaker"}):
    """``trades`` and ``historicalTrades``; ``quoteQty`` is cut to 8 decimals and not read."""

    id: Any = None
    price: Any = None
    qty: Any = None
    time: Any = None
    is_buyer_maker: Any = None


class Candle(Struct, array_like=True, gc=False):
    """``klines``: an array; what follows the volume is not read."""

    time: Any = None
    open: Any = None
    high: Any = None
    low: Any = None
    close: Any = None
    volume: Any = None


class Ticker(Struct, rename="camel"):
    """``ticker/24hr``. ``close_time``: the last change of this market, not now."""

    symbol: Any = None
    close_time: Any = None
    last_price: Any = None
    bid_price: Any = None
    ask_price: Any = None
    high_price: Any = None
    low_price: Any = None
    volume: Any = None
    quote_volume: Any = None
    price_change_percent: Any = None
    weighted_avg_price: Any = None


class Depth(Struct):
    """``depth``: each level an array of price and amount."""

    asks: msgspec.Raw
    bids: msgspec.Raw


class Listing(Struct):
    """``exchangeInfo``."""

    symbols: msgspec.Raw


class Market(Struct, rename="camel"):
    """One of ``exchangeInfo.symbols``. ``filters``: objects, each with its ``filterType``."""

    symbol: Any = None
    base_asset: Any = None
    quote_asset: Any = None
    status: Any = None
    is_spot_trading_allowed: Any = True
    filters: Any = None


class AccountTrade(Struct, gc=False, rename="camel"):
    """``myTrades``: no side, ``is_buyer`` is the account's own."""

    id: Any = None
    symbol: Any = None
    order_id: Any = None
    price: Any = None
    qty: Any = None
    commission: Any = None
    commission_asset: Any = None
    time: Any = None
    is_buyer: Any = None
    is_maker: Any = None


class Order(Struct, gc=False, rename="camel"):
    """``allOrders``. ``cummulative_quote_qty`` below 0 is unknown."""

    symbol: Any = None
    order_id: Any = None
    price: Any = None
    orig_qty: Any = None
    executed_qty: Any = None
    cummulative_quote_qty: Any = None
    status: Any = None
    type: Any = None
    side: Any = None
    time: Any = None
    update_time: Any = None


class Account(Struct):
    """``account``."""

    balances: msgspec.Raw


class Balance(Struct):
    """One of ``account.balances``."""

    asset: Any = None
    free: Any = None
    locked: Any = None


class Fee(Struct, rename="camel"):
    """One of ``asset/tradeFee``: fractions."""

    symbol: Any = None
    maker_commission: Any = None
    taker_commission: Any = None


class Deposit(Struct, gc=False, rename="camel"):
    """One of ``capital/deposit/hisrec``."""

    id: Any = None
    coin: Any = None
    amount: Any = None
    status: Any = None
    tx_id: Any = None
    insert_time: Any = None


class Withdrawal(Struct, gc=False, rename="camel"):
    """One of ``capital/withdraw/history``; ``apply_time`` is text in UTC."""

    id: Any = None
    coin: Any = None
    amount: Any = None
    transaction_fee: Any = None
    status: Any = None
    tx_id: Any = None
    apply_time: Any = None


class Dividends(Struct):
    """``asset/assetDividend``."""

    rows: msgspec.Raw


class Dividend(Struct, gc=False, rename="camel"):
    """One of ``asset/assetDividend``: rewards, interest, distributions."""

    id: Any = None
    tran_id: Any = None
    asset: Any = None
    amount: Any = None
    div_time: Any = None
    en_info: Any = None


class Clock(Struct, rename="camel"):
    """``time``."""

    server_time: Any = None


class Refusal(Struct):
    """Every refusal in JSON."""

    code: Any = None
    msg: Any = None
