"""Bitstamp in the common behaviour suite; source: "Bitstamp HTTP API" (v2)."""

from connectors import StreamId
from connectors.http import Request
from tests.connectors.cases import Ask, Case, fetch, post, snapshot

API = "/api/v2"
ORDERS = StreamId("bitstamp", "account_orders", account="main")


def page(dataset: str) -> Ask:
    """Ask for the first page of the account's history."""
    stream = StreamId("bitstamp", dataset, account="main")
    return lambda connector, order_id: connector.page(stream, None)


MOVES = (
    "buy/btcusd/",
    "buy/market/btcusd/",
    "buy/instant/btcusd/",
    "sell/btcusd/",
    "sell/market/btcusd/",
    "sell/instant/btcusd/",
    "replace_order/",
    "cancel_order/",
    "cancel_all_orders/",
    "cancel_all_orders/btcusd/",
    "btc_withdrawal/",
    "eth_withdrawal/",
    "ripple_withdrawal/",
    "withdrawal/open/",
    "withdrawal/cancel/",
    "ripple_address/",
    "btc_address/",
    "transfer-to-main/",
    "transfer-from-main/",
    "instant_convert_address/new/",
    "liquidation_address/new/",
    "earn/subscribe/",
    "earn/unsubscribe/",
    "earn/subscriptions/setting/",
    "websockets_token/",
    "revoke_all_api_keys/",
    "margin_info/",
    "leverage_settings/",
    "close_position/",
    "close_positions/",
    "adjust_position_collateral/",
    "get_max_order_amount/",
    "contact_info/set/",
    "btc_unconfirmed_deposits/",
    "crypto-transactions/",
    "withdrawal-requests/",
    "balance/",
    "open_orders/btcusd/",
    "user_transactions/../buy/btcusd/",
)

CASE = Case(
    base_url="https://www.bitstamp.net",
    reads={
        f"GET {API}/markets/": snapshot("markets"),
        f"GET {API}/currencies/": snapshot("currencies"),
        f"GET {API}/transactions/btcusd/": fetch("trades", "BTC-USD"),
        f"GET {API}/ohlc/btcusd/": fetch("candles", "BTC-USD", "1h"),
        f"GET {API}/ticker/btcusd/": snapshot("tickers", "BTC-USD"),
        f"GET {API}/order_book/btcusd/": snapshot("order_books", "BTC-USD"),
        f"POST {API}/user_transactions/": page("account_trades"),
        f"POST {API}/open_orders/all/": lambda connector, order_id: connector.open_rows(ORDERS),
        f"POST {API}/order_status/": lambda connector, order_id: connector.lookup(ORDERS, order_id),
        f"POST {API}/account_balances/": snapshot("balances"),
        f"POST {API}/fees/trading/": snapshot("trading_fees"),
    },
    moves=[
        *(post(f"{API}/{name}", "amount=1&price=1") for name in MOVES),
        Request("GET", f"{API}/withdrawal-requests/"),
        Request("GET", f"{API}/btc_address/"),
        Request("DELETE", f"{API}/order_status/"),
        Request("GET", f"{API}/user_transactions/"),
    ],
    posts=(
        "POST /api/v2/(user_transactions|account_balances|fees/trading|open_orders/all|"
        "order_status)/",
    ),
    odd_markets=b'[{"market_symbol":"btcusd","name":"BTC/USD","minimum_order_value":"a lot"},'
    b'{"url_symbol":"ethusd","name":"ETH/USD","minimum_order":"1 USD"}]',
    no_trades=b"[]",
    no_fills=b"[]",
    numbers=lambda style: {"bs_numbers": style},
    lacks=frozenset({"public_orders"}),
    amounts={"candles": "volume"},
    odd_figure="min_value",
    trade_id=lambda tape, at: tape.ids[at] * 1000,
)
