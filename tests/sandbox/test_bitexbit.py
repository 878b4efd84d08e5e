"""Every reading call of BitexBit over HTTP, against the world behind it."""

from typing import Any

import sandbox
from sandbox.bitexbit import BitexBitSwitches
from sandbox.markets import text


def test_reference_data(public: Any) -> None:
    pairs = public("pairs").json()
    by_name = {p["symbol"]: p for p in pairs}
    assert list(by_name) == ["BTC_USD", "ETH_USD", "LTC_BTC", "ETH_BTC", "DOGE_USD"]
    assert by_name["BTC_USD"]["is_enabled"] and not by_name["DOGE_USD"]["is_enabled"]
    assert public("pairs/BTC_USD").json() == by_name["BTC_USD"]
    currencies = public("currencies").json()
    assert public("currency/ETH").json() == next(c for c in currencies if c["code"] == "ETH")
    for missing in ("pairs/XXX_USD", "currency/XXX", "nothing"):
        assert public(missing).status_code == 404


def test_trades_are_the_rows_of_the_tape(public: Any, served: sandbox.Served) -> None:
    now = served.world.now()
    tape = served.world.tapes["ETH-USD"]
    shown = [tape.trade(i) for i in served.world.visible("ETH-USD", now, served.paging)]
    rows: list[dict[str, Any]] = []
    upper = None
    while True:
        more: dict[str, int] = {} if upper is None else {"until_id": upper}
        page = public("trades", symbol="ETH_USD", limit=1000, **more).json()
        rows += page
        if len(page) < 1000:
            break
        upper = page[-1]["id"] - 1
    assert [(r["id"], r["date"], r["type"], r["price"], r["amount"]) for r in reversed(rows)] == [
        (t.id, t.timestamp, t.side, t.price, t.amount) for t in shown
    ]
    assert len(tape) >= len(shown)  # the tape is made ahead; the future is not shown


def test_time_brings_new_trades(public: Any, clock: sandbox.ManualClock) -> None:
    before = public("trades", symbol="BTC_USD", limit=1).json()[0]
    clock.advance(600)
    page = public("trades", symbol="BTC_USD", since_id=before["id"], limit=1000).json()
    assert page[-1] == before and len(page) > 1


def test_trades_by_side_and_over_all_markets(public: Any) -> None:
    sells = public("trades", symbol="BTC_USD", type="sell", limit=50).json()
    assert {row["type"] for row in sells} == {"sell"} and len(sells) == 50
    every = public("trades", limit=300).json()
    ids = [row["id"] for row in every]
    assert ids == sorted(ids, reverse=True) and len({r["symbol"] for r in every}) == 4


def test_candles(public: Any, served: sandbox.Served) -> None:
    rows = public("ohlcv", symbol="LTC_BTC", timeframe="5", limit=1000).json()
    expected = served.world.candles("LTC-BTC", served.world.now(), 300_000, served.paging)
    assert rows == [
        [c.time // 1000, *(text(v) for v in (c.open, c.high, c.low, c.close, c.volume))]
        for c in expected[-1000:]
    ]
    day = public("ohlcv", symbol="LTC_BTC", timeframe="D").json()
    assert len(day) == 3
    window = public(
        "ohlcv", symbol="LTC_BTC", timeframe="5", since=rows[3][0] * 1000, until=rows[8][0] * 1000
    ).json()
    assert window == rows[3:9]


def test_tickers_and_depth(public: Any, served: sandbox.Served) -> None:
    assert len(public("tickers").json()) == 4
    row = public("tickers", symbols="BTC_USD,ETH_BTC").json()[0]
    book = public("depth", symbol="BTC_USD", limit=5).json()
    assert len(book["asks"]) == len(book["bids"]) == 5
    assert float(row["buy"]) == book["bids"][0][0] and float(row["sell"]) == book["asks"][0][0]
    last = public("trades", symbol="BTC_USD", limit=1).json()[0]
    assert (row["last"], row["date"]) == (last["price"], last["date"])


def test_bad_requests_say_what_is_wrong(public: Any) -> None:
    for name, params, part in (
        ("tickers", {"symbols": "A_B,C_D,E_F,G_H,I_J,K_L"}, "at most 5"),
        ("trades", {"symbol": "NO_NO"}, "NO_NO"),
        ("trades", {"symbol": "BTC_USD", "limit": 1001}, "1000"),
        ("trades", {"symbol": "BTC_USD", "since_id": "x"}, "since_id"),
        ("trades", {"symbol": "BTC_USD", "type": "x"}, "type"),
        ("ohlcv", {"symbol": "BTC_USD", "timeframe": "7"}, "timeframe"),
        ("ohlcv", {"timeframe": "5"}, "symbol"),
        ("depth", {"symbol": "BTC_USD", "limit": 51}, "50"),
    ):
        answer = public(name, **params)
        assert answer.status_code == 400 and part in answer.json()["detail"]


def test_public_orders_make_the_book(public: Any) -> None:
    active = public("orders", symbol="BTC_USD", status="active", limit=1000).json()
    book = public("depth", symbol="BTC_USD", limit=50).json()
    bids = sorted({float(o["price"]) for o in active if o["type"] == "buy-limit"}, reverse=True)
    assert bids[:50] == [price for price, _ in book["bids"]]
    states = {o["state"] for o in public("orders", symbol="BTC_USD", limit=1000).json()}
    assert {"submitted", "filled", "canceled"} <= states


def test_account_calls_agree(public: Any, private: Any, served: sandbox.Served) -> None:
    fills = private("trades", limit=1000).json()
    assert len(fills) > 500
    for fill in fills[:20]:
        bounds = {"since_id": fill["id"], "until_id": fill["id"]}
        (row,) = public("trades", symbol=fill["symbol"], **bounds).json()
        assert {k: row[k] for k in ("id", "date", "price", "amount")} == {
            k: fill[k] for k in ("id", "date", "price", "amount")
        }
    orders = private("orders", limit=1000).json()
    done = next(o for o in orders if o["state"] == "filled")
    own = private(f"orders/{done['id']}/trades").json()
    assert own and {f["id"] for f in own} <= {f["id"] for f in fills}
    for order in orders:
        assert (order["done_at"] is None) == (order["state"] in ("submitted", "partial-filled"))
    balances = private("balance").json()
    now = served.world.now()
    assert {b["symbol"]: (b["available"], b["reserved"]) for b in balances} == {
        c: (text(a), text(r)) for c, (a, r) in served.world.accounts["alpha"].balances(now).items()
    }
    assert [b["symbol"] for b in private("balance", symbols="BTC,LTC").json()] == ["BTC", "LTC"]
    fees = private("trading-fees").json()
    assert fees["buy_fee_rate"] == "0.00200000"
    assert fees["pair_fee_rates"][0]["symbol"] == "ETH_BTC"


def test_transfers_come_in_pages(
    private: Any, served: sandbox.Served, clock: sandbox.ManualClock
) -> None:
    served.of(BitexBitSwitches).transfers_page = 5
    first = private("transfers").json()
    assert first["previous"] is None and first["count"] > 5
    rows, number = list(first["results"]), 2
    following = first["next"]
    while following:
        assert following == f"{served.base_url}/api/v2/private/transfers?page={number}"
        page = private("transfers", page=number).json()
        rows, following, number = rows + page["results"], page["next"], number + 1
    assert len(rows) == first["count"] == len({row["txid"] for row in rows})
    assert private("transfers", page=99).status_code == 404
    waiting = {r["txid"] for r in rows if r["status"]["key"] == 10}
    clock.advance(3600)
    served.of(BitexBitSwitches).transfers_page = 100
    later = {r["txid"]: r["status"]["key"] for r in private("transfers").json()["results"]}
    assert waiting and {later[t] for t in waiting} == {20, 30}
    served.of(BitexBitSwitches).transfers_paging = "offset"
    assert "offset=" in private("transfers", limit=2).json()["next"]
    served.of(BitexBitSwitches).transfers = False
    assert private("transfers").status_code == 404
