"""The connectors read. There is no way in them to trade, to cancel, or to move money."""

import re
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import connectors
from connectors import Connection, ForbiddenCallError
from connectors.http import Http, Request
from connectors.local import LocalNonces, NoLimits
from tests.connectors.cases import EXCHANGES, case, post

FORBIDDEN = [
    r"order/create",
    r"/cancel\b",
    r"CancelOrders?",
    r"method.{0,3}Trade[\"']",
    r"(?-i:[\"']Trade[\"'])",
    r"WithdrawCoin",
    r"CreateCoupon",
    r"RedeemCoupon",
    r"coupon",
    r"/withdraw(?!/history\b|Status\b|al-history\b)",
    r"\.(post|put|patch|delete)\(",
]


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_no_call_that_moves_anything(repo_root: Path, pattern: str) -> None:
    files = sorted((repo_root / "connectors").rglob("*.py"))
    assert len(files) > 10
    for file in files:
        found = re.search(pattern, file.read_text("utf-8"), re.IGNORECASE)
        assert not found, f"{file.relative_to(repo_root)}: {found and found[0]}"


def test_a_call_that_is_no_get_is_a_documented_reading_call(exchange: str) -> None:
    posts = tuple(pattern for pattern in reads(exchange) if not pattern.startswith("GET "))
    assert posts == case(exchange).posts


def test_every_list_is_at_the_way_out(exchange: str) -> None:
    """A call that is not on the list is never sent, whoever makes it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        # Nobody answers: a request that was sent would end in a timeout, which is another error.
        url = f"http://127.0.0.1:{server.server_port}"
        connection = Connection(url, LocalNonces(), NoLimits(), timeout=0.1)
        http = Http(exchange, connection, reads(exchange))
        moves = [call for name in EXCHANGES for call in case(name).moves]
        for call in (*moves, *TRICKS):
            with pytest.raises(ForbiddenCallError, match="not sent"):
                http.send(call)
        http.close()


def reads(exchange: str) -> Sequence[str]:
    return connectors.dialect_of(exchange).reads


TRICKS = [
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
