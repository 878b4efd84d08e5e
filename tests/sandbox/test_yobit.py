"""YoBit's dialect over HTTP: where it differs from WEX, whose code it is."""

import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode

import httpx

import sandbox

KEY = sandbox.KEYS["yobit"]
BASE = "/yobit"


def call(http: httpx.Client, method: str, nonce: int, **params: Any) -> Any:
    body = urlencode({"method": method, **params, "nonce": nonce})
    made = hmac.new(KEY.secret.encode(), body.encode(), hashlib.sha512).hexdigest()
    headers = {"Key": KEY.key, "Sign": made, "Content-Type": "application/x-www-form-urlencoded"}
    return http.post(f"{BASE}/tapi/", content=body, headers=headers).json()


def test_it_has_a_place_of_its_own(http: httpx.Client, served: sandbox.Served) -> None:
    assert served.env["YOBIT_BASE_URL"] == f"{served.base_url}/yobit"
    assert "min_total" in http.get(f"{BASE}/api/3/info").json()["pairs"]["btc_usd"]
    assert "min_total" not in http.get("/api/3/info").json()["pairs"]["btc_usd"]
    assert [entry.path for entry in served.log.of("/api/3/info")] == ["/api/3/info"] * 2


def test_buy_is_the_bid(http: httpx.Client) -> None:
    here = http.get(f"{BASE}/api/3/ticker/btc_usd").json()["btc_usd"]
    there = http.get("/api/3/ticker/btc_usd").json()["btc_usd"]
    assert (here["buy"], here["sell"]) == (there["sell"], there["buy"])
    assert here["buy"] < here["sell"]


def test_at_most_2000_rows_and_40_pairs(http: httpx.Client) -> None:
    rows = http.get(f"{BASE}/api/3/trades/btc_usd?limit=5000").json()["btc_usd"]
    assert len(rows) == 2000
    pairs = "-".join(f"a{number}_b" for number in range(41))
    answer = http.get(f"{BASE}/api/3/ticker/{pairs}?ignore_invalid=1").json()
    assert answer == {"success": 0, "error": "Empty pair list"}


def test_signed_calls(http: httpx.Client, served: sandbox.Served) -> None:
    account, now = served.world.accounts[KEY.owner], served.world.now()
    held = call(http, "getInfo", 1)["return"]
    for code, (free, reserved) in account.balances(now).items():
        assert round(held["funds"][code.lower()] * 10**8) == free
        assert round(held["funds_incl_orders"][code.lower()] * 10**8) == free + reserved
    for number, method in enumerate(("ActiveOrders", "TradeHistory"), 2):
        assert call(http, method, number)["error"] == "invalid parameter: pair"
    rows = call(http, "TradeHistory", 4, pair="btc_usd", count=1000)["return"]
    wanted = [f.trade_id for o, f in account.fills(now) if o.market.symbol == "BTC-USD"]
    assert sorted(map(int, rows)) == wanted
    for number, method in enumerate(("TransHistory", "CoinDepositAddress", "Trade"), 5):
        assert call(http, method, number)["error"] == "Invalid method"
    assert "invalid nonce" in call(http, "getInfo", 2_147_483_647)["error"]
    assert call(http, "getInfo", 2_147_483_646)["success"] == 1
