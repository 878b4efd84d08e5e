"""BitexBit in the common behaviour suite; source: "API Docs v2"."""

from connectors import StreamId
from tests.connectors.cases import Case, fetch, post, snapshot

CASE = Case(
    base_url="https://bitexbit.com",
    reads={
        "GET /api/v2/public/currencies": snapshot("currencies"),
        "GET /api/v2/public/currency/BTC": snapshot("currencies", "BTC"),
        "GET /api/v2/public/pairs": snapshot("markets"),
        "GET /api/v2/public/pairs/BTC_USD": snapshot("markets", "BTC-USD"),
        "GET /api/v2/public/ohlcv": fetch("candles", "BTC-USD", "1h"),
        "GET /api/v2/public/tickers": snapshot("tickers", "BTC-USD", "ETH-USD"),
        "GET /api/v2/public/depth": snapshot("order_books", "BTC-USD"),
        "GET /api/v2/public/orders": fetch("public_orders", "BTC-USD"),
        "GET /api/v2/public/trades": fetch("trades", "BTC-USD"),
        "GET /api/v2/private/orders": fetch("account_orders"),
        "GET /api/v2/private/trades": fetch("account_trades"),
        "GET /api/v2/private/balance": snapshot("balances"),
        "GET /api/v2/private/trading-fees": snapshot("trading_fees"),
        "GET /api/v2/private/transfers": lambda connector, order_id: connector.page(
            StreamId("bitexbit", "account_transactions", account="main"), None
        ),
    },
    moves=[
        post("/api/v2/private/order/create"),
        post("/api/v2/private/order/33852806/cancel"),
        post("/api/v2/private/coupon/create"),
        post("/api/v2/private/coupon/redeem"),
    ],
    odd_markets=b'[{"symbol":"BTC_USD","base":"BTC","quote":"USD","min_amount":"a lot"},'
    b'{"symbol":"ETH_USD","base":"ETH","quote":"USD","min_amount":"1"}]',
    no_trades=b"[]",
    no_fills=b"[]",
    numbers=lambda style: {"numbers": style, "dates": "s", "private_dates": "s"},
)
