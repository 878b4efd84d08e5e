"""Binance in the common behaviour suite; source: "Binance Spot API" and "Wallet"."""

from typing import Any

from connectors import Connector, StreamId, Window
from connectors.http import Request
from tests.connectors.cases import Case, fetch, numbered, post, snapshot

MARKET = StreamId("binance", "trades", "BTC-USD")
TRANSACTIONS = fetch("account_transactions")
"""One page of several lists."""


def fiat(connector: Connector, order_id: int) -> Any:
    """A list that is read whole."""
    stream = StreamId("binance", "account_transactions", "fiat-deposits", "main")
    return connector.page(stream, None)


def older(connector: Connector, order_id: int) -> Any:
    """Ask for trades from an id on, which is another call than that for the newest."""
    return connector.fetch(MARKET, Window(1))


def own(dataset: str) -> Any:
    """Ask for the newest rows of account ``main`` in a market."""
    stream = StreamId("binance", dataset, "BTC-USD", "main")
    return lambda connector, order_id: connector.fetch(stream, Window())


def get(path: str) -> Request:
    """A signed GET: verbs say nothing of what a call does."""
    return Request("GET", path, private=True)


CASE = Case(
    base_url="https://api.binance.com",
    reads={
        "GET /api/v3/time": snapshot("balances"),
        "GET /api/v3/exchangeInfo": snapshot("markets"),
        "GET /api/v3/trades": fetch("trades", "BTC-USD"),
        "GET /api/v3/historicalTrades": older,
        "GET /api/v3/klines": fetch("candles", "BTC-USD", "1h"),
        "GET /api/v3/ticker/24hr": snapshot("tickers", "BTC-USD", "ETH-USD"),
        "GET /api/v3/depth": snapshot("order_books", "BTC-USD"),
        "GET /api/v3/account": snapshot("balances"),
        "GET /api/v3/myTrades": own("account_trades"),
        "GET /api/v3/allOrders": own("account_orders"),
        "GET /sapi/v1/asset/tradeFee": snapshot("trading_fees"),
        "GET /sapi/v1/capital/deposit/hisrec": TRANSACTIONS,
        "GET /sapi/v1/capital/withdraw/history": TRANSACTIONS,
        "GET /sapi/v1/asset/assetDividend": TRANSACTIONS,
        "GET /sapi/v1/asset/dribblet": TRANSACTIONS,
        "GET /sapi/v1/convert/tradeFlow": TRANSACTIONS,
        "GET /sapi/v1/fiat/payments": TRANSACTIONS,
        "GET /sapi/v1/fiat/orders": fiat,
    },
    moves=[
        post("/api/v3/order", "symbol=BTCUSD&side=BUY&type=MARKET&quantity=1"),
        post("/api/v3/order/test"),
        post("/api/v3/order/cancelReplace"),
        post("/api/v3/order/oco"),
        post("/api/v3/orderList/oco"),
        post("/api/v3/orderList/oto"),
        post("/api/v3/orderList/otoco"),
        post("/api/v3/sor/order"),
        Request("PUT", "/api/v3/order/amend/keepPriority", private=True),
        Request("DELETE", "/api/v3/order", private=True),
        Request("DELETE", "/api/v3/openOrders", private=True),
        Request("DELETE", "/api/v3/orderList", private=True),
        post("/api/v3/userDataStream"),
        post("/sapi/v1/capital/withdraw/apply"),
        post("/sapi/v1/asset/transfer"),
        post("/sapi/v1/asset/dust"),
        post("/sapi/v1/asset/dust-btc"),
        post("/sapi/v1/convert/getQuote"),
        post("/sapi/v1/convert/acceptQuote"),
        post("/sapi/v1/localentity/withdraw/apply"),
        post("/sapi/v1/sub-account/universalTransfer"),
        post("/sapi/v1/account/disableFastWithdrawSwitch"),
        post("/sapi/v1/account/enableFastWithdrawSwitch"),
        get("/api/v3/order"),
        get("/sapi/v1/capital/withdraw/apply"),
        get("/sapi/v1/capital/deposit/address"),
        get("/api/v3/myTrades/../order"),
        get("/api/v1/historicalTrades"),
    ],
    no_trades=b"[]",
    no_fills=b"[]",
    numbers=lambda style: {"binance_numbers": style},
    lacks=frozenset({"currencies", "public_orders"}),
    amounts={"trades": "qty", "account_trades": "qty", "account_orders": "origQty"},
    clock="/api/v3/time",
    trade_id=numbered,
    odd_markets=b'{"symbols":[{"symbol":"BTCUSD","baseAsset":"BTC","quoteAsset":"USD",'
    b'"status":"TRADING","filters":[{"filterType":"LOT_SIZE","minQty":"a lot"}]},'
    b'{"symbol":"ETHUSD","baseAsset":"ETH","quoteAsset":"USD","status":"TRADING",'
    b'"filters":[{"filterType":"LOT_SIZE","minQty":"1"}]}]}',
)
