"""Keys, signatures and nonces as the documents say, worked by hand."""

import hashlib
import hmac
from typing import Any

import httpx

import sandbox
from sandbox.wex import WexSwitches

BALANCE = "/api/v2/private/balance"
# printf '%s' /api/v2/private/balance1767225600000 | openssl dgst -sha256 -hmac "$SECRET"
BY_OPENSSL = "e2a8833d23326d6e40e5a0b0f33eadb3d708456f0becbddaac4d8dae447eb178"
# printf '%s' 'method=getInfo&nonce=1' | openssl dgst -sha512 -hmac "$SECRET"
TAPI_BY_OPENSSL = (
    "17215669a29b82d5f91bb412e3ed96aea7eb233c6f8e0b545faac2b2e17d3ced"
    "b83738addc253e593c6cbf629a0aaa9b64f775101db5c8364d2ef5e0ae0624fe"
)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def headers(nonce: str, signature: str, key: str = "bitexbit") -> dict[str, str]:
    known = sandbox.KEYS[key]
    return {"X-API-Key": known.key, "X-Nonce": nonce, "X-Signature": signature}


def sha256(message: str, key: str = "bitexbit") -> str:
    secret = sandbox.KEYS[key].secret.encode()
    return hmac.new(secret, message.encode(), hashlib.sha256).hexdigest()


def test_bitexbit_takes_the_signature_that_openssl_makes(http: httpx.Client) -> None:
    answer = http.get(BALANCE, headers=headers("1767225600000", BY_OPENSSL))
    assert answer.status_code == 200
    assert {row["symbol"] for row in answer.json()} == {"BTC", "ETH", "LTC", "USD"}


def test_bitexbit_does_not_sign_the_query(http: httpx.Client) -> None:
    good = headers("1767225600000", BY_OPENSSL)
    assert http.get(BALANCE, params={"symbols": "BTC"}, headers=good).status_code == 200
    signed = sha256(f"{BALANCE}?symbols=BTC1767225600001")
    bad = headers("1767225600001", signed)
    assert http.get(BALANCE, params={"symbols": "BTC"}, headers=bad).status_code == 401


def test_bitexbit_refuses_what_is_not_signed(http: httpx.Client) -> None:
    cases: list[tuple[dict[str, str], str]] = [
        ({}, "Authentication credentials were not provided."),
        ({"X-API-Key": "nobody", "X-Nonce": "1", "X-Signature": "0"}, "Invalid API key."),
        (headers("1", "0" * 64), "Invalid signature."),
    ]
    for sent, detail in cases:
        answer = http.get(BALANCE, headers=sent)
        assert (answer.status_code, answer.json()) == (401, {"detail": detail})


def test_bitexbit_nonces_rise_per_key(http: httpx.Client) -> None:
    def call(nonce: int, key: str = "bitexbit") -> int:
        signed = sha256(f"{BALANCE}{nonce}", key)
        return http.get(BALANCE, headers=headers(str(nonce), signed, key)).status_code

    assert [call(n) for n in (5, 5, 4, 6)] == [200, 401, 401, 200]
    assert call(1, "bitexbit:second") == 200


def post(http: httpx.Client, body: str, key: str = "wex", sign: str | None = None) -> Any:
    known = sandbox.KEYS[key]
    made = hmac.new(known.secret.encode(), body.encode(), hashlib.sha512).hexdigest()
    sent = FORM | {"Key": known.key, "Sign": made if sign is None else sign}
    return http.post("/tapi", content=body, headers=sent).json()


def test_wex_takes_the_sign_that_openssl_makes(http: httpx.Client) -> None:
    answer = post(http, "method=getInfo&nonce=1", sign=TAPI_BY_OPENSSL)
    assert answer["success"] == 1
    assert answer["return"]["rights"] == {"info": 1, "trade": 0, "withdraw": 0}


def test_wex_refuses_in_the_order_of_a_real_server(http: httpx.Client) -> None:
    body = "method=getInfo&nonce=0"
    no_key = http.post("/tapi", content=body, headers=FORM).json()
    assert no_key == {"success": 0, "error": "api key not specified"}
    wrong = http.post("/tapi", content=body, headers=FORM | {"Key": "x", "Sign": "y"}).json()
    assert wrong == {"success": 0, "error": "invalid api key"}
    assert post(http, body, sign="00")["error"] == "invalid sign"
    assert post(http, body)["error"].startswith("invalid nonce parameter; on key:0")
    rights = post(http, "method=getInfo&nonce=7", "wex:norights")
    assert rights == {"success": 0, "error": "api key dont have info permission"}


def test_wex_nonces_as_in_the_document(http: httpx.Client, served: sandbox.Served) -> None:
    def call(nonce: str) -> str:
        answer = post(http, f"method=getInfo&nonce={nonce}")
        return "ok" if answer["success"] else answer["error"]

    assert [call(n) for n in ("1", "2", "10")] == ["ok"] * 3
    wrong = "invalid nonce parameter; on key:10, you sent:'{}', you should send:11"
    assert call("10") == wrong.format("10")
    assert call("11") == "ok"
    assert "you sent:'9'" in call("9")
    assert "you sent:'1767225600000'" in call("1767225600000")  # milliseconds do not fit
    assert call("4294967294") == "ok"
    served.of(WexSwitches).wex_nonce_hint = False
    assert call("5") == "invalid nonce parameter; on key:4294967294, you sent:'5'"


def test_limits(served: sandbox.Served, http: httpx.Client, private: Any, tapi: Any) -> None:
    time = 0.0
    served.limits.enabled, served.limits.clock = True, lambda: time
    assert [private("balance").status_code for _ in range(3)] == [200, 200, 429]
    assert private("balance", "bitexbit:second").status_code == 200  # per account
    answer = private("balance")
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {"detail": "Request was throttled."}
    served.limits.retry_after = None
    assert "retry-after" not in private("balance").headers
    for _ in range(100):
        assert http.get("/api/v2/public/pairs").status_code == 200
    assert http.get("/api/v2/public/pairs").status_code == 429
    for _ in range(served.of(WexSwitches).wex_private_per_second):
        assert tapi("getInfo")["success"] == 1
    assert tapi("getInfo") == {"success": 0, "error": "Requests too often"}
    time = 1.0
    assert private("balance").status_code == 200
    assert tapi("getInfo")["success"] == 1


def test_nothing_that_trades_or_moves_money_exists(http: httpx.Client, tapi: Any) -> None:
    for path in ("order/create", "order/1/cancel", "coupon/create", "coupon/redeem"):
        assert http.post(f"/api/v2/private/{path}", json={}).status_code == 404
    for method in ("Trade", "CancelOrder", "CancelOrders", "WithdrawCoin", "CreateCoupon", "Nope"):
        assert tapi(method) == {"success": 0, "error": "Invalid method"}


def test_the_log_and_the_keys_hold_no_secret(served: sandbox.Served, tapi: Any) -> None:
    tapi("TradeHistory", count=2)
    entry = served.log.of("TradeHistory")[0]
    assert (entry.path, entry.params["count"], entry.status) == ("/tapi", "2", 200)
    assert all(k.secret not in repr(served.log.entries) for k in sandbox.KEYS.values())
    assert all("FAKE" in k.key for k in sandbox.KEYS.values())
