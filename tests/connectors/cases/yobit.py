"""YoBit in the common behaviour suite; source: yobit.net/en/api."""

from connectors import StreamId, Window
from tests.connectors.cases import Case, fetch, post, snapshot

ORDERS = StreamId("yobit", "account_orders", "BTC-USD", "main")


def fills(connector: object, order_id: int) -> object:
    """Fills are asked for market by market."""
    stream = StreamId("yobit", "account_trades", "BTC-USD", "main")
    return connector.fetch(stream, Window())  # type: ignore[attr-defined]


CASE = Case(
    base_url="https://yobit.net",
    reads={
        "GET /api/3/info": snapshot("markets"),
        "GET /api/3/ticker/btc_usd-eth_usd": snapshot("tickers", "BTC-USD", "ETH-USD"),
        "GET /api/3/depth/btc_usd-eth_usd": snapshot("order_books", "BTC-USD", "ETH-USD"),
        "GET /api/3/trades/btc_usd": fetch("trades", "BTC-USD"),
        "POST /tapi/ getInfo": snapshot("balances"),
        "POST /tapi/ ActiveOrders": lambda connector, order_id: connector.open_rows(ORDERS),
        "POST /tapi/ OrderInfo": lambda connector, order_id: connector.lookup(ORDERS, order_id),
        "POST /tapi/ TradeHistory": fills,
    },
    moves=[
        post("/tapi/", "method=Trade&pair=btc_usd&type=sell&rate=1&amount=1&nonce=1"),
        post("/tapi/", "method=CancelOrder&order_id=343154&nonce=1"),
        post("/tapi/", "method=WithdrawCoinsToAddress&coinName=BTC&amount=1&address=1B&nonce=1"),
        post("/tapi/", "method=CreateYobicode&currency=BTC&amount=0.1&nonce=1"),
        post("/tapi/", "method=RedeemYobicode&coupon=YOBIT&nonce=1"),
        post("/tapi/", "method=GetDepositAddress&coinName=BTC&need_new=1&nonce=1"),
        post("/tapi/", "method=TransHistory&nonce=1"),
    ],
    posts=("POST /tapi/ (getInfo|ActiveOrders|OrderInfo|TradeHistory)",),
    odd_markets=b'{"pairs":{"btc_usd":{"min_amount":NaN},"eth_usd":{"min_amount":1}}}',
    no_trades=b"{}",
    no_fills=b'{"success":true,"return":[]}',
    numbers=lambda style: {"wex_numbers": style},
    empties=[{"wex_empty": empty} for empty in ("error", "object", "array")],
    lacks=frozenset({"account_transactions", "currencies", "public_orders", "trading_fees"}),
)
