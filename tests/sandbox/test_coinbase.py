"""Coinbase's dialect over HTTP: cursors, candles, refusals and signatures, against the world."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx
import pytest

import sandbox
from sandbox.coinbase import CoinbaseSwitches
from sandbox.coinbase.private import balances

HOUR = 3600
KEY = sandbox.KEYS["coinbase"]
# printf '%s' '1767225600GET/fees' | openssl dgst -sha256 -mac HMAC \
#   -macopt hexkey:$(printf %s "$SECRET" | base64 -d | xxd -p -c 99) -binary | base64
BY_OPENSSL = "hLZOKFgaq72jGXdHyl/U67CoWVrwizPDYl/FIqVH0fM="

Signed = Callable[..., httpx.Response]


def ids(answer: httpx.Response) -> list[int]:
    return [row["trade_id"] for row in answer.json()]


@pytest.fixture
def signed(http: httpx.Client, served: sandbox.Served) -> Signed:
    """``signed("/fills?product_id=BTC-USD")``: a call with the time of the world."""

    def call(target: str, late: float = 0, **changed: str) -> httpx.Response:
        stamp = f"{served.world.now() / 1000 - late:.3f}"
        message = f"{stamp}GET{target}".encode()
        made = hmac.new(base64.b64decode(KEY.secret), message, hashlib.sha256).digest()
        headers = {
            "CB-ACCESS-KEY": KEY.key,
            "CB-ACCESS-SIGN": base64.b64encode(made).decode(),
            "CB-ACCESS-TIMESTAMP": stamp,
            "CB-ACCESS-PASSPHRASE": KEY.passphrase or "",
        }
        return http.get(target, headers=headers | {f"CB-ACCESS-{k}": v for k, v in changed.items()})

    return call


def test_cursors_are_exclusive_and_named_in_the_headers(http: httpx.Client) -> None:
    newest = http.get("/products/BTC-USD/trades?limit=5")
    head = ids(newest)[0]
    assert ids(newest) == list(range(head, head - 5, -1))
    assert (newest.headers["cb-before"], newest.headers["cb-after"]) == (str(head), str(head - 4))
    assert newest.headers["cache-control"] == "public, max-age=1"
    assert ids(http.get("/products/BTC-USD/trades?before=4&after=9")) == [8, 7, 6, 5]
    assert ids(http.get("/products/BTC-USD/trades?after=3")) == [2, 1]
    empty = http.get(f"/products/BTC-USD/trades?before={head}")
    assert empty.json() == [] and "cb-before" not in empty.headers
    assert http.get("/products/BTC-USD/trades?after=x").status_code == 400
    assert http.get("/products/NO-SUCH/trades").json() == {"message": "NotFound"}


def test_before_alone_keeps_either_end(http: httpx.Client, served: sandbox.Served) -> None:
    head = ids(http.get("/products/BTC-USD/trades"))[0]
    assert ids(http.get("/products/BTC-USD/trades?before=9&limit=3")) == [head, head - 1, head - 2]
    served.of(CoinbaseSwitches).cb_before_alone = "oldest"
    assert ids(http.get("/products/BTC-USD/trades?before=9&limit=3")) == [12, 11, 10]
    served.of(CoinbaseSwitches).cb_over_most = "refuse"
    assert http.get("/products/BTC-USD/trades?limit=1001").status_code == 400


def test_trades_are_the_tape_with_the_makers_side(
    http: httpx.Client, served: sandbox.Served
) -> None:
    rows = http.get("/products/ETH-USD/trades?after=51").json()
    for row, trade in zip(
        rows[::-1], list(served.world.tapes["ETH-USD"].trades())[:50], strict=True
    ):
        assert (row["price"], row["size"]) == (trade.price, trade.amount)
        assert row["side"] == {"buy": "sell", "sell": "buy"}[trade.side]
        assert not row["time"].endswith("0Z") or ":" in row["time"][-4:]


def test_candles_want_both_bounds_and_at_most_300(
    http: httpx.Client, served: sandbox.Served
) -> None:
    call = "/products/BTC-USD/candles?granularity=60"
    newest = http.get(call).json()
    assert len(newest) == 300 and newest[0][0] > newest[-1][0]
    assert http.get(f"{call}&start=2025-12-30T00:00:00Z").json() == newest
    two = http.get(f"{call}&start=2025-12-31T00:00:00Z&end=2025-12-31T00:59:00Z").json()
    assert two and {row[0] // 3600 for row in two} == {1767139200 // 3600}
    wide = http.get(f"{call}&start=2025-12-31T00:00:00Z&end=2025-12-31T05:00:00Z")
    assert wide.status_code == 400 and "exceeds 300" in wide.json()["message"]
    assert http.get("/products/BTC-USD/candles?granularity=61").status_code == 400


def test_what_is_not_signed_rightly_is_refused(signed: Signed, http: httpx.Client) -> None:
    assert signed("/fees").json()["taker_fee_rate"] == "0.00255000"
    assert http.get("/fees").json() == {"message": "Invalid API Key"}
    refused: list[tuple[dict[str, Any], int, str]] = [
        ({"KEY": "x"}, 401, "Invalid API Key"),
        ({"SIGN": "x"}, 401, "invalid signature"),
        ({"PASSPHRASE": "x"}, 401, "Invalid Passphrase"),
        ({"late": 31}, 400, "request timestamp expired"),
        ({"late": -31}, 400, "request timestamp expired"),
    ]
    for changed, status, text in refused:
        answer = signed("/fees", **changed)
        assert (answer.status_code, answer.json()) == (status, {"message": text})
    assert signed("/fees", late=29).status_code == 200
    assert signed("/fills").status_code == 400


def test_the_signature_that_openssl_makes(http: httpx.Client) -> None:
    headers = {
        "CB-ACCESS-KEY": KEY.key,
        "CB-ACCESS-SIGN": BY_OPENSSL,
        "CB-ACCESS-TIMESTAMP": "1767225600",
        "CB-ACCESS-PASSPHRASE": KEY.passphrase or "",
    }
    assert http.get("/fees", headers=headers).status_code == 200


def test_the_account(signed: Signed, served: sandbox.Served) -> None:
    now, account = served.world.now(), served.world.accounts[KEY.owner]
    rows = signed("/fills?product_id=LTC-BTC&limit=1000").json()
    assert [row["trade_id"] for row in rows[::-1]] == sorted(
        f.at + 1 for o, f in account.fills(now) if o.market.symbol == "LTC-BTC"
    )
    wide = {len(row["fee"].partition(".")[2].rstrip("0")) for row in rows}
    assert max(wide) > 12
    assert {row["status"] for row in signed("/orders").json()} == {"open"}
    assert {row["status"] for row in signed("/orders?status=all").json()} == {"open", "done"}
    held, hold = balances(account, now)
    for row in signed("/accounts").json():
        code = row["currency"]
        assert row["balance"].replace(".", "").lstrip("0") == str(held[code] or "")
        assert float(row["hold"]) == hold[code] / 10**16
    moves = signed("/transfers?limit=2").json()
    after = moves[-1]["created_at"]
    assert after.endswith("007+00") and " " in after
    older = signed(f"/transfers?after={after.replace(' ', '%20').replace('+', '%2B')}").json()
    assert older and all(row["created_at"] < after for row in older)


def test_a_ledger_is_of_one_currency_and_of_the_last_day(
    signed: Signed, served: sandbox.Served
) -> None:
    (usd,) = [row for row in signed("/accounts").json() if row["currency"] == "USD"]
    path = f"/accounts/{usd['id']}/ledger"
    dates = "start_date=2020-01-01T00:00:00Z&end_date=2030-01-01T00:00:00Z"
    whole = signed(f"{path}?{dates}&limit=1000").json()
    assert {e["type"] for e in whole} == {"transfer", "match", "fee", "rebate", "conversion"}
    ids = [int(e["id"]) for e in whole]
    assert ids == sorted(ids, reverse=True)
    # Each balance is the one before and the amount; the last is what the account has.
    for newer, older in pairwise(whole):
        difference = Decimal(newer["balance"]) - Decimal(older["balance"])
        assert difference == Decimal(newer["amount"])
    assert Decimal(whole[0]["balance"]) == Decimal(usd["balance"])
    assert 0 < len(signed(f"{path}?limit=1000").json()) < len(whole)
    page = signed(f"{path}?{dates}&limit=5&after={ids[4]}")
    assert [int(e["id"]) for e in page.json()] == ids[5:10]
    assert page.headers["cb-after"] == str(ids[9])
    one = f"{path}?limit=1000&start_date=2020-01-01T00:00:00Z"
    assert signed(one).json() == whole
    served.of(CoinbaseSwitches).cb_one_date = "ignored"
    assert len(signed(one).json()) < len(whole)
    assert signed("/accounts/nothing/ledger").status_code == 404


def test_too_many_calls(served: sandbox.Served, http: httpx.Client) -> None:
    served.limits.enabled, served.limits.clock = True, lambda: 0.0
    statuses = [http.get("/products/BTC-USD/book").status_code for _ in range(16)]
    assert statuses[:15] == [200] * 15 and statuses[15] == 429
    assert http.get("/time").json() == {"message": "Public rate limit exceeded"}
