"""OKX through ccxt in the common behaviour suite; source: OKX's API documentation (v5)."""

from connectors import StreamId, Window
from connectors.http import Request
from tests.connectors.cases import Case, fetch, numbered, post, snapshot

API = "/api/v5"

MOVES = (
    "trade/order",
    "trade/batch-orders",
    "trade/cancel-order",
    "trade/cancel-batch-orders",
    "trade/amend-order",
    "trade/close-position",
    "trade/order-algo",
    "trade/cancel-algos",
    "trade/easy-convert",
    "trade/one-click-repay",
    "trade/mass-cancel",
    "trade/fills-archive",
    "asset/transfer",
    "asset/withdrawal",
    "asset/withdrawal-lightning",
    "asset/cancel-withdrawal",
    "asset/convert/trade",
    "asset/purchase_redempt",
    "account/bills-history-archive",
    "account/borrow-repay",
    "account/spot-manual-borrow-repay",
    "account/set-leverage",
    "account/set-account-level",
    "users/subaccount/apikey",
    "users/subaccount/modify-apikey",
    "asset/subaccount/transfer",
    "trade/fills-history",
    "account/balance",
)

OLD = Window(lower=1_767_830_400_000_000, upper=1_767_916_800_000_000)
"""The 8th of January 2026: more than 1,440 minutes ago."""


def old_candles(connector: object, order_id: int) -> object:
    """Candles that are no longer in the list of new ones."""
    stream = StreamId("ccxt:okx", "candles", "BTC-USD", timeframe="1m")
    return connector.fetch(stream, OLD)  # type: ignore[attr-defined]


CASE = Case(
    base_url="https://www.okx.com",
    reads={
        f"GET {API}/public/time": snapshot("balances"),
        f"GET {API}/public/instruments": snapshot("markets"),
        f"GET {API}/market/history-trades": fetch("trades", "BTC-USD"),
        f"GET {API}/market/candles": fetch("candles", "BTC-USD", "1h"),
        f"GET {API}/market/history-candles": old_candles,
        f"GET {API}/market/tickers": snapshot("tickers", "BTC-USD"),
        f"GET {API}/market/books": snapshot("order_books", "BTC-USD"),
        f"GET {API}/trade/fills-history": fetch("account_trades"),
        f"GET {API}/trade/orders-history-archive": fetch("account_orders"),
        f"GET {API}/trade/orders-pending": fetch("account_orders"),
        f"GET {API}/asset/deposit-history": fetch("account_transactions"),
        f"GET {API}/asset/withdrawal-history": fetch("account_transactions"),
        f"GET {API}/asset/bills-history": fetch("account_transactions"),
        f"GET {API}/account/bills-archive": fetch("account_transactions"),
        f"GET {API}/account/balance": snapshot("balances"),
        f"GET {API}/asset/balances": snapshot("balances"),
        f"GET {API}/account/config": snapshot("balances"),
        f"GET {API}/account/trade-fee": snapshot("trading_fees"),
    },
    moves=[
        *(post(f"{API}/{name}", '{"amt":"1","ccy":"BTC"}') for name in MOVES),
        Request("GET", f"{API}/asset/deposit-address"),
        Request("GET", f"{API}/trade/order"),
        Request("GET", f"{API}/asset/withdrawal"),
        Request("GET", f"{API}/account/bills-archive/../../asset/withdrawal"),
        Request("DELETE", f"{API}/trade/orders-pending"),
    ],
    no_trades=b'{"code":"0","msg":"","data":[]}',
    no_fills=b'{"code":"0","msg":"","data":[]}',
    numbers=lambda style: {"okx_numbers": style},
    lacks=frozenset({"public_orders", "currencies"}),
    amounts={
        "trades": "sz",
        "account_trades": "fillSz",
        "account_orders": "sz",
        "account_transactions": "amt",
    },
    clock="/api/v5/public/time",
    trade_id=numbered,
    odd_markets=b'{"code":"0","msg":"","data":[{"instId":"BTC-USD","baseCcy":"BTC",'
    b'"quoteCcy":"USD","state":"live","minSz":"a lot"},{"instId":"ETH-USD","baseCcy":"ETH",'
    b'"quoteCcy":"USD","state":"live","minSz":"1"}]}',
)
