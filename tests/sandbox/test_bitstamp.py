"""Bitstamp's dialect over HTTP: windows, candles, one list of an account, refusals, signatures."""

import hashlib
import hmac
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

import sandbox
from sandbox.bitstamp import BitstampSwitches
from sandbox.bitstamp.private import balances

KEY = sandbox.KEYS["bitstamp"]
API = "/api/v2"
FORM = "application/x-www-form-urlencoded"

Signed = Callable[..., httpx.Response]


@pytest.fixture
def signed(http: httpx.Client, served: sandbox.Served) -> Signed:
    """``signed("user_transactions/", limit=5)``: a call with the time of the world."""

    def call(name: str, changed: dict[str, str] | None = None, **form: object) -> httpx.Response:
        body, nonce, stamp = urlencode(form), str(uuid.uuid4()), str(served.world.now())
        host = served.base_url.removeprefix("http://")
        text = f"BITSTAMP {KEY.key}POST{host}{API}/{name}{FORM if body else ''}{nonce}{stamp}v2"
        made = hmac.new(KEY.secret.encode(), (text + body).encode(), hashlib.sha256).hexdigest()
        headers = {
            "X-Auth": f"BITSTAMP {KEY.key}",
            "X-Auth-Signature": made.upper(),  # either case
            "X-Auth-Nonce": nonce,
            "X-Auth-Timestamp": stamp,
            "X-Auth-Version": "v2",
        }
        headers |= {"Content-Type": FORM} if body else {}
        return http.post(f"{API}/{name}", content=body, headers=headers | (changed or {}))

    return call


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_trades_of_a_minute_an_hour_or_a_day(http: httpx.Client, served: sandbox.Served) -> None:
    now, tape = served.world.now(), served.world.tapes["BTC-USD"]
    for name, length in (("minute", 60_000), ("hour", 3_600_000), ("day", 86_400_000)):
        rows = http.get(f"{API}/transactions/btcusd/?time={name}").json()
        shown = [t for t in tape.trades() if now - length <= t.timestamp <= now]
        assert [(int(r["tid"]), r["price"], r["amount"]) for r in rows[::-1]] == [
            (t.id * 1000, t.price, t.amount) for t in shown
        ]
        assert {r["type"] for r in rows} <= {"0", "1"}
    assert http.get(f"{API}/transactions/btcusd/").json() == (
        http.get(f"{API}/transactions/btcusd/?time=hour").json()
    )
    assert code(http.get(f"{API}/transactions/btcusd/?time=week")) == (400, "API0000")
    assert code(http.get(f"{API}/transactions/nosuch/")) == (404, "404.002")


def test_candles_up_to_their_end_whatever_the_start(http: httpx.Client) -> None:
    def openings(**query: int) -> list[int]:
        answer = http.get(f"{API}/ohlc/btcusd/?{urlencode(query)}").json()
        return [int(row["timestamp"]) for row in answer["data"]["ohlc"]]

    end = 1767182400  # 2025-12-31 12:00
    wanted = [end - 120, end - 60, end]
    assert openings(step=60, limit=3, end=end) == wanted
    assert openings(step=60, limit=3, end=end + 59) == wanted
    assert openings(step=60, limit=3, end=end, start=end - 6000) == wanted
    assert openings(step=60, limit=2, start=end) == [end, end + 60]
    assert http.get(f"{API}/ohlc/btcusd/?step=61&limit=5").status_code == 400
    assert http.get(f"{API}/ohlc/btcusd/?step=60").status_code == 400


def test_intervals_without_a_trade_and_candles_that_come_twice(
    http: httpx.Client, served: sandbox.Served
) -> None:
    rows = http.get(f"{API}/ohlc/ltcbtc/?step=60&limit=1000").json()["data"]["ohlc"]
    times = [int(row["timestamp"]) for row in rows]
    assert times == [*range(times[0], times[-1] + 60, 60)]
    quiet = [row for row in rows if row["volume"] == "0.00000000"]
    assert quiet and all(row["open"] == row["close"] for row in quiet)
    served.of(BitstampSwitches).bs_twice = frozenset({times[5]})
    again = http.get(f"{API}/ohlc/ltcbtc/?step=60&limit=1000").json()["data"]["ohlc"]
    twice = [row for row in again if int(row["timestamp"]) == times[5]]
    assert len(twice) == 2 and twice[0] != twice[1]
    alone = http.get(f"{API}/ohlc/ltcbtc/?step=60&limit=1&end={times[5]}").json()
    assert alone["data"]["ohlc"] == [rows[5]]


def test_one_list_of_everything_adds_up_to_what_is_held(
    signed: Signed, served: sandbox.Served
) -> None:
    rows: list[dict[str, Any]] = []
    page = signed("user_transactions/", sort="asc", since_id=1).json()
    while len(page) > (1 if rows else 0):
        rows += page if not rows else page[1:]
        page = signed("user_transactions/", sort="asc", since_id=rows[-1]["id"]).json()
    ids = [row["id"] for row in rows]
    assert ids == sorted(set(ids)) and {row["type"] for row in rows} == {"0", "1", "2", "27"}
    newest = signed("user_transactions/", limit=7).json()
    assert [row["id"] for row in newest] == ids[:-8:-1]
    held: Counter[str] = Counter()
    for row in rows:
        for name, value in row.items():
            if name.upper() in ("USD", "BTC", "ETH", "LTC"):
                held[name.upper()] += round(float(value) * 10**8)
        price = next((name for name in row if name.count("_") == 1 and name != "order_id"), "x")
        quote = {"0": "usd", "1": "usd"}.get(row["type"], price.split("_")[-1]).upper()
        held[quote] -= round(float(row["fee"]) * 10**8)
    owned, _ = balances(served.exchange, served.world.accounts[KEY.owner], served.world.now())
    for currency in ("USD", "BTC", "ETH", "LTC"):
        assert abs(held[currency] - owned[currency]) < 10_000  # of floats
    served.of(BitstampSwitches).bs_since_inclusive = False
    assert signed("user_transactions/", sort="asc", since_id=ids[-1]).json() == []
    assert code(signed("user_transactions/", limit=1001)) == (400, "API0000")
    assert code(signed("user_transactions/", offset=200_001)) == (400, "API0000")


def test_orders(signed: Signed, served: sandbox.Served) -> None:
    now, account = served.world.now(), served.world.accounts[KEY.owner]
    listed = signed("open_orders/all/").json()
    assert {row["id"] for row in listed} == {str(o.id) for o in account.orders if o.is_open(now)}
    filled = next(o for o in account.orders if o.filled(now))
    row = signed("order_status/", id=filled.id).json()
    assert len(row["transactions"]) == len(filled.filled(now))
    assert filled.market.base.lower() in row["transactions"][0]
    assert signed("order_status/", id=1).json()["reason"] == "Order not found."


def test_what_is_not_signed_rightly_is_refused(
    signed: Signed, http: httpx.Client, served: sandbox.Served
) -> None:
    assert signed("fees/trading/").status_code == 200
    for changed, refused in (
        ({"X-Auth": "BITSTAMP x"}, (403, "API0008")),
        ({"X-Auth-Version": "v1"}, (403, "API0008")),
        ({"X-Auth-Signature": "x"}, (403, "API0005")),
        ({"X-Auth-Nonce": "1"}, (403, "API0004")),
        ({"X-Auth-Timestamp": "1"}, (403, "API0005")),
        ({"Content-Type": FORM}, (400, "API0020")),  # without a body
    ):
        assert code(signed("fees/trading/", changed)) == refused
    assert http.get(f"{API}/fees/trading/").status_code == 404
    first = signed("fees/trading/").request.headers
    assert code(http.post(f"{API}/fees/trading/", headers=dict(first))) == (403, "API0004")
    served.of(BitstampSwitches).bs_clock_window_ms = 5_000
    served.of(BitstampSwitches).bs_clock_ahead_ms = 6_000
    assert code(signed("fees/trading/")) == (403, "API0017")


def test_four_shapes_of_errors_and_maintenance(http: httpx.Client, served: sandbox.Served) -> None:
    switches, path = served.of(BitstampSwitches), f"{API}/ticker/nosuch/"
    switches.bs_errors = "text"
    assert "404.002" in http.get(path).json()["error"]
    switches.bs_errors = "all"
    assert "404.002" in http.get(path).json()["error"]["__all__"][0]
    switches.bs_errors = "response"
    assert http.get(path).json()["response_code"] == "404.002"
    switches.bs_maintenance = True
    assert b"scheduled maintenance" in http.get(f"{API}/markets/").content


def test_too_many_calls(served: sandbox.Served, http: httpx.Client) -> None:
    served.limits.enabled, served.limits.clock = True, lambda: 0.0
    statuses = [http.get(f"{API}/ticker/btcusd/").status_code for _ in range(401)]
    assert statuses[:400] == [200] * 400 and statuses[400] == 429


def test_the_dialects_that_share_a_root_are_told_apart(http: httpx.Client) -> None:
    assert "price_precision" in http.get(f"{API}/public/pairs").text
    assert "market_symbol" in http.get(f"{API}/markets/").text
    assert http.get(f"{API}/nothing/").status_code == 404
