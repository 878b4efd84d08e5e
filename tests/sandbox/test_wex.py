"""Every reading call of WEX over HTTP, against the world behind it."""

from typing import Any

import httpx

import sandbox
from sandbox.jsontext import decode, plain
from sandbox.markets import text
from sandbox.wex import WexSwitches


def v3(http: httpx.Client, path: str) -> Any:
    return decode(http.get(f"/api/3/{path}").content)


def test_info_leaves_out_the_disabled_pair(http: httpx.Client) -> None:
    info = v3(http, "info")
    assert set(info["pairs"]) == {"btc_usd", "eth_usd", "ltc_btc", "eth_btc"}
    assert info["pairs"]["eth_btc"]["fee"] == "0.1"
    assert info["server_time"] == "1767225600"


def test_trades_are_the_newest_rows_of_the_tape(http: httpx.Client, served: sandbox.Served) -> None:
    answer = v3(http, "trades/btc_usd-ltc_btc?limit=5000")
    for pair, symbol in (("btc_usd", "BTC-USD"), ("ltc_btc", "LTC-BTC")):
        tape = served.world.tapes[symbol]
        shown = served.world.visible(symbol, served.world.now(), served.paging)[::-1][:5000]
        assert [
            (int(r["tid"]), int(r["timestamp"]), r["type"], r["price"], r["amount"])
            for r in answer[pair]
        ] == [
            (t.id, t.timestamp // 1000, {"buy": "bid", "sell": "ask"}[t.side], plain(t.price),
             plain(t.amount))
            for t in map(tape.trade, shown)
        ]  # fmt: skip
    assert len(v3(http, "trades/btc_usd")["btc_usd"]) == 150
    served.of(WexSwitches).wex_trades_max = 2000
    assert len(v3(http, "trades/btc_usd?limit=5000")["btc_usd"]) == 2000


def test_ticker_has_ask_and_bid_the_other_way_round(http: httpx.Client) -> None:
    ticker = v3(http, "ticker/eth_usd")["eth_usd"]
    book = v3(http, "depth/eth_usd?limit=3")["eth_usd"]
    assert len(book["asks"]) == len(book["bids"]) == 3
    assert ticker["buy"] == book["asks"][0][0] and ticker["sell"] == book["bids"][0][0]


def test_errors_of_pair_lists(http: httpx.Client) -> None:
    for path, error in (
        ("trades/btc_usd-btc_usd", "Duplicated pair name: btc_usd"),
        ("ticker/btc_xxx", "Invalid pair name: btc_xxx"),
        ("ticker/doge_usd", "Invalid pair name: doge_usd"),
        ("depth/", "Empty pair list"),
        ("depth/btc_xxx?ignore_invalid=1", "Empty pair list"),
        ("nothing", "Invalid method"),
    ):
        assert http.get(f"/api/3/{path}").json() == {"success": 0, "error": error}
    assert set(v3(http, "ticker/btc_xxx-btc_usd?ignore_invalid=1")) == {"btc_usd"}


def test_get_info_and_orders(tapi: Any, served: sandbox.Served) -> None:
    now, account = served.world.now(), served.world.accounts["beta"]
    info = tapi("getInfo")["return"]
    assert info["server_time"] == now // 1000
    funds = {c.lower(): float(plain(text(a))) for c, (a, _) in account.balances(now).items()}
    assert info["funds"] == funds | {"doge": 0}
    active = tapi("ActiveOrders")["return"]
    assert len(active) == info["open_orders"] > 0
    number, row = next(iter(active.items()))
    detail = tapi("OrderInfo", order_id=number)["return"][number]
    assert {k: detail[k] for k in row} == row and detail["start_amount"] >= row["amount"]
    past = [o.id for o in account.orders if o.created <= now][-60:]
    statuses = {tapi("OrderInfo", order_id=i)["return"][str(i)]["status"] for i in past}
    assert statuses == {0, 1, 2, 3}
    assert tapi("OrderInfo", order_id=1) == {"success": 0, "error": "invalid order"}
    quiet = [p for p in ("btc_usd", "eth_usd", "ltc_btc", "eth_btc")
             if p not in {r["pair"] for r in active.values()}]  # fmt: skip
    for pair in quiet:
        assert tapi("ActiveOrders", pair=pair) == {"success": 0, "error": "no orders"}


def test_trade_history_is_walked_by_id(tapi: Any, served: sandbox.Served) -> None:
    fills = served.world.accounts["beta"].fills(served.world.now())
    newest = tapi("TradeHistory")["return"]
    assert [int(i) for i in newest] == [f.trade_id for _, f in reversed(fills)][:1000]
    ids = sorted(int(i) for i in newest)
    older = tapi("TradeHistory", end_id=ids[0], count=10)["return"]
    assert str(ids[0]) in older and all(int(i) <= ids[0] for i in older)
    rising = tapi("TradeHistory", from_id=ids[5], order="ASC", count=3)["return"]
    assert [int(i) for i in rising] == ids[5:8]
    assert len(tapi("TradeHistory", **{"from": 2, "count": 4})["return"]) == 4
    assert tapi("TradeHistory", from_id=10**12) == {"success": 0, "error": "no trades"}
    by_id = {f.trade_id: (o, f) for o, f in fills}
    for number, row in newest.items():
        order, fill = by_id[int(number)]
        assert row["type"] == ("buy" if order.buy else "sell")
        assert (row["order_id"] == order.id) == bool(row["is_your_order"]) == fill.maker
        assert row["rate"] == float(text(fill.price))


def test_since_forces_ascending_order_and_reaches_back_a_week(
    tapi: Any, clock: sandbox.ManualClock
) -> None:
    rows = tapi("TradeHistory", since=1, count=5)["return"]
    assert list(rows) == sorted(rows, key=int)
    oldest = min(int(row["timestamp"]) for row in rows.values())
    clock.advance(6 * 86_400)
    again = tapi("TradeHistory", since=1, count=5, order="DESC")["return"]
    assert list(again) == sorted(again, key=int)
    assert min(int(row["timestamp"]) for row in again.values()) > clock() // 1000 - 7 * 86_400
    assert min(int(row["timestamp"]) for row in again.values()) > oldest


def test_trans_history(tapi: Any, clock: sandbox.ManualClock) -> None:
    rows = tapi("TransHistory")["return"]
    assert {row["type"] for row in rows.values()} <= {1, 2, 4, 5}
    waiting = {number for number, row in rows.items() if row["status"] in (1, 3)}
    assert waiting
    clock.advance(3600)
    later = tapi("TransHistory", from_id=min(map(int, waiting)), order="ASC")["return"]
    assert {later[number]["status"] for number in waiting} == {0, 2}
    assert tapi("TransHistory", from_id=10**12)["error"] == "no transactions"
    first = tapi("TransHistory", order="ASC", count=1)["return"]
    assert next(iter(first.values()))["desc"].endswith("payment")


def test_coin_deposit_address(tapi: Any) -> None:
    assert tapi("CoinDepositAddress", coinName="BTC")["return"]["address"].startswith("1SANDBOX")
    assert tapi("CoinDepositAddress", coinName="USD")["success"] == 0


def test_both_dialects_speak_of_one_world(tapi: Any, private: Any) -> None:
    bitexbit = {r["id"] for r in private("trades", "bitexbit:second", limit=1000).json()}
    assert bitexbit == set(map(int, tapi("TradeHistory")["return"]))
