"""Coinbase Exchange in the common behaviour suite; source: its REST documentation."""

from connectors import StreamId, Window
from connectors.http import Request
from sandbox.coinbase.shape import uuid
from tests.connectors.cases import Case, fetch, numbered, post, snapshot


def fills(connector: object, order_id: int) -> object:
    """Fills are asked for market by market."""
    stream = StreamId("coinbase", "account_trades", "BTC-USD", "main")
    return connector.fetch(stream, Window())  # type: ignore[attr-defined]


def ledger(connector: object, order_id: int) -> object:
    """Of one currency, whose account the list of balances names."""
    connector.snapshot("balances", ())  # type: ignore[attr-defined]
    stream = StreamId("coinbase", "account_transactions", "USD", "main")
    return connector.page(stream, None)  # type: ignore[attr-defined]


CASE = Case(
    base_url="https://api.exchange.coinbase.com",
    reads={
        "GET /time": snapshot("balances"),
        "GET /products": snapshot("markets"),
        "GET /currencies": snapshot("currencies"),
        "GET /products/BTC-USD/trades": fetch("trades", "BTC-USD"),
        "GET /products/BTC-USD/candles": fetch("candles", "BTC-USD", "1h"),
        "GET /products/BTC-USD/ticker": snapshot("tickers", "BTC-USD"),
        "GET /products/BTC-USD/book": snapshot("order_books", "BTC-USD"),
        "GET /fills": fills,
        "GET /orders": fetch("account_orders"),
        "GET /transfers": fetch("account_transactions"),
        "GET /accounts": snapshot("balances"),
        f"GET /accounts/{uuid(1, 2)}/ledger": ledger,
        "GET /fees": snapshot("trading_fees"),
    },
    moves=[
        post("/orders"),
        Request("DELETE", "/orders"),
        Request("DELETE", "/orders/d50ec984-77a8-460a-b958-66f114b0de9b"),
        Request("DELETE", "/orders/client:d50ec984-77a8-460a-b958-66f114b0de9b"),
        post("/conversions"),
        post("/deposits/coinbase-account"),
        post("/deposits/payment-method"),
        post("/withdrawals/coinbase-account"),
        post("/withdrawals/crypto"),
        post("/withdrawals/payment-method"),
        post("/coinbase-accounts/95671473/addresses"),
        post("/address-book"),
        Request("DELETE", "/address-book/6c8bbbfc"),
        post("/profiles"),
        post("/profiles/transfer"),
        Request("PUT", "/profiles/86602c68"),
        Request("PUT", "/profiles/86602c68/deactivate"),
        post("/reports"),
        post("/travel-rules"),
        Request("DELETE", "/travel-rules/6c8bbbfc"),
        post("/users/7060bfc4/settlement-preferences"),
        post("/wrapped-assets/redeem"),
        post("/wrapped-assets/stake-wrap"),
        post("/loans/open"),
        post("/loans/repay-interest"),
        post("/loans/repay-principal"),
        Request("GET", "/products/BTC-USD/../../orders"),
        Request("GET", "/withdrawals/fee-estimate"),
        Request("GET", "/conversions/6c8bbbfc"),
    ],
    no_trades=b"[]",
    no_fills=b"[]",
    numbers=lambda style: {"cb_numbers": style},
    lacks=frozenset({"public_orders"}),
    amounts=dict.fromkeys(("trades", "account_trades", "account_orders"), "size"),
    clock="/time",
    trade_id=numbered,
    odd_markets=b'[{"id":"BTC-USD","base_currency":"BTC","quote_currency":"USD",'
    b'"status":"online","base_min_size":"a lot"},{"id":"ETH-USD","base_currency":"ETH",'
    b'"quote_currency":"USD","status":"online","base_min_size":"1"}]',
)
