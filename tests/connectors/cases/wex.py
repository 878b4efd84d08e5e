"""WEX in the common behaviour suite; source: "Trade API v1", and public API v3."""

from connectors import StreamId
from tests.connectors.cases import Case, fetch, post, snapshot

ORDERS = StreamId("wex", "account_orders", account="main")

CASE = Case(
    base_url="https://wex.link",
    reads={
        "GET /api/3/info": snapshot("markets"),
        "GET /api/3/ticker/btc_usd-eth_usd": snapshot("tickers", "BTC-USD", "ETH-USD"),
        "GET /api/3/depth/btc_usd-eth_usd": snapshot("order_books", "BTC-USD", "ETH-USD"),
        "GET /api/3/trades/btc_usd": fetch("trades", "BTC-USD"),
        "POST /tapi getInfo": snapshot("balances"),
        "POST /tapi ActiveOrders": lambda connector, order_id: connector.open_rows(ORDERS),
        "POST /tapi OrderInfo": lambda connector, order_id: connector.lookup(ORDERS, order_id),
        "POST /tapi TradeHistory": fetch("account_trades"),
        "POST /tapi TransHistory": fetch("account_transactions"),
        "POST /tapi CoinDepositAddress": lambda connector, order_id: connector.address("BTC"),
    },
    moves=[
        post("/tapi", "method=Trade&pair=btc_usd&type=sell&rate=1&amount=1&nonce=1"),
        post("/tapi", "method=CancelOrder&order_id=343154&nonce=1"),
        post("/tapi", "method=CancelOrders&order_id=1300,1301&nonce=1"),
        post("/tapi", "method=WithdrawCoin&coinName=BTC&amount=0.31&address=1BAR&nonce=1"),
        post("/tapi", "method=CreateCoupon&coinName=BTC&amount=0.11&receiver=admin&nonce=1"),
        post("/tapi", "method=RedeemCoupon&coupon=WEXUSD&nonce=1"),
    ],
    posts=(
        "POST /tapi (getInfo|ActiveOrders|OrderInfo|TradeHistory|TransHistory|CoinDepositAddress)",
    ),
    odd_markets=b'{"pairs":{"btc_usd":{"min_amount":NaN},"eth_usd":{"min_amount":1}}}',
    no_trades=b"{}",
    no_fills=b'{"success":true,"return":[]}',
    numbers=lambda style: {"wex_numbers": style},
    empties=[{"wex_empty": empty} for empty in ("error", "object", "array")],
    lacks=frozenset({"currencies", "public_orders", "trading_fees"}),
)
