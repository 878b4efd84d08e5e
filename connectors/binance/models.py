"""Binance's rows as they come, under the names that they come with.

Any field may be missing, null, text or number: parse.py decides. Numbers that are not integers
arrive as their text (see :func:`connectors.jsontext.decode`).
"""

from typing import Any

import msgspec
from msgspec import Struct

from connectors.jsontext import row_type

PublicTrade = row_type("PublicTrade", "id price qty time isBuyerMaker")
"""``trades`` and ``historicalTrades``; their ``quoteQty`` is cut to 8 decimals."""

Candle = row_type("Candle", "time open high low close volume", array_like=True)
"""``klines``: an array."""

Ticker = row_type(
    "Ticker",
    "symbol closeTime lastPrice bidPrice askPrice highPrice lowPrice volume quoteVolume "
    "priceChangePercent weightedAvgPrice",
)
"""``ticker/24hr``. ``closeTime``: the last change of this market, not now."""

Market = row_type("Market", "symbol baseAsset quoteAsset status isSpotTradingAllowed filters")
"""One of ``exchangeInfo.symbols``. ``filters``: objects, each with its ``filterType``."""

AccountTrade = row_type(
    "AccountTrade",
    "id symbol orderId price qty commission commissionAsset time isBuyer isMaker",
)
"""``myTrades``: no side, ``isBuyer`` is the account's own."""

Order = row_type(
    "Order",
    "symbol orderId price origQty executedQty cummulativeQuoteQty status type side time updateTime",
)
"""``allOrders``. ``cummulativeQuoteQty`` below 0 is unknown."""

Balance = row_type("Balance", "asset free locked")
"""One of ``account.balances``."""

Fee = row_type("Fee", "symbol makerCommission takerCommission")
"""One of ``asset/tradeFee``: fractions."""

Deposit = row_type("Deposit", "id coin amount status txId insertTime")
"""One of ``capital/deposit/hisrec``."""

Withdrawal = row_type("Withdrawal", "id coin amount transactionFee status txId applyTime")
"""One of ``capital/withdraw/history``; ``applyTime`` is text in UTC."""

Dividend = row_type("Dividend", "id tranId asset amount divTime enInfo")
"""One of ``asset/assetDividend``: rewards, interest, distributions."""

Conversion = row_type(
    "Conversion", "orderId orderStatus fromAsset fromAmount toAsset toAmount createTime"
)
"""One of ``convert/tradeFlow``."""

Dust = row_type(
    "Dust",
    "transId tran_id operateTime operate_time targetAsset userAssetDribbletDetails logs",
)
"""One operation of ``asset/dribblet``, in its present form or an older one; details are objects."""

DustDetail = row_type("DustDetail", "fromAsset amount transferedAmount operateTime")
"""A balance that became BNB; ``transferedAmount`` is what arrived."""

FiatOrder = row_type(
    "FiatOrder", "orderNo fiatCurrency amount totalFee method status createTime updateTime"
)
"""One of ``fiat/orders``."""

Payment = row_type(
    "Payment",
    "orderNo sourceAmount fiatCurrency obtainAmount cryptoCurrency price paymentMethod status "
    "createTime",
)
"""One of ``fiat/payments``."""

RateLimit = row_type("RateLimit", "rateLimitType interval intervalNum limit")
"""One of ``exchangeInfo.rateLimits``."""

Clock = row_type("Clock", "serverTime")
"""``time``."""

Refusal = row_type("Refusal", "code msg")
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
    total: Any = None


class Conversions(Struct):
    """``convert/tradeFlow``."""

    list: msgspec.Raw
    moreData: Any = None


class Dribblets(Struct):
    """``asset/dribblet`` in one of its forms; an older one lies in ``results``."""

    userAssetDribblets: msgspec.Raw = msgspec.Raw()
    dribblets: msgspec.Raw = msgspec.Raw()
    rows: msgspec.Raw = msgspec.Raw()
    results: msgspec.Raw = msgspec.Raw()
    total: Any = None


class Fiat(Struct):
    """``fiat/orders`` and ``fiat/payments``; of nothing, ``data`` may be missing."""

    data: msgspec.Raw = msgspec.Raw()
    total: Any = None
    code: Any = None
    success: Any = None
