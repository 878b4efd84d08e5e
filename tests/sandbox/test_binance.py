"""The Binance dialect: ids without holes, weights, signatures over the query, and its refusals."""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

import sandbox
from sandbox.binance import BinanceSwitches
from sandbox.clock import MINUTE
from sandbox.marketdata import MarketTape

Get = Callable[..., httpx.Response]


@pytest.fixture
def api(http: httpx.Client) -> Get:
    """``api("trades", symbol="BTCUSD")``: a public call."""
    return lambda name, **params: http.get(f"/api/v3/{name}", params=params)


@pytest.fixture
def signed(http: httpx.Client, clock: sandbox.ManualClock) -> Get:
    """``signed("/api/v3/account")``: a call with key, time and signature."""

    def call(path: str, key: str = "binance", at: int | None = None, **params: Any) -> Any:
        known = sandbox.KEYS[key]
        query = urlencode({**params, "timestamp": clock() if at is None else at})
        made = hmac.new(known.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        return http.get(f"{path}?{query}&signature={made}", headers={"X-MBX-APIKEY": known.key})

    return call


def test_ids_have_no_hole_and_pages_begin_at_an_id(api: Get, served: sandbox.Served) -> None:
    tape = served.world.tapes["BTC-USD"]
    newest = api("trades", symbol="BTCUSD", limit=1000).json()
    ids = [row["id"] for row in newest]
    assert ids == [*range(ids[0], ids[0] + len(ids))]
    for row in newest[::97]:
        trade = tape.trade(row["id"] - 1)
        assert (row["price"], row["qty"]) == (trade.price, trade.amount)
        assert row["time"] == trade.timestamp
        assert row["isBuyerMaker"] == (trade.side == "sell")
    page = api("historicalTrades", symbol="BTCUSD", fromId=5, limit=3).json()
    assert [row["id"] for row in page] == [5, 6, 7]
    assert api("historicalTrades", symbol="BTCUSD", fromId=ids[-1] + 1).json() == []
    day = api("ticker/24hr", symbol="BTCUSD").json()
    assert day["lastId"] - day["firstId"] + 1 == day["count"] and day["lastId"] == ids[-1]


def test_a_tape_without_holes_keeps_its_ids() -> None:
    recording = sandbox.tape.make(50, "BTC-USDT")
    whole = MarketTape("BTC-USDT")
    for at in range(len(recording)):
        whole.add(900 + at, recording.times[at], recording.prices[at], recording.amounts[at], True)
    for tape, first in ((whole, 900), (recording, 1)):
        clock = sandbox.ManualClock(int(tape.times[-1]))
        world = sandbox.World.replay({"BTC-USDT": tape}, clock)
        with sandbox.serve(world, limits=False) as served:
            url = f"{served.base_url}/api/v3/historicalTrades?symbol=BTCUSDT&fromId=0"
            ids = [row["id"] for row in httpx.get(url).json()]
        assert ids == [*range(first, first + 50)]


def test_the_store_may_lag_lack_and_want_a_key(api: Get, served: sandbox.Served) -> None:
    def top(name: str) -> int:
        return int(api(name, symbol="BTCUSD", limit=1).json()[-1]["id"])

    assert top("trades") == top("historicalTrades")
    served.switch(history_lag_ms=3_600_000)
    assert top("trades") > top("historicalTrades")
    served.switch(history_needs_key=True)
    assert api("historicalTrades", symbol="BTCUSD").json()["code"] == -2014
    assert api("trades", symbol="BTCUSD").status_code == 200
    served.switch(history_missing=True)
    assert api("historicalTrades", symbol="BTCUSD").status_code == 404


def test_candles_open_where_they_do_and_windows_keep_what_they_keep(
    api: Get, served: sandbox.Served, clock: sandbox.ManualClock
) -> None:
    clock.advance(90)

    def opened(**params: Any) -> list[int]:
        rows = api("klines", symbol="BTCUSD", **{"interval": "1m", **params}).json()
        return [row[0] for row in rows]

    every = opened(limit=1000)
    assert every == [*range(every[0], every[-1] + 1, MINUTE)]
    window = {"startTime": every[10], "endTime": every[500], "limit": 20}
    assert opened(**window) == every[10:30]
    served.switch(klines_keep="newest")
    assert opened(**window) == every[481:501]
    assert opened(endTime=every[5], limit=2) == every[4:6]
    monday = 4 * 24 * 60 * MINUTE
    weeks = opened(interval="1w")
    assert {(at - monday) % (7 * 24 * 60 * MINUTE) for at in weeks} == {0}
    served.switch(three_days_from=1)
    assert {at // (24 * 60 * MINUTE) % 3 for at in opened(interval="3d")} == {1}
    assert api("klines", symbol="BTCUSD", interval="7m").json()["code"] == -1120


@pytest.mark.parametrize(
    ("name", "params", "code"),
    [
        ("trades", {"symbol": "BTCEUR"}, -1121),
        ("trades", {}, -1102),
        ("trades", {"symbol": "BTCUSD", "fromId": 5}, -1104),
        ("historicalTrades", {"symbol": "BTCUSD", "fromId": "x"}, -1100),
        ("ticker/24hr", {"symbol": "BTCUSD", "symbols": '["BTCUSD"]'}, -1128),
        ("ticker/24hr", {"symbols": "BTCUSD"}, -1100),
    ],
)
def test_parameters_that_are_refused(
    api: Get, name: str, params: dict[str, Any], code: int
) -> None:
    answer = api(name, **params)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_who_signs_what_and_when(
    http: httpx.Client, signed: Get, served: sandbox.Served, clock: sandbox.ManualClock
) -> None:
    path = "/api/v3/account"
    assert signed(path).status_code == 200
    assert http.get(path).json()["code"] == -2014
    stranger = http.get(path, headers={"X-MBX-APIKEY": "nobody"})
    assert (stranger.status_code, stranger.json()["code"]) == (401, -2015)
    known = sandbox.KEYS["binance"]
    wrong = http.get(
        f"{path}?timestamp={clock()}&signature={'0' * 64}", headers={"X-MBX-APIKEY": known.key}
    )
    assert wrong.json()["code"] == -1022
    for off, fresh in ((999, True), (1000, False), (-5000, True), (-5001, False)):
        answer = signed(path, at=clock() + off)
        assert (answer.status_code == 200) == fresh
        assert fresh or answer.json()["code"] == -1021
    assert signed(path, at=clock() - 9000, recvWindow=10_000).status_code == 200
    served.of(BinanceSwitches).clock_ahead_ms = 60_000
    assert signed(path).json()["code"] == -1021
    # Nothing of a proof is in the log.
    assert "signature" not in repr(served.log.entries)


def test_an_account_market_by_market(signed: Get, served: sandbox.Served) -> None:
    fills = signed("/api/v3/myTrades", symbol="BTCUSD", limit=1000).json()
    ids = [row["id"] for row in fills]
    assert ids == sorted(ids) and len({*ids}) == len(ids) > 20
    page = signed("/api/v3/myTrades", symbol="BTCUSD", fromId=ids[3], limit=5).json()
    assert [row["id"] for row in page] == ids[3:8]
    served.of(BinanceSwitches).short_pages = True
    assert len(signed("/api/v3/myTrades", symbol="BTCUSD", fromId=0, limit=70).json()) == 10
    assert signed("/api/v3/myTrades").json()["code"] == -1102
    placed = signed("/api/v3/allOrders", symbol="BTCUSD", limit=1000).json()
    assert {row["status"] for row in placed} <= {"NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED"}


def test_windows_of_transfers(
    signed: Get, served: sandbox.Served, clock: sandbox.ManualClock
) -> None:
    path = "/sapi/v1/capital/deposit/hisrec"
    newest = signed(path).json()
    assert newest == sorted(newest, key=lambda row: -row["insertTime"])
    assert signed(path, offset=1).json() == newest[1:]
    day = 24 * 60 * MINUTE
    long = signed(path, startTime=clock() - 91 * day, endTime=clock())
    assert long.json()["code"] == -4047
    moments = {row["insertTime"] for row in newest}
    some = max(moments)
    inside = signed(path, startTime=some, endTime=some).json()
    assert inside and {row["insertTime"] for row in inside} == {some}


def test_conversions_dividends_and_small_balances(
    signed: Get, served: sandbox.Served, clock: sandbox.ManualClock
) -> None:
    day, path = 24 * 60 * MINUTE, "/sapi/v1/convert/tradeFlow"
    window = {"startTime": clock() - 29 * day, "endTime": clock()}
    assert signed(path).json()["code"] == -1102
    assert signed(path, **{**window, "startTime": clock() - 31 * day}).json()["code"] == -4047
    found = signed(path, **window, limit=1000).json()
    times = [row["createTime"] for row in found["list"]]
    assert times == sorted(times, reverse=True) and len(times) > 5 and not found["moreData"]
    for keeps, kept in (("newest", times[:3]), ("oldest", times[-3:])):
        served.switch(lists_keep=keeps)
        cut = signed(path, **window, limit=3).json()
        assert [row["createTime"] for row in cut["list"]] == kept and cut["moreData"]
    served.switch()
    groups = signed("/sapi/v1/asset/dribblet").json()["userAssetDribblets"]
    assert groups and all(len(g["userAssetDribbletDetails"]) == 2 for g in groups)
    served.switch(dust_form="older")
    older = signed("/sapi/v1/asset/dribblet").json()["results"]["rows"]
    assert [row["tran_id"] for row in older] == [group["transId"] for group in groups]
    rewards = signed("/sapi/v1/asset/assetDividend", limit=500).json()
    assert rewards["total"] == len(rewards["rows"]) > 5
    served.switch(lists_missing=True)
    assert signed(path, **window).status_code == 404


def test_fiat_money(signed: Get, served: sandbox.Served) -> None:
    path = "/sapi/v1/fiat/orders"
    assert signed(path).json()["code"] == -1102
    all_of_it = signed(path, transactionType=0, rows=500).json()
    assert all_of_it["total"] == len(all_of_it["data"]) > 2
    second = signed(path, transactionType=0, rows=2, page=2).json()["data"]
    assert second == all_of_it["data"][2:4]
    early = {"beginTime": 1, "endTime": 2}
    assert "data" not in signed(path, transactionType=1, **early).json()
    served.switch(fiat_data_always=True)
    assert signed(path, transactionType=1, **early).json()["data"] == []
    for kind in (0, 1):
        for row in signed("/sapi/v1/fiat/payments", transactionType=kind).json()["data"]:
            money, coin, price = (
                float(row[name]) for name in ("sourceAmount", "obtainAmount", "price")
            )
            assert money / coin == pytest.approx(price)


def test_balances_are_the_sum_of_what_is_shown(signed: Get, served: sandbox.Served) -> None:
    """Also with fees in BNB and trades with oneself, which the world has none of."""
    served.switch(bnb_fees=True, self_trades=True)
    fills = signed("/api/v3/myTrades", symbol="BTCUSD", limit=1000).json()
    ids = [row["id"] for row in fills]
    assert len(ids) > len({*ids}) and {row["commissionAsset"] for row in fills} > {"BNB"}
    held = {row["asset"]: row for row in signed("/api/v3/account").json()["balances"]}
    assert {"BNB", "EUR"} <= {*held} and all(float(row["free"]) >= 0 for row in held.values())


@pytest.fixture
def limited(clock: sandbox.ManualClock) -> Iterator[sandbox.Served]:
    """An exchange whose weights count, by the minutes of a clock that is moved by hand."""
    tape = sandbox.tape.make(50, "BTC-USDT")
    clock.set(int(tape.times[-1]) // MINUTE * MINUTE + MINUTE)
    world = sandbox.World.replay({"BTC-USDT": tape}, clock)
    with sandbox.serve(world) as served:
        yield served


def test_weights_are_counted_by_minute_and_who_goes_on_is_banned(
    limited: sandbox.Served, clock: sandbox.ManualClock
) -> None:
    limited.switch(weight_per_minute=60, weight_of_others=10)

    def ask() -> httpx.Response:
        return httpx.get(f"{limited.base_url}/api/v3/trades?symbol=BTCUSDT")

    clock.advance(20)
    used = [ask().headers["x-mbx-used-weight-1m"] for _ in range(2)]
    assert used == ["35", "60"]
    refused = ask()
    assert (refused.status_code, refused.json()["code"]) == (429, -1003)
    assert refused.headers["retry-after"] == "40"
    clock.advance(40)
    assert ask().headers["x-mbx-used-weight-1m"] == "35"
    assert [ask().status_code for _ in range(8)] == [200, *[429] * 5, 418, 418]
    for form, header in (("header", "120"), ("zero", "0"), ("message", None)):
        limited.of(BinanceSwitches).retry_after = form  # type: ignore[assignment]
        banned = ask()
        assert (banned.status_code, banned.headers.get("retry-after")) == (418, header)
        assert ("banned until" in banned.json()["msg"]) == (form != "header")
    clock.advance(120)
    assert ask().status_code == 200


def test_a_place_that_is_not_served(api: Get, served: sandbox.Served) -> None:
    served.switch(blocked=True)
    answer = api("time")
    assert answer.status_code == 451 and "restricted location" in answer.json()["msg"]
