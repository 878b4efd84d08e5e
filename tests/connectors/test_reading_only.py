"""The connectors read. There is no way in them to trade, to cancel, or to move money."""

import re
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import pytest

import connectors
from connectors import Connection, ForbiddenCallError
from connectors.dialect import Dialect
from connectors.http import Http, Request
from connectors.local import LocalNonces, NoLimits

FORBIDDEN = [
    r"order/create",
    r"/cancel\b",
    r"CancelOrders?",
    r"method.{0,3}Trade[\"']",
    r"[\"']Trade[\"']",
    r"WithdrawCoin",
    r"CreateCoupon",
    r"RedeemCoupon",
    r"coupon",
    r"/withdraw",
    r"\.(post|put|patch|delete)\(",
]


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_no_call_that_moves_anything(repo_root: Path, pattern: str) -> None:
    files = sorted((repo_root / "connectors").rglob("*.py"))
    assert len(files) > 10
    for file in files:
        found = re.search(pattern, file.read_text("utf-8"), re.IGNORECASE)
        assert not found, f"{file.relative_to(repo_root)}: {found and found[0]}"


def test_what_the_lists_of_reading_calls_name() -> None:
    """POST exists for /tapi alone, with the documented methods that only report something."""
    posts = {name: [p for p in reads(name) if "GET" not in p] for name in connectors.names()}
    assert posts == {
        "bitexbit": [],
        "wex": [
            "POST /tapi "
            "(getInfo|ActiveOrders|OrderInfo|TradeHistory|TransHistory|CoinDepositAddress)"
        ],
    }


def test_every_list_is_at_the_way_out(exchange: str) -> None:
    """A call that is not on the list is never sent, whoever makes it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        # Nobody answers: a request that was sent would end in a timeout, which is another error.
        url = f"http://127.0.0.1:{server.server_port}"
        connection = Connection(url, LocalNonces(), NoLimits(), timeout=0.1)
        http = Http(exchange, connection, reads(exchange))
        for call in (*FORBIDDEN_CALLS, *EVERY_DIALECTS_TRICKS):
            with pytest.raises(ForbiddenCallError, match="not sent"):
                http.send(call)
        http.close()


def reads(exchange: str) -> Sequence[str]:
    found: Dialect = import_module(f"connectors.{exchange}").DIALECT
    return found.reads


def post(path: str, form: str = "") -> Request:
    return Request("POST", path, content=form.encode(), private=True)


FORBIDDEN_CALLS = [
    # "API Docs v2" of BitexBit: every private method that is no GET.
    post("/api/v2/private/order/create"),
    post("/api/v2/private/order/7/cancel"),
    post("/api/v2/private/coupon/create"),
    post("/api/v2/private/coupon/redeem"),
    # "Trade API v1" of WEX: every method that takes more than the right to read.
    post("/tapi", "method=Trade&pair=btc_usd&type=sell&rate=1&amount=1&nonce=1"),
    post("/tapi", "method=CancelOrder&order_id=7&nonce=1"),
    post("/tapi", "method=CancelOrders&order_id=7,8&nonce=1"),
    post("/tapi", "method=WithdrawCoin&coinName=BTC&amount=1&address=1x&nonce=1"),
    post("/tapi", "method=CreateCoupon&coinName=BTC&amount=1&receiver=x&nonce=1"),
    post("/tapi", "method=RedeemCoupon&coupon=WEXUSD&nonce=1"),
]
EVERY_DIALECTS_TRICKS = [
    post("/tapi"),
    post("/tapi", "Method=Trade&method=getInfo"),
    post("/tapi", "method=getInfo&method=Trade"),
    post("/tapi", "method=Trade%26&nonce=1"),
    post("/api/3/trades/btc_usd"),
    post("/api/v2/private/orders"),
    Request("DELETE", "/api/v2/private/orders"),
    Request("PUT", "/tapi", content=b"method=getInfo"),
    Request("GET", "/api/v2/private/order/create"),
    Request("GET", "/api/v2/public/pairs/../../private/order/create"),
    Request("GET", "/api/v2/private/orders/../order/create"),
    Request("GET", "/tapi"),
    Request("GET", "/api/3/trades/../../tapi"),
]
