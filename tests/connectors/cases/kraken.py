"""Kraken in the common behaviour suite; source: "Spot REST API"."""

from connectors import StreamId
from tests.connectors.cases import Ask, Case, fetch, post, snapshot

PRIVATE = "/0/private"
ORDER = "nonce=1&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
MOVES = {
    "AddOrder": ORDER,
    "AddOrderBatch": "nonce=1&pair=XBTUSD",
    "AmendOrder": "nonce=1&txid=O1&limit_price=1",
    "EditOrder": ORDER,
    "CancelOrder": "nonce=1&txid=O1",
    "CancelOrderBatch": "nonce=1",
    "CancelAll": "nonce=1",
    "CancelAllOrdersAfter": "nonce=1&timeout=60",
    "Withdraw": "nonce=1&asset=XBT&key=mine&amount=1",
    "WithdrawCancel": "nonce=1&asset=XBT&refid=A1",
    "WalletTransfer": "nonce=1&asset=XBT&amount=1&from=Spot+Wallet&to=Futures+Wallet",
    "AccountTransfer": "nonce=1&asset=XBT&amount=1",
    "CreateSubaccount": "nonce=1&username=a",
    "Earn/Allocate": "nonce=1&amount=1&strategy_id=S1",
    "Earn/Deallocate": "nonce=1&amount=1&strategy_id=S1",
    "Stake": "nonce=1&asset=XBT&amount=1&method=m",
    "Unstake": "nonce=1&asset=XBT&amount=1",
    "DepositAddresses": "nonce=1&asset=XBT&method=Bitcoin&new=true",
    "AddExport": "nonce=1&report=trades&description=x",
    "RemoveExport": "nonce=1&id=1&type=cancel",
    "RetrieveExport": "nonce=1&id=1",
    "GetWebSocketsToken": "nonce=1",
}


def page(dataset: str, token: str | None = None) -> Ask:
    """Ask for one page of the account's history."""

    def ask(connector: object, order_id: int) -> object:
        return connector.page(  # type: ignore[attr-defined]
            StreamId("kraken", dataset, account="main"), token
        )

    return ask


CASE = Case(
    base_url="https://api.kraken.com",
    reads={
        "GET /0/public/AssetPairs": snapshot("markets"),
        "GET /0/public/Assets": snapshot("currencies"),
        "GET /0/public/Trades": fetch("trades", "BTC-USD"),
        "GET /0/public/OHLC": fetch("candles", "BTC-USD", "1h"),
        "GET /0/public/Ticker": snapshot("tickers", "BTC-USD", "ETH-USD"),
        "GET /0/public/Depth": snapshot("order_books", "BTC-USD"),
        f"POST {PRIVATE}/TradesHistory": page("account_trades"),
        f"POST {PRIVATE}/Ledgers": page("account_transactions"),
        f"POST {PRIVATE}/DepositStatus": page("account_transactions"),
        f"POST {PRIVATE}/WithdrawStatus": page("account_transactions"),
        f"POST {PRIVATE}/OpenOrders": page("account_orders"),
        f"POST {PRIVATE}/ClosedOrders": page("account_orders", "0"),
        f"POST {PRIVATE}/BalanceEx": snapshot("balances"),
        f"POST {PRIVATE}/TradeVolume": snapshot("trading_fees"),
    },
    moves=[post(f"{PRIVATE}/{name}", form) for name, form in MOVES.items()],
    posts=(
        "POST /0/private/(BalanceEx|TradesHistory|OpenOrders|ClosedOrders|Ledgers|TradeVolume"
        "|DepositStatus|WithdrawStatus)",
    ),
    odd_markets=b'{"error":[],"result":{"XXBTZUSD":{"wsname":"XBT/USD","ordermin":"a lot"},'
    b'"XETHZUSD":{"base":"XETH","quote":"ZUSD","ordermin":"1"}}}',
    no_trades=b'{"error":[],"result":{"XXBTZUSD":[],"last":"0"}}',
    no_fills=b'{"error":[],"result":{"trades":{},"count":0}}',
    numbers=lambda style: {"kraken_numbers": style},
    lacks=frozenset({"public_orders"}),
    trade_id=lambda tape, at: at + 1,
    amounts={"account_trades": "vol", "account_orders": "vol"},
)
