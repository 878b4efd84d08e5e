"""Each switch does what it says."""

from typing import Any

import httpx
import pytest

import sandbox
from sandbox.bitexbit import BitexBitSwitches
from sandbox.jsontext import NumberStyle, decode
from sandbox.wex import WexSwitches


@pytest.fixture
def ids(public: Any) -> Any:
    """The ids of a page of BTC_USD trades, in the order of the answer."""

    def call(**params: Any) -> list[int]:
        return [row["id"] for row in public("trades", symbol="BTC_USD", **params).json()]

    return call


def test_row_order_and_kept_end(ids: Any, served: sandbox.Served) -> None:
    newest = ids(limit=10)
    assert newest == sorted(newest, reverse=True)
    served.paging.order = "oldest"
    assert ids(limit=10) == newest[::-1]
    served.paging.limit_keeps = "oldest"
    first = ids(limit=10)
    assert first == sorted(first) and first[-1] < newest[-1]
    served.paging.order = "newest"
    assert ids(limit=10) == first[::-1]


def test_page_cap(ids: Any, tapi: Any, served: sandbox.Served) -> None:
    served.paging.page_cap = 7
    assert len(ids(limit=500)) == 7
    assert len(tapi("TradeHistory", count=500)["return"]) == 7


def test_id_bounds_inclusive_or_not(ids: Any, tapi: Any, served: sandbox.Served) -> None:
    page = ids(limit=5)
    bounds = {"since_id": page[-1], "until_id": page[0]}
    assert ids(**bounds) == page
    served.of(BitexBitSwitches).since_id_inclusive = False
    assert ids(**bounds) == page[:-1]
    served.of(BitexBitSwitches).until_id_inclusive = False
    assert ids(**bounds) == page[1:-1]
    own = list(tapi("TradeHistory", count=5)["return"])
    window = {"from_id": own[-1], "end_id": own[0]}
    served.of(WexSwitches).from_id_inclusive = served.of(WexSwitches).end_id_inclusive = False
    assert list(tapi("TradeHistory", **window)["return"]) == own[1:-1]


@pytest.mark.parametrize("name", ["since_id", "until_id", "since", "until"])
def test_a_filter_can_be_ignored(ids: Any, served: sandbox.Served, name: str) -> None:
    whole = ids(limit=100)
    nothing = {"since_id": 10**12, "until_id": 1, "since": 10**15, "until": 1}
    assert ids(limit=100, **{name: nothing[name]}) == []
    served.paging.ignored = frozenset({name})
    assert ids(limit=100, **{name: nothing[name]}) == whole


@pytest.mark.parametrize("name", ["from_id", "end_id", "since", "end", "from", "order"])
def test_a_history_filter_can_be_ignored(tapi: Any, served: sandbox.Served, name: str) -> None:
    value = {"from_id": 10**12, "since": 10**11, "order": "ASC", "from": 10**6}.get(name, 1)
    plain = tapi("TradeHistory", count=20)
    assert tapi("TradeHistory", count=20, **{name: value}) != plain
    served.paging.ignored = frozenset({name})
    assert tapi("TradeHistory", count=20, **{name: value}) == plain


def test_time_unit(public: Any, served: sandbox.Served) -> None:
    row = public("trades", symbol="BTC_USD", limit=200).json()[-1]
    by_ms = public("trades", symbol="BTC_USD", until=row["date"], limit=1).json()
    assert by_ms[0]["date"] == row["date"]
    served.of(BitexBitSwitches).time_unit = "s"
    second = row["date"] // 1000
    by_s = public("trades", symbol="BTC_USD", until=second, limit=1).json()
    assert by_s[0]["date"] // 1000 == second
    assert public("trades", symbol="BTC_USD", since=row["date"]).json() == []


def test_candle_switches(public: Any, served: sandbox.Served, clock: sandbox.ManualClock) -> None:
    clock.advance(3599)  # an interval is open

    def candles() -> Any:
        return public("ohlcv", symbol="LTC_BTC", timeframe="5", limit=1000).json()

    plain = candles()
    served.of(BitexBitSwitches).candle_time = "ms"
    assert [c[0] for c in candles()] == [c[0] * 1000 for c in plain]
    served.of(BitexBitSwitches).candle_order = "newest"
    assert candles()[0][0] == plain[-1][0] * 1000
    served.switch(candle_open_included=False)
    assert candles()[-1][0] + 300 <= clock() // 1000
    served.switch(candle_empty="repeat")
    full = candles()
    times = [c[0] for c in full]
    assert times == list(range(times[0], times[-1] + 300, 300)) and len(full) > 0
    gaps = [c for c in full if float(c[5]) == 0]
    assert gaps and all(len(set(c[1:5])) == 1 for c in gaps)
    assert [c for c in full if c not in gaps] == [c for c in plain if c[0] >= times[0]]


def test_number_styles(http: httpx.Client, public: Any, served: sandbox.Served) -> None:
    params = {"symbol": "ETH_BTC", "limit": "20"}

    def rows() -> Any:
        return decode(http.get("/api/v2/public/trades", params=params).content)

    plain = rows()
    styles: list[tuple[NumberStyle, bool, bool]] = [
        ("number", False, False),
        ("exponent", False, True),
        ("exponent-text", True, True),
    ]
    for style, quoted, exponent in styles:
        served.of(BitexBitSwitches).numbers = style
        body = http.get("/api/v2/public/trades", params=params).text
        assert ('"price":"' in body) == quoted
        assert ("E" in rows()[0]["price"]) == exponent
        assert [float(r["price"]) for r in rows()] == [float(r["price"]) for r in plain]
    served.switch(wex_numbers="text")
    assert isinstance(http.get("/api/3/trades/btc_usd").json()["btc_usd"][0]["price"], str)
    served.switch(dates="s", extra_fields=True)
    first = rows()[0]
    assert first["date"] == f"{plain[0]['date'][:-3]}.{plain[0]['date'][-3:]}000"
    assert first["taker_fee"] is None


def test_retention_and_late_rows(ids: Any, served: sandbox.Served, http: httpx.Client) -> None:
    served.paging.retention = 40
    assert len(ids(limit=1000)) == 40
    assert len(http.get("/api/3/trades/btc_usd").json()["btc_usd"]) == 40
    served.switch(late_every=3, late_ms=10_000_000)
    held_back = ids(limit=100)
    served.switch()
    whole = ids(limit=100)
    late = [i for i in whole if i >= held_back[-1] and i not in held_back]
    assert late and all(i % 3 == 0 for i in late)
    assert any(i < held_back[0] for i in late)


def test_fee_keys_and_wex_oddities(private: Any, tapi: Any, served: sandbox.Served) -> None:
    served.of(BitexBitSwitches).fee_keys = "role"
    assert set(private("trading-fees").json()) == {
        "taker_fee_rate", "maker_fee_rate", "pair_fee_rates",
    }  # fmt: skip
    ordered = tapi("TradeHistory", count=30)["return"]
    served.switch(wex_shuffled_keys=True, wex_success="1", wex_trade_digits=6)
    answer = tapi("TradeHistory", count=30)
    assert answer["success"] == "1"
    assert list(answer["return"]) != list(ordered) and set(answer["return"]) == set(ordered)
    served.switch(wex_empty="object")
    assert tapi("TradeHistory", from_id=10**12) == {"success": 1, "return": {}}
    served.switch(wex_empty="array")
    assert tapi("TradeHistory", from_id=10**12) == {"success": 1, "return": []}


def test_gzip(http: httpx.Client, served: sandbox.Served, ids: Any) -> None:
    plain = ids(limit=500)
    served.paging.gzip = True
    assert ids(limit=500) == plain
    answer = http.get("/api/v2/public/pairs")
    assert answer.headers["content-encoding"] == "gzip"
