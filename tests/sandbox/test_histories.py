"""The switches that change what an exchange shows in mid-history, each on a running server."""

from typing import Any

import httpx
import pytest

import sandbox
from sandbox import Fault
from sandbox.bitexbit import BitexBitSwitches
from sandbox.wex import WexSwitches


@pytest.fixture
def trades(public: Any) -> Any:
    """A page of trades of one market."""

    def call(symbol: str = "BTC_USD", **params: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = public("trades", symbol=symbol, **params).json()
        return rows

    return call


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


def test_limit_is_applied_before_the_market(
    trades: Any, public: Any, served: sandbox.Served
) -> None:
    thin = trades("LTC_BTC", limit=50)
    of_all = public("trades", limit=50).json()
    assert len(thin) == 50
    served.paging.filters_after_limit = True
    few = trades("LTC_BTC", limit=50)
    assert few == [row for row in of_all if row["symbol"] == "LTC_BTC"] and 0 < len(few) < 50
    window = {"since_id": thin[-1]["id"], "until_id": thin[-1]["id"]}
    assert trades("LTC_BTC", limit=50, **window) == thin[-1:]
    orders = public("orders", symbol="LTC_BTC", limit=100).json()
    assert 0 < len(orders) < 100 and {row["symbol"] for row in orders} == {"LTC_BTC"}
    served.paging.filters_after_limit = False
    assert trades("LTC_BTC", limit=50) == thin


def test_the_page_cap_falls_and_rows_of_a_moment_come_in_any_order(
    trades: Any, private: Any, tapi: Any, served: sandbox.Served
) -> None:
    whole = trades(limit=1000)
    served.paging.sorts_by = "time"
    mixed = trades(limit=1000)
    times = [row["date"] for row in mixed]
    assert times == sorted(times, reverse=True)
    assert ids(mixed) != sorted(ids(mixed), reverse=True)
    assert set(ids(mixed[:900])) <= set(ids(whole))
    served.paging.page_cap = 400
    assert trades(limit=1000) == mixed[:400]
    served.paging.limit_keeps = "oldest"
    oldest = trades(limit=1000)
    assert [row["date"] for row in oldest] == sorted((r["date"] for r in oldest), reverse=True)
    assert oldest[0]["date"] < mixed[-1]["date"] and len(oldest) == 400
    served.switch(sorts_by="time")
    for rows in (private("trades", limit=1000).json(), private("orders", limit=1000).json()):
        assert [r["date"] for r in rows] == sorted((r["date"] for r in rows), reverse=True)
    fills = tapi("TradeHistory")["return"]
    assert list(fills) != sorted(fills, key=int, reverse=True)
    served.switch()
    assert trades(limit=1000) == whole


def test_a_stretch_is_not_shown_for_a_while(
    trades: Any, public: Any, tapi: Any, served: sandbox.Served, clock: sandbox.ManualClock
) -> None:
    whole = trades(limit=60)
    newer, older = whole[20]["id"], whole[40]["id"]
    served.paging.hidden_ids = older, newer
    served.paging.hidden_until = clock() + 600_000
    assert trades(since_id=older, until_id=newer) == []
    assert trades(since_id=whole[-1]["id"]) == whole[:20] + whole[41:]
    clock.advance(600)
    assert trades(since_id=whole[-1]["id"], until_id=whole[0]["id"]) == whole
    fills = list(map(int, tapi("TradeHistory", count=30)["return"]))
    served.switch(hidden_ids=(fills[-1], fills[0]))
    answer = tapi("TradeHistory", from_id=fills[-1], end_id=fills[0])
    assert answer == {"success": 0, "error": "no trades"}
    candles = public("ohlcv", symbol="BTC_USD", timeframe="60").json()
    hidden = candles[5][0] * 1000, candles[8][0] * 1000
    served.switch(hidden_ms=hidden)
    assert public("ohlcv", symbol="BTC_USD", timeframe="60").json() == candles[:5] + candles[9:]
    times = [row["date"] for row in trades(until=candles[12][0] * 1000, limit=1000)]
    assert times and not any(hidden[0] <= time <= hidden[1] for time in times)


def test_a_row_without_readable_id_and_all_but_the_first(
    trades: Any, tapi: Any, http: httpx.Client, served: sandbox.Served
) -> None:
    served.paging.ignored = frozenset({"since_id", "until_id"})
    whole = trades(limit=9)
    assert trades(limit=9, since_id=10**12) == whole
    served.faults.add(
        Fault("malformed", spoil=("id", "null"), rows=slice(4, 5)),
        Fault("malformed", spoil=("id", '"?"'), rows=slice(1, None)),
    )
    assert ids(trades(limit=9)) == [*ids(whole)[:4], None, *ids(whole)[5:]]
    assert ids(trades(limit=9)) == [whole[0]["id"], *["?"] * 8]
    newest = http.get("/api/3/trades/btc_usd?limit=3").json()["btc_usd"]
    fills = list(tapi("TradeHistory", count=3)["return"])
    served.faults.add(
        Fault("malformed", path="/api/3/trades", spoil=("id", '"?"'), rows=slice(1, None)),
        Fault("malformed", path="TradeHistory", spoil=("id", '"?"'), rows=slice(1, None)),
    )
    spoilt = http.get("/api/3/trades/btc_usd?limit=3").json()["btc_usd"]
    assert [row["tid"] for row in spoilt] == [newest[0]["tid"], "?", "?"]
    keys = list(tapi("TradeHistory", count=3)["return"])
    assert keys[0] == fills[0] and not any(key.isdecimal() for key in keys[1:])
    assert len(set(keys)) == 3


def test_the_unit_of_candle_bounds_changes(public: Any, served: sandbox.Served) -> None:
    candles = public("ohlcv", symbol="BTC_USD", timeframe="60", limit=20).json()
    first = candles[0][0]

    def since(bound: int) -> Any:
        return public("ohlcv", symbol="BTC_USD", timeframe="60", since=bound).json()

    assert since(first * 1000) == candles
    served.of(BitexBitSwitches).time_unit = "s"
    assert since(first * 1000) == [] and since(first) == candles
    served.of(BitexBitSwitches).time_unit = "ms"
    assert len(since(first)) > len(candles)  # seconds read as milliseconds: from 1970


def test_a_refusal_in_words(tapi: Any, public: Any, served: sandbox.Served) -> None:
    text = "The exchange is under maintenance, try again"
    order = served.world.accounts["beta"].orders[0].id
    served.faults.add(Fault("refusal", path="OrderInfo", text=text))
    assert tapi("OrderInfo", order_id=order) == {"success": 0, "error": text}
    assert tapi("OrderInfo", order_id=order)["success"] == 1
    served.faults.add(Fault("refusal", path="/public/", text=text, status=400))
    answer = public("trades", symbol="BTC_USD")
    assert (answer.status_code, answer.json()) == (400, {"detail": text})


def test_a_market_is_relisted_with_ids_from_1(
    trades: Any, public: Any, http: httpx.Client, clock: sandbox.ManualClock
) -> None:
    world = sandbox.World(seed=3, epoch="2026-01-01", clock=clock)  # of its own: it is changed
    with sandbox.serve(world, limits=False) as served:
        url = f"{served.base_url}/api/v2/public"

        def rows(name: str, **params: Any) -> Any:
            return httpx.get(f"{url}/{name}", params={"symbol": "BTC_USD", **params}).json()

        before = rows("trades", limit=1000)
        served.world.relist("BTC-USD")
        assert rows("trades") == [] and rows("ohlcv", timeframe="5") == []
        clock.advance(1800)
        after = rows("trades", limit=1000)
        assert sorted(ids(after)) == list(range(1, len(after) + 1)) and len(after) > 10
        assert min(row["date"] for row in after) > max(row["date"] for row in before)
        clock.advance(600)
        more = rows("trades", limit=1000)
        assert more[-len(after) :] == after and len(more) > len(after)
        candles = rows("ohlcv", timeframe="5")
        assert candles[0][0] * 1000 > before[0]["date"] - 300_000
        v3 = httpx.get(f"{served.base_url}/api/3/trades/btc_usd?limit=5000").json()["btc_usd"]
        assert {row["tid"] for row in v3} == set(ids(more))
        served.world.relist("BTC-USD")
        assert rows("trades") == []
    tape = sandbox.tape.make(10, "BTC-USD")
    replayed = sandbox.World.replay({"BTC-USD": tape}, clock)
    replayed.relist("BTC-USD")
    assert len(replayed.tapes["BTC-USD"]) == 0


def test_an_open_order_leaves_the_list(
    private: Any, public: Any, tapi: Any, served: sandbox.Served
) -> None:
    number, row = next(iter(tapi("ActiveOrders")["return"].items()))
    served.paging.hidden_orders = frozenset({int(number)})
    active = tapi("ActiveOrders")
    assert number not in active.get("return", {})
    assert tapi("OrderInfo", order_id=number)["return"][number]["status"] == 0
    asked = {"since_id": int(number), "until_id": int(number)}
    assert private("orders", "bitexbit:second", **asked).json() == []
    pair = row["pair"].upper()
    assert public("orders", symbol=pair, **asked).json() == []
    served.switch()
    assert ids(private("orders", "bitexbit:second", **asked).json()) == [int(number)]


def test_a_market_is_delisted_and_listed_again(
    public: Any, trades: Any, http: httpx.Client, served: sandbox.Served
) -> None:
    for _ in range(2):
        assert "ETH_USD" in {pair["symbol"] for pair in public("pairs").json()}
        assert "eth_usd" in http.get("/api/3/info").json()["pairs"]
        served.paging.delisted = frozenset({"ETH-USD"})
        assert "ETH_USD" not in {pair["symbol"] for pair in public("pairs").json()}
        assert public("pairs/ETH_USD").status_code == 404
        assert public("trades", symbol="ETH_USD").status_code == 400
        assert "eth_usd" not in http.get("/api/3/info").json()["pairs"]
        refused = http.get("/api/3/trades/eth_usd").json()
        assert refused == {"success": 0, "error": "Invalid pair name: eth_usd"}
        served.paging.delisted = frozenset()


def test_the_head_comes_empty(
    trades: Any, public: Any, private: Any, tapi: Any, http: httpx.Client, served: sandbox.Served
) -> None:
    newest = trades(limit=3)
    served.paging.empty_head = True
    assert trades() == trades(since_id=newest[-1]["id"]) == []
    assert trades(limit=3, until_id=newest[0]["id"]) == newest
    assert public("ohlcv", symbol="BTC_USD", timeframe="60").json() == []
    assert private("trades").json() == private("orders").json() == []
    assert http.get("/api/3/trades/btc_usd").json() == {"btc_usd": []}
    assert tapi("TradeHistory") == {"success": 0, "error": "no trades"}
    served.of(WexSwitches).wex_empty = "object"
    assert tapi("TransHistory") == {"success": 1, "return": {}}
    assert tapi("TransHistory", end_id=10**12)["return"]


def test_an_unknown_switch_is_refused(served: sandbox.Served) -> None:
    with pytest.raises(sandbox.SandboxError, match="no switch page_cup"):
        served.switch(page_cup=3)
