"""Recorded trades replayed to the letter."""

import csv
import gzip
from pathlib import Path

import httpx
import pytest

import sandbox
from sandbox import SandboxError, World, serve, tape
from sandbox.marketdata import Trade

HEADER = "id,time_ms,price,amount,side\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_texts_are_kept_and_rows_sorted_by_id(tmp_path: Path) -> None:
    text = HEADER + "7,2000,1.50,3,sell\n5,1000,0.00141342,23.00000000,buy\n"
    recorded = tape.load(write(tmp_path / "t.csv", text), "XRP-ETH")
    assert list(recorded.trades()) == [
        Trade(5, 1000, "buy", "0.00141342", "23.00000000"),
        Trade(7, 2000, "sell", "1.50", "3"),
    ]
    with (
        serve(World.replay({"XRP-ETH": recorded}), limits=False) as served,
        httpx.Client(base_url=served.base_url) as http,
    ):
        rows = http.get("/api/v2/public/trades", params={"symbol": "XRP_ETH"}).json()
        assert [(r["id"], r["price"], r["amount"]) for r in rows] == [
            (7, "1.50", "3"), (5, "0.00141342", "23.00000000"),
        ]  # fmt: skip
        answer = http.get("/api/3/trades/xrp_eth").text
        assert '"price":1.5,"amount":3,"tid":7,"timestamp":2}' in answer
        ticker = http.get("/api/v2/public/tickers", params={"symbols": "XRP_ETH"}).json()
        assert ticker[0]["last"] == "1.50000000"
        candles = http.get(
            "/api/v2/public/ohlcv", params={"symbol": "XRP_ETH", "timeframe": "5"}
        ).json()
        assert candles == [
            [0, "0.00141342", "1.50000000", "0.00141342", "1.50000000", "26.00000000"]
        ]
        assert [p["symbol"] for p in http.get("/api/v2/public/pairs").json()] == ["XRP_ETH"]


def test_time_out_of_order_is_served_all_the_same(tmp_path: Path) -> None:
    text = HEADER + "1,5000,2,1,buy\n2,4000,3,1,buy\n3,9000,4,1,sell\n"
    recorded = tape.load(write(tmp_path / "t.csv", text), "A-B")
    clock = sandbox.ManualClock(4500)
    with (
        serve(World.replay({"A-B": recorded}, clock), limits=False) as served,
        httpx.Client(base_url=served.base_url) as http,
    ):
        trades = "/api/v2/public/trades?symbol=A_B"
        assert [r["id"] for r in http.get(trades).json()] == [2]
        clock.set(10_000)
        assert [r["id"] for r in http.get(trades).json()] == [3, 2, 1]
        assert [r["id"] for r in http.get(f"{trades}&since=4500").json()] == [3, 1]
        (candle,) = http.get("/api/v2/public/ohlcv?symbol=A_B&timeframe=5").json()
        assert candle[1] == "3.00000000" and candle[4] == "4.00000000"
        assert http.get("/api/v2/public/tickers?symbols=A_B").json()[0]["last"] == "4.00000000"


def test_other_column_names(tmp_path: Path) -> None:
    text = "n,when,px,vol,m\n1,1700000000002,3,4,true\n"
    names = {"id": "n", "time": "when", "price": "px", "amount": "vol", "buyer_is_maker": "m"}
    recorded = tape.load(write(tmp_path / "t.csv", text), "A-B", names)
    assert recorded.trade(0).side == "sell"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["empty"]),
        ("id,price\n", ["time", "amount", "side"]),
        (HEADER + "1,2,1e5,1,buy\n", ["line 2", "1e5"]),
        (HEADER + "1,2,1,1,buy\n1,2,1,1,buy\n", ["twice"]),
        (HEADER + "1,2,1,1,long\n", ["line 2", "long"]),
        (HEADER + "1,2\n", ["line 2"]),
        (HEADER + "1,2,0.123456789,1,buy\n", ["0.123456789"]),
        (HEADER + "1,2,99999999999999,1,buy\n", ["too large"]),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = write(tmp_path / "t.csv", text)
    with pytest.raises(SandboxError) as error:
        tape.load(path, "A-B")
    assert str(path) in str(error.value) and all(part in str(error.value) for part in parts)


def test_unreadable_files(tmp_path: Path) -> None:
    broken = tmp_path / "t.csv.gz"
    broken.write_bytes(gzip.compress(b"id,price\n" * 100)[:-20])
    for path in (tmp_path / "absent.csv", tmp_path, broken):
        with pytest.raises(SandboxError, match="cannot be read"):
            tape.load(path, "A-B")
    with pytest.raises(SandboxError, match="Fix: write it like XRP-ETH"):
        World.replay({"xrp_eth": tape.make(1, "xrp_eth")})


def test_made_trades_are_many_and_repeatable() -> None:
    one, two = tape.make(3_000), tape.make(3_000)
    assert list(one.trades()) == list(two.trades()) and one.monotonic
    assert len(set(one.times)) < len(one) / 2


def test_recorded_binance_trades_walk_through_the_dialect(shared_data: Path) -> None:
    path = shared_data / "binance_spot_btcusdt_trades_2024-08-08_09.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        expected = [
            (int(r["trade_id"]), int(r["trade_ms"]), r["price"], r["qty"], r["buyer_is_maker"])
            for r in csv.DictReader(file)
        ]
    recorded = tape.load(path, "BTC-USDT")
    got = []
    with (
        serve(World.replay({"BTC-USDT": recorded}), limits=False) as served,
        httpx.Client(base_url=served.base_url) as http,
    ):
        upper = 10**12
        while True:
            call = "/api/v2/public/trades?symbol=BTC_USDT&limit=1000"
            rows = http.get(f"{call}&until_id={upper}").json()
            if not rows:
                break
            got += rows
            upper = rows[-1]["id"] - 1
    maker = {"buy": "false", "sell": "true"}
    assert [
        (r["id"], r["date"], r["price"], r["amount"], maker[r["type"]]) for r in reversed(got)
    ] == expected


def test_candles_of_the_tape_equal_the_recorded_ones(shared_data: Path) -> None:
    recorded = tape.load(
        shared_data / "binance_spot_xrpeth_aggtrades_2019-10-11_13.csv.gz", "XRP-ETH"
    )
    world = World.replay({"XRP-ETH": recorded})
    found = world.candles("XRP-ETH", world.now(), 300_000, sandbox.PagingProfile())
    path = shared_data / "binance_spot_xrpeth_candles_5m_2019-10-11_13.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        names = ("open", "high", "low", "close", "volume")
        expected = [
            (int(r["open_ms"]), *(round(float(r[n]) * 1e8) for n in names))
            for r in csv.DictReader(file)
        ]
    assert [(c.time, c.open, c.high, c.low, c.close, c.volume) for c in found] == expected


AT_MS = 1_700_000_000_123


@pytest.mark.parametrize("name", ["time", "timestamp", "date", "time_ms"])
@pytest.mark.parametrize(
    ("unit", "times"),
    [
        ("s", ("1700000000", "1700000001")),
        ("s with a fraction", ("1700000000.123", "1700000001.1239")),
        ("ms", ("1700000000123", "1700000001123")),
        ("µs", ("1700000000123456", "1700000001123456")),
        ("ns", ("1700000000123456789", "1700000001123456789")),
    ],
)
def test_the_unit_of_time_is_recognised(
    tmp_path: Path, name: str, unit: str, times: tuple[str, str]
) -> None:
    rows = "".join(f"{i},{t},1,1,buy\n" for i, t in enumerate(times, 1))
    loaded = tape.load(write(tmp_path / "t.csv", f"id,{name},price,amount,side\n{rows}"), "X-Y")
    first = AT_MS if unit != "s" else AT_MS - 123
    assert [trade.timestamp for trade in loaded.trades()] == [first, first + 1000]


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ((), "holds no trades"),
        (("1700000000", "1700000001123"), "not all of one unit"),
        (("5", "6"), "not all of one unit"),
        (("-1", "-1"), "not all of one unit"),
        (("99999999999999999999999999", "1"), "not all of one unit"),
        (("4102444800000", "4102444800001"), "future"),
        (("1e12", "1"), "cannot read"),
        (("1/2", "1"), "cannot read"),
        (("nan.", "1"), "cannot read"),
    ],
)
def test_a_tape_that_would_serve_nothing_is_refused(
    tmp_path: Path, times: tuple[str, ...], words: str
) -> None:
    rows = "".join(f"{i},{t},1,1,buy\n" for i, t in enumerate(times, 1))
    with pytest.raises(SandboxError, match=words) as caught:
        tape.load(write(tmp_path / "t.csv", f"id,time,price,amount,side\n{rows}"), "X-Y")
    assert "Fix: " in str(caught.value)
