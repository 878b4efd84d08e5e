"""Binance's rows as they come, under the names that they come with.

Any field may be missing, null, text or number: parse.py decides. Numbers that are not integers
arrive as their text (see :func:`connectors.jsontext.decode`).
"""

from typing import Any

import msgspec
from msgspec import Struct


def _row(name: str, fields: str, *, array_like: bool = False) -> Any:
    """A struct of ``fields``, each None where it does not come; others are not read."""
    declared = [(field, Any, None) for field in fields.split()]
    return msgspec.defstruct(name, declared, module=__name__, gc=False, array_like=array_like)


PublicTrade = _row("PublicTrade", "id price qty time isBuyerMaker")
"""``trades`` and ``historicalTrades``; their ``quoteQty`` is cut to 8 decimals."""

Candle = _row("Candle", "time open high low close volume", array_like=True)
"""``klines``: an array."""

Ticker = _row(
    "Ticker",
    "symbol closeTime lastPrice bidPrice askPrice highPrice lowPrice volume quoteVolume "
    "priceChangePercent weightedAvgPrice",
)
"""``ticker/24hr``. ``closeTime``: the last change of this market, not now."""

Market = _row("Market", "symbol baseAsset quoteAsset status isSpotTradingAllowed filters")
"""One of ``exchangeInfo.symbols``. ``filters``: objects, each with its ``filterType``."""

AccountTrade = _row(
    "AccountTrade",
    "id symbol orderId price qty commission commissionAsset time isBuyer isMaker",
)
"""``myTrades``: no side, ``isBuyer`` is the account's own."""

Order = _row(
    "Order",
    "symbol orderId price origQty executedQty cummulativeQuoteQty status type side time updateTime",
)
"""``allOrders``. ``cummulativeQuoteQty`` below 0 is unknown."""

Balance = _row("Balance", "asset free locked")
"""One of ``account.balances``."""

Fee = _row("Fee", "symbol makerCommission takerCommission")
"""One of ``asset/tradeFee``: fractions."""

Deposit = _row("Deposit", "id coin amount status txId insertTime")
"""One of ``capital/deposit/hisrec``."""

Withdrawal = _row("Withdrawal", "id coin amount transactionFee status txId applyTime")
"""One of ``capital/withdraw/history``; ``applyTime`` is text in UTC."""

Dividend = _row("Dividend", "id tranId asset amount divTime enInfo")
"""One of ``asset/assetDividend``: rewards, interest, distributions."""

Clock = _row("Clock", "serverTime")
"""``time``."""

Refusal = _row("Refusal", "code msg")
"""Every refusal in JSON."""


class Depth(Struct):
    """``depth``: each level an array of price and amount."""

    asks: msgspec.Raw
    bids: msgspec.Raw


class Listing(Struct):
    """``exchangeInfo``."""

    symbols: msgspec.Raw


class Account(Struct):
    """``account``."""

    balances: msgspec.Raw


class Dividends(Struct):
    """``asset/assetDividend``."""

    rows: msgspec.Raw
