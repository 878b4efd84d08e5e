"""OKX as the sandbox speaks it: signatures, pages between cursors, two ledgers."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

import sandbox
from sandbox.okx import OkxSwitches

KEY = sandbox.KEYS["ccxt:okx"]
Rows = list[dict[str, Any]]


def headers(target: str, at: datetime, **changes: str) -> dict[str, str]:
    """As documented: HMAC-SHA256 of time, method and target, in base64."""
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
    made = hmac.new(KEY.secret.encode(), f"{stamp}GET{target}".encode(), hashlib.sha256).digest()
    sent = {"key": KEY.key, "sign": base64.b64encode(made).decode(), "timestamp": stamp}
    sent |= {"passphrase": KEY.passphrase or "", **changes}
    return {f"OK-ACCESS-{name.upper()}": value for name, value in sent.items()}


@pytest.fixture
def ask(http: httpx.Client, served: sandbox.Served) -> Any:
    """``ask("market/books", instId="BTC-USD")``: the rows; of a private call, signed."""

    def call(name: str, **query: Any) -> Rows:
        target = f"/api/v5/{name}" + (f"?{urlencode(query)}" if query else "")
        now = datetime.fromtimestamp(served.world.now() / 1000, UTC)
        answer = http.get(target, headers=headers(target, now)).json()
        assert answer["code"] == "0", answer
        found: Rows = answer["data"]
        return found

    return call


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "0"),
        ({"key": "x"}, "50111"),
        ({"sign": "x"}, "50113"),
        ({"passphrase": "x"}, "50105"),
        ({"passphrase": ""}, "50103"),
        ({"timestamp": "soon"}, "50112"),
        ({"timestamp": "2020-12-08T09:08:57.715Z"}, "50102"),
    ],
)
def test_a_call_is_signed(
    http: httpx.Client, served: sandbox.Served, changes: dict[str, str], code: str
) -> None:
    now = datetime.fromtimestamp(served.world.now() / 1000, UTC)
    target = "/api/v5/account/config"
    answer = http.get(target, headers=headers(target, now, **changes))
    assert answer.json()["code"] == code
    assert answer.status_code == (200 if code == "0" else 401)


def test_after_is_older_and_before_alone_is_the_newest_page(ask: Any) -> None:
    def ids(**query: Any) -> list[int]:
        rows = ask("market/history-trades", instId="BTC-USD", type=1, **query)
        return [int(row["tradeId"]) for row in rows]

    newest = ids(limit=500)
    top = newest[0]
    assert newest == [*range(top, top - 100, -1)]
    assert ids(after=top - 10, limit=3) == [top - 11, top - 12, top - 13]
    assert ids(before=5, limit=3) == [top, top - 1, top - 2]  # and not 6, 7, 8
    assert ids(before=5, after=9) == [8, 7, 6]
    assert ids(before=top) == []


def test_what_is_refused(http: httpx.Client, served: sandbox.Served) -> None:
    def code(target: str) -> str:
        found: str = http.get(f"/api/v5/{target}").json()["code"]
        return found

    assert code("market/books?instId=NO-SUCH") == "51001"
    assert code("market/books") == "50014"
    assert code("market/history-trades?instId=BTC-USD&type=2&before=1") == "50039"
    assert code("market/candles?instId=BTC-USD&bar=7m") == "51000"
    assert code("account/balance") == "50103"
    served.of(OkxSwitches).okx_maintenance = True
    assert code("public/time") == "50001"


def test_candles_leave_out_the_bounds_and_old_ones_are_in_another_list(ask: Any) -> None:
    def opened(name: str, **query: Any) -> list[int]:
        rows = ask(f"market/{name}", instId="BTC-USD", bar="1m", **query)
        return [int(row[0]) for row in rows]

    newest = opened("candles")
    assert len(newest) == 300 and newest == sorted(newest, reverse=True)
    assert opened("candles", after=newest[1], before=newest[4]) == newest[2:4]
    old = newest[0] - 2 * 86_400_000
    assert opened("candles", after=old) == []
    assert opened("history-candles", after=old)[0] < old


def test_both_ledgers_make_the_balances(ask: Any) -> None:
    totals: dict[str, float] = {}
    for name in ("asset/bills-history", "account/bills-archive"):
        after: dict[str, str] = {}
        seen: set[str] = set()
        while rows := [r for r in ask(name, **after) if r["billId"] not in seen]:
            for row in rows:
                totals[row["ccy"]] = totals.get(row["ccy"], 0) + float(row["balChg"])
            seen |= {row["billId"] for row in rows}
            is_funding = name.startswith("asset")
            after = {"after": str(int(rows[-1]["ts"]) + 1) if is_funding else rows[-1]["billId"]}
    held: dict[str, float] = {}
    for row in (*ask("account/balance")[0]["details"], *ask("asset/balances")):
        whole = row.get("cashBal") or row["bal"]
        held[row["ccy"]] = held.get(row["ccy"], 0) + float(whole)
    assert totals.keys() == held.keys()
    assert all(abs(totals[code] - held[code]) < 1e-6 for code in held)
