"""Kraken's dialect over HTTP, against the world behind it."""

import base64
import hashlib
import hmac
import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

import sandbox
from sandbox.jsontext import decode
from sandbox.kraken import KrakenSwitches
from sandbox.markets import text

Private = Callable[..., dict[str, Any]]
NONCES = itertools.count(10**12)


def public(http: httpx.Client, name: str, **query: object) -> Any:
    answer = decode(http.get(f"/0/public/{name}", params=query).content)  # type: ignore[arg-type]
    assert answer["error"] == [], answer
    return answer["result"]


@pytest.fixture
def private(http: httpx.Client) -> Private:
    """A signed call; the whole answer."""
    known = sandbox.KEYS["kraken"]

    def ask(name: str, nonce: int | None = None, **form: object) -> dict[str, Any]:
        path = f"/0/private/{name}"
        body = urlencode({"nonce": next(NONCES) if nonce is None else nonce, **form})
        digest = hashlib.sha256(body.split("&")[0][6:].encode() + body.encode()).digest()
        made = hmac.new(base64.b64decode(known.secret), path.encode() + digest, hashlib.sha512)
        headers = {
            "API-Key": known.key,
            "API-Sign": base64.b64encode(made.digest()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        found: dict[str, Any] = decode(http.post(path, content=body, headers=headers).content)
        return found

    return ask


def test_lists(http: httpx.Client) -> None:
    pairs = public(http, "AssetPairs")
    assert pairs["XXBTZUSD"]["altname"] == "XBTUSD" and pairs["XXBTZUSD"]["wsname"] == "XBT/USD"
    assert pairs["XXDGZUSD"]["status"] == "cancel_only" and len(pairs) == 5
    assets = public(http, "Assets")
    assert assets["XXBT"]["altname"] == "XBT" and assets["ZUSD"]["altname"] == "USD"
    assert public(http, "SystemStatus")["status"] == "online"


def test_trades_have_ids_without_holes(http: httpx.Client, served: sandbox.Served) -> None:
    newest = public(http, "Trades", pair="XBTUSD")
    rows = newest["XXBTZUSD"]
    tape = served.world.tapes["BTC-USD"]
    shown = len(tape.visible(served.world.now(), None, 0, 0))
    assert [int(row[6]) for row in rows] == [*range(shown - 999, shown + 1)]
    for row in rows[::97]:
        trade = tape.trade(int(row[6]) - 1)
        assert (row[0], row[1], row[3]) == (trade.price, trade.amount, trade.side[0])
    oldest = public(http, "Trades", pair="XBT/USD", since=0, count=7)["XXBTZUSD"]
    assert [int(row[6]) for row in oldest] == [*range(1, 8)]


@pytest.mark.parametrize("inclusive", [True, False])
def test_since(inclusive: bool, http: httpx.Client, served: sandbox.Served) -> None:
    served.switch(kraken_since_inclusive=inclusive, kraken_ns_step=0)
    first = public(http, "Trades", pair="XBTUSD", since=0, count=40)
    again = public(http, "Trades", pair="XBTUSD", since=first["last"])["XXBTZUSD"]
    top = int(first["XXBTZUSD"][-1][6])
    moment = [row for row in again if row[2] == first["XXBTZUSD"][-1][2]]
    assert (int(again[0][6]) <= top) == inclusive and bool(moment) == inclusive
    rounded = str(first["last"])[:10]
    in_seconds = public(http, "Trades", pair="XBTUSD", since=rounded, count=3)["XXBTZUSD"]
    assert all(Decimal(row[2]) >= int(rounded) for row in in_seconds)


def test_candles_are_the_newest_and_have_no_holes(
    http: httpx.Client, served: sandbox.Served
) -> None:
    found = public(http, "OHLC", pair="XBTUSD", interval=1)
    times = [int(row[0]) for row in found["XXBTZUSD"]]
    assert times == [*range(times[0], times[0] + 60 * 721, 60)]
    assert int(found["last"]) == times[-2]
    assert any(row[6] == "0.00000000" for row in found["XXBTZUSD"])
    assert sum(Decimal(row[6]) for row in found["XXBTZUSD"]) > 0


def test_snapshots(http: httpx.Client, served: sandbox.Served) -> None:
    ticker = public(http, "Ticker", pair="XBTUSD,ETHUSD")
    depth = public(http, "Depth", pair="ETHUSD", count=2)["XETHZUSD"]
    assert ticker["XETHZUSD"]["a"][0] == depth["asks"][0][0]
    assert ticker["XETHZUSD"]["b"][0] == depth["bids"][0][0] and len(depth["bids"]) == 2


def test_errors_have_status_200(http: httpx.Client, private: Private) -> None:
    for answer, error in (
        (http.get("/0/public/Trades?pair=NOSUCH").json(), "EQuery:Unknown asset pair"),
        (http.get("/0/public/OHLC?pair=XBTUSD&interval=7").json(), "EGeneral:Invalid arguments"),
        (http.get("/0/public/Nothing").json(), "EGeneral:Unknown method"),
        (private("AddOrder", pair="XBTUSD"), "EGeneral:Unknown method"),
        (http.post("/0/private/Ledgers").json(), "EAPI:Invalid key"),
        (private("Ledgers", nonce=5), "EAPI:Invalid nonce"),
    ):
        if error.endswith("nonce"):
            private("Ledgers", nonce=5)
            answer = private("Ledgers", nonce=5)
        assert answer["error"][0].startswith(error)


def test_a_wrong_signature_and_maintenance(http: httpx.Client, served: sandbox.Served) -> None:
    headers = {"API-Key": sandbox.KEYS["kraken"].key, "API-Sign": "AAAA"}
    answer = http.post("/0/private/Ledgers", content="nonce=1", headers=headers).json()
    assert answer == {"error": ["EAPI:Invalid signature"]}
    served.of(KrakenSwitches).kraken_maintenance = True
    answer = http.get("/0/public/Trades?pair=XBTUSD")
    assert (answer.status_code, answer.json()) == (200, {"error": ["EService:Unavailable"]})
    assert public(http, "SystemStatus")["status"] == "maintenance"


def test_histories_are_pages_from_the_newest_row(private: Private, served: sandbox.Served) -> None:
    account = served.world.accounts["beta"]
    fills = account.fills(served.world.now())
    page = private("TradesHistory", consolidate_taker="false")["result"]
    assert int(page["count"]) == len(fills) and len(page["trades"]) == 50
    times = [Decimal(row["time"]) for row in page["trades"].values()]
    assert times == sorted(times, reverse=True)
    following = private("TradesHistory", consolidate_taker="false", ofs=50)["result"]["trades"]
    assert not set(page["trades"]) & set(following)
    merged = int(private("TradesHistory")["result"]["count"])
    assert merged < len(fills)
    oldest = list(page["trades"])[-1]
    until = private("TradesHistory", consolidate_taker="false", end=oldest)["result"]
    assert oldest in until["trades"] and int(until["count"]) < len(fills)


@pytest.mark.parametrize(
    ("habits", "others"),
    [
        ({}, set()),
        ({"kraken_rewards": True}, {"staking", "earn", "dividend", "transfer", "spend", "receive"}),
        ({"kraken_margin": True}, {"margin", "rollover", "settled", "collateralconversion"}),
    ],
    ids=["spot", "rewards", "margin"],
)
def test_the_ledger_chains_and_ends_in_the_balances(
    habits: dict[str, bool], others: set[str], private: Private, served: sandbox.Served
) -> None:
    served.switch(**habits)
    rows: dict[str, Any] = {}
    count, page = 1, 0
    while len(rows) < count:
        found = private("Ledgers", ofs=page * 50)["result"]
        rows |= found["ledger"]
        count, page = int(found["count"]), page + 1
    held: dict[str, Decimal] = {}
    for row in sorted(rows.values(), key=lambda row: Decimal(row["time"])):
        change = Decimal(row["amount"]) - Decimal(row["fee"])
        held[row["asset"]] = held.get(row["asset"], Decimal(0)) + change
    balances = private("BalanceEx")["result"]
    assert {name: Decimal(row["balance"]) for name, row in balances.items()} == held
    now = served.world.now()
    reserved = {
        c: text(held) for c, (_, held) in served.world.accounts["beta"].balances(now).items()
    }
    assert balances["XXBT"]["hold_trade"] == reserved["BTC"]
    types = {row["type"] for row in rows.values()}
    assert types >= {"trade", "deposit", "withdrawal"} | others
    assert bool(habits) or types == {"trade", "deposit", "withdrawal"}


def test_orders_are_open_or_closed(private: Private, served: sandbox.Served) -> None:
    now = served.world.now()
    orders = [o for o in served.world.accounts["beta"].orders if o.created <= now]
    opened = private("OpenOrders")["result"]["open"]
    closed = private("ClosedOrders")["result"]
    assert len(opened) == sum(o.is_open(now) for o in orders)
    assert int(closed["count"]) == len(orders) - len(opened)
    assert {row["status"] for row in closed["closed"].values()} <= {"closed", "canceled"}


def test_a_key_has_a_counter(private: Private, served: sandbox.Served) -> None:
    served.limits.enabled = True
    served.limits.clock = lambda: 100.0
    answers = [private("Ledgers")["error"] for _ in range(8)]
    assert answers == [[]] * 7 + [["EAPI:Rate limit exceeded"]]
    served.limits.clock = lambda: 108.0
    assert private("BalanceEx")["error"] == []
