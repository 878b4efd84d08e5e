"""Signatures, worked by hand from the rules of the two documents."""

import hashlib
import hmac
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

import connectors
from connectors import AuthError, Connection, Connector, Credentials, StreamId, Window
from connectors.bitexbit import auth as bitexbit
from connectors.http import Request, get
from connectors.local import LocalNonces, NoLimits
from connectors.wex import auth as wex
from pipelines.exchanges.nonces import HomeNonces
from tests.connectors.cases import case
from tests.connectors.conftest import CLOCK, PageOf, Response, Scripted, World


def test_bitexbit_signs_path_nonce_and_body() -> None:
    """Payload: "concatenated with path, nonce, and body"; "HMAC Authentication with SHA-256"."""
    payload = "/api/v2/private/trades" + "1544617013258" + ""
    by_hand = hmac.new(b"my secret", payload.encode(), hashlib.sha256).hexdigest()
    assert bitexbit.signature("my secret", "/api/v2/private/trades", 1544617013258) == by_hand
    assert len(by_hand) == 64
    request = get("/api/v2/private/trades", private=True)
    assert bitexbit.sign(request, Credentials("my key", "my secret"), 1).headers == {
        "X-API-Key": "my key",
        "X-Nonce": "1",
        "X-Signature": hmac.new(
            b"my secret", b"/api/v2/private/trades1", hashlib.sha256
        ).hexdigest(),
    }


def test_wex_signs_the_posted_parameters() -> None:
    """Sign: "POST-параметры (?nonce=1&param0=val0), подписанные … с помощью HMAC-SHA512"."""
    request = Request("POST", "/tapi", form="method=TradeHistory&pair=btc_usd", private=True)
    signed = wex.sign(request, Credentials("my key", "my secret"), 123456)
    body = "method=TradeHistory&pair=btc_usd&nonce=123456"
    assert signed.content == body.encode()
    by_hand = hmac.new(b"my secret", body.encode(), hashlib.sha512).hexdigest()
    assert wex.signature("my secret", body) == by_hand and len(by_hand) == 128
    assert signed.headers == {
        "Content-Type": "application/x-www-form-urlencoded",
        "Key": "my key",
        "Sign": by_hand,
    }


def test_hmac_is_the_one_of_rfc_2104() -> None:
    """The library's HMAC, unrolled, so that nothing here rests on one call alone."""
    key, message = b"my secret".ljust(64, b"\0"), b"/api/v2/private/trades1"
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + message).digest()
    by_hand = hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).hexdigest()
    assert bitexbit.signature("my secret", "/api/v2/private/trades", 1) == by_hand


def opened(
    server: Scripted, answers: list[Response], exchange: str, nonces: LocalNonces | None = None
) -> Connector:
    server.answers(*answers)
    return server.open(exchange, nonces=nonces or LocalNonces(), retries=1)


def test_bitexbit_on_the_wire(server: Scripted) -> None:
    connector = opened(server, [b"[]", b"[]"], "bitexbit")
    for _ in range(2):
        connector.fetch(
            StreamId("bitexbit", "account_trades", account="main"), Window(5, 9, limit=4000)
        )
    first, second = server.requests
    # The query travels, but is not signed; the nonce follows the clock in milliseconds.
    assert first.target == "/api/v2/private/trades?limit=1000&since_id=5&until_id=9"
    assert first.headers["x-nonce"] == "1768000000250"
    assert second.headers["x-nonce"] == "1768000000251"
    payload = "/api/v2/private/trades1768000000250"
    by_hand = hmac.new(b"my-secret-0815", payload.encode(), hashlib.sha256).hexdigest()
    assert first.headers["x-signature"] == by_hand
    assert first.headers["x-api-key"] == "my-key-4711"


def test_wex_on_the_wire(server: Scripted) -> None:
    answer = b'{"success":1,"return":{}}'
    connector = opened(server, [answer, answer], "wex")
    for _ in range(2):
        connector.fetch(StreamId("wex", "account_trades", account="main"), Window(5, 9, limit=4000))
    first, second = server.requests
    assert (first.method, first.target) == ("POST", "/tapi")
    assert dict(parse_qsl(first.body)) == {
        "method": "TradeHistory",
        "nonce": "1768000000",
        "count": "1000",
        "order": "DESC",
        "from_id": "5",
        "end_id": "9",
    }
    assert dict(parse_qsl(second.body))["nonce"] == "1768000001"
    assert first.headers["key"] == "my-key-4711"
    by_hand = hmac.new(b"my-secret-0815", first.body.encode(), hashlib.sha512).hexdigest()
    assert first.headers["sign"] == by_hand


@pytest.mark.parametrize("hint", ["", ", you should send:2072397086"])
def test_wex_takes_up_the_nonce_that_the_key_has_reached(server: Scripted, hint: str) -> None:
    refused = f"invalid nonce parameter; on key:2072397085, you sent:'1768000000'{hint}"
    nonces = LocalNonces()
    connector = opened(
        server,
        [f'{{"success":0,"error":"{refused}"}}'.encode(), b'{"success":1,"return":{}}'],
        "wex",
        nonces,
    )
    connector.fetch(StreamId("wex", "account_trades", account="main"), Window())
    assert [dict(parse_qsl(r.body))["nonce"] for r in server.requests] == [
        "1768000000",
        "2072397086",
    ]


def test_a_used_up_wex_key_is_reported_with_the_fix(server: Scripted) -> None:
    connector = opened(server, [], "wex", LocalNonces(4_294_967_294))
    with pytest.raises(AuthError, match=r"create a new key and set WEX_API_KEY and WEX_API_SECRET"):
        connector.fetch(StreamId("wex", "account_trades", account="main"), Window())
    assert server.requests == []
    refused = b'{"success":0,"error":"invalid nonce parameter; on key:4294967294, you sent:1"}'
    connector = opened(server, [refused], "wex")
    with pytest.raises(AuthError, match="create a new key"):
        connector.fetch(StreamId("wex", "account_trades", account="main"), Window())


def test_a_nonce_that_stays_refused_is_an_auth_error(server: Scripted) -> None:
    refused = b'{"success":0,"error":"invalid nonce parameter"}'
    connector = opened(server, [refused] * 9, "wex")
    with pytest.raises(AuthError, match="nonce"):
        connector.fetch(StreamId("wex", "account_trades", account="main"), Window())
    assert len(server.requests) == 4


def test_bitexbit_tries_a_refused_nonce_once_more(server: Scripted) -> None:
    connector = opened(server, [(401, {}, b'{"detail":"Bad nonce"}'), b"[]"], "bitexbit")
    assert (
        connector.fetch(StreamId("bitexbit", "account_trades", account="main"), Window()).received
        == 0
    )
    connector = opened(server, [(401, {}, b'{"detail":"Bad nonce"}')] * 2, "bitexbit")
    with pytest.raises(AuthError, match="Bad nonce"):
        connector.fetch(StreamId("bitexbit", "account_trades", account="main"), Window())


def test_an_independent_server_accepts_the_signatures(
    world: World, exchange: str, page_of: PageOf
) -> None:
    assert page_of(world.open(exchange), "account_trades").table.num_rows > 0


def test_a_clock_past_every_nonce_does_not_use_up_the_key(server: Scripted, tmp_path: Path) -> None:
    nonces = HomeNonces(tmp_path, "wex-key")
    moment = [4_294_967_295.0]
    connector = connectors.open_connector(
        "wex",
        Connection(server.base_url, nonces, NoLimits(), credentials=Credentials("k-1", "s-1")),
        now=lambda: moment[0],
    )
    with closing(connector):
        with pytest.raises(AuthError, match=r"clock says .* 2106.*Fix: set the clock"):
            connector.fetch(StreamId("wex", "account_trades", account="main"), Window())
        assert server.requests == []
        moment[0] = CLOCK
        server.answers(case("wex").no_fills)
        connector.fetch(StreamId("wex", "account_trades", account="main"), Window())
    assert f"nonce={int(CLOCK)}" in server.requests[0].body
