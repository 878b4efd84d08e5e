"""One market at several exchanges: worked examples, a model in Python, and a pulled home."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import TIMEFRAMES
from tests.examples import examples
from tests.pulled import Pulled
from tests.warehouse.database import EXACT, Row, at, database, insert_all, places, rows, trade

D = Decimal
EXCHANGES = ("x", "y", "z")


def candle(exchange: str, minutes: float, close: str, volume: str = "1", **more: object) -> Row:
    price = D(close)
    usual = {"timeframe": "1h", "is_final": True, "volume": D(volume), "timestamp": at(minutes)}
    return {"exchange": exchange, **dict.fromkeys(("open", "high", "low", "close"), price)} | (
        usual | more
    )


def bps(difference: Decimal, reference: Decimal) -> Decimal:
    return places(EXACT.divide(difference * 10000, reference), 12)


def test_two_exchanges_are_compared_with_the_price_halfway(db: duckdb.DuckDBPyConnection) -> None:
    candles = [
        candle("x", 0, "100"),
        candle("y", 0, "102", "3"),
        candle("x", 60, "100"),
        candle("y", 60, "100", "0"),  # nobody traded: no price
        candle("x", 120, "100"),
        candle("y", 120, "101", is_final=False),
        candle("x", 180, "100", timeframe="5m"),
        candle("y", 180, "100"),
        candle("x", 0, "7", symbol="ETH-USD"),  # at one exchange alone
        candle("y", 0, "7", symbol="ETH-USDT"),
    ]
    insert_all(db, "candles", candles)
    found = rows(db, "FROM marts.prices_compared ORDER BY exchange")
    apart, spread = bps(D(1), D(101)), bps(D(2), D(101))
    assert [tuple(r.values()) for r in found] == [
        ("BTC-USD", "1h", at(0), "x", D(100), D(1), "candles", 2, D(101), D(-1), -apart, spread),
        ("BTC-USD", "1h", at(0), "y", D(102), D(3), "candles", 2, D(101), D(1), apart, spread),
    ]


def test_where_an_exchange_has_no_candles_they_are_built_from_trades(
    db: duckdb.DuckDBPyConnection,
) -> None:
    insert_all(
        db,
        "candles",
        [candle(e, 60 * n, p) for e, p in (("x", "100"), ("y", "110")) for n in (0, 1, 2)],
    )
    for number, (minute, price) in enumerate([(1, "90"), (59, "103"), (61, "104"), (121, "105")]):
        trade(db, number, at(minute), price, "2", exchange="z")
    found = rows(
        db,
        "SELECT timestamp, exchange, close, volume, source, reference, difference"
        " FROM marts.prices_compared ORDER BY ALL",
    )
    assert [tuple(r.values()) for r in found] == [
        (at(0), "x", D(100), D(1), "candles", D(103), D(-3)),
        (at(0), "y", D(110), D(1), "candles", D(103), D(7)),
        (at(0), "z", D(103), D(4), "trades", D(103), D(0)),
        (at(60), "x", D(100), D(1), "candles", D(104), D(-4)),
        (at(60), "y", D(110), D(1), "candles", D(104), D(6)),
        (at(60), "z", D(104), D(2), "trades", D(104), D(0)),
        (at(120), "x", D(100), D(1), "candles", D(105), D(-5)),  # z may trade on in this hour
        (at(120), "y", D(110), D(1), "candles", D(105), D(5)),
    ]


def test_of_trades_alone_every_timeframe_is_compared(db: duckdb.DuckDBPyConnection) -> None:
    for exchange, price in (("x", "100"), ("y", "0.000000000001")):
        for number, minute in enumerate((0, 60 * 24 * 40)):
            trade(db, number, at(minute), price, "1", exchange=exchange)
    found = rows(
        db, "SELECT DISTINCT timeframe, reference, spread_bps, source FROM marts.prices_compared"
    )
    assert {r.pop("timeframe") for r in found} == set(TIMEFRAMES)
    whole = D("100.000000000001")
    assert {tuple(r.values()) for r in found} == {
        (whole / 2, bps(2 * (D(100) - D("0.000000000001")), whole), "trades")
    }


def test_what_does_not_fit_is_null_and_breaks_nothing(db: duckdb.DuckDBPyConnection) -> None:
    insert_all(db, "candles", [candle(e, 0, "9" * 26) for e in ("x", "y")])
    insert_all(db, "candles", [candle(e, 60, p) for e, p in (("x", "0"), ("y", "0"))])
    found = rows(db, "FROM marts.prices_compared ORDER BY timestamp")
    assert [(r["reference"], r["difference"], r["difference_bps"]) for r in found] == [
        (None, None, None),
        (None, None, None),
        (D(0), D(0), None),
        (D(0), D(0), None),
    ]
    for exchange, price in (("x", "9" * 26), ("y", "1")):
        trade(db, 1, at(1), price, "1", exchange=exchange, cost=None)
        trade(db, 2, at(61), "1" + "0" * 25, "0.000001", exchange=exchange)
    found = rows(db, "FROM prices_compared('BTC-USD')")
    assert [r["difference_bps"] for r in found] == [None, None, D(0), D(0)]


def test_by_trades_against_an_exchange(db: duckdb.DuckDBPyConnection) -> None:
    for exchange, minute, price, amount in (
        ("x", 0, "100", "1"),
        ("x", 59, "130", "2"),
        ("y", 30, "121", "1"),
        ("y", 31, "119", "1"),
        ("x", 61, "100", "1"),  # alone in its hour
        ("y", 121, "100", "1"),
        ("z", 122, "101", "1"),
    ):
        trade(db, minute, at(minute), price, amount, exchange=exchange)
    trade(db, 1, at(1), "7", "1", symbol="ETH-USD")
    columns = "exchange, trades, volume, close, closed_at, vwap, difference, difference_bps"
    call = "FROM prices_compared('BTC-USD', '1h', reference := 'y')"
    assert [tuple(r.values()) for r in rows(db, f"SELECT timestamp, {columns} {call}")] == [
        (at(0), "x", 2, D(3), D(130), at(59), D(120), D(0), D(0)),
        (at(0), "y", 2, D(2), D(119), at(31), D(120), D(0), D(0)),
        (at(120), "y", 1, D(1), D(100), at(121), D(100), D(0), D(0)),
        (at(120), "z", 1, D(1), D(101), at(122), D(101), D(1), D(100)),
    ]
    together = rows(
        db, "SELECT exchange, reference_vwap, difference FROM prices_compared('BTC-USD')"
    )
    assert [tuple(r.values()) for r in together] == [
        ("x", D(120), D(0)),
        ("y", D(120), D(0)),
        ("y", D("100.5"), D("-0.5")),
        ("z", D("100.5"), D("0.5")),
    ]
    later = rows(db, "FROM prices_compared('BTC-USD', '1h', since := '2026-01-10 01:00')")
    assert {r["timestamp"] for r in later} == {at(120)}
    assert rows(db, "FROM prices_compared('BTC-USD', '1h', until := '2026-01-10')") == []
    assert rows(db, "FROM prices_compared('ETH-USD')") == []
    trade(db, 125, at(125), "100", "1", exchange="z", cost=None)
    found = rows(db, f"SELECT {columns} {call} WHERE exchange = 'z'")
    assert [(r["trades"], r["vwap"], r["difference"]) for r in found] == [(2, None, None)]


@pytest.fixture(scope="module")
def shared() -> Iterator[duckdb.DuckDBPyConnection]:
    with database() as db:
        yield db


prices = st.integers(1, 10**6).map(lambda n: D(n).scaleb(-3))
moments = st.integers(0, 7 * 60 - 1)
traded = st.lists(st.tuples(st.sampled_from(EXCHANGES), moments, prices), max_size=25)
listed = st.lists(
    st.tuples(
        st.sampled_from(EXCHANGES[:2]), st.integers(0, 6), prices, st.integers(0, 2), st.booleans()
    ),
    max_size=10,
    unique_by=lambda one: one[:2],
)


@settings(max_examples=examples(25))
@given(traded, listed)
def test_it_is_what_a_model_says(
    shared: duckdb.DuckDBPyConnection,
    trades: list[tuple[str, int, Decimal]],
    candles: list[tuple[str, int, Decimal, int, bool]],
) -> None:
    """Candles of one length at two exchanges, trades at three."""
    for table in ("trades", "candles"):
        shared.execute(f"DELETE FROM {table}")
    insert_all(
        shared,
        "candles",
        [candle(e, 60 * n, f"{p}", f"{v}", is_final=final) for e, n, p, v, final in candles],
    )
    insert_all(
        shared,
        "trades",
        [
            {
                "exchange": e,
                "timestamp": at(m),
                "price": p,
                "trade_id": str(i),
                "amount": D(1),
                "side": "buy",
            }
            for i, (e, m, p) in enumerate(trades)
        ],
    )
    expected: dict[datetime, dict[str, Decimal]] = defaultdict(dict)
    for exchange, hour, price, volume, final in candles:
        if volume and final:
            expected[at(60 * hour)][exchange] = price
    with_candles = {exchange for exchange, *_ in candles}
    closes: dict[str, dict[int, Decimal]] = defaultdict(dict)
    for exchange, minute, price in sorted(trades, key=lambda one: one[1]):
        closes[exchange][minute // 60] = price
    for exchange, hours in closes.items():
        for hour, price in hours.items():
            if exchange not in with_candles and hour != max(hours):
                expected[at(60 * hour)][exchange] = price
    found = rows(
        shared,
        "SELECT timestamp, exchange, close, exchanges, reference, difference, difference_bps"
        " FROM marts.prices_compared WHERE timeframe = '1h' ORDER BY ALL",
    )
    assert [tuple(r.values()) for r in found] == [
        (opening, exchange, close, len(one), middle, close - middle, bps(close - middle, middle))
        for opening, one in sorted(expected.items())
        if len(one) > 1
        for middle in [median(one.values())]
        for exchange, close in sorted(one.items())
    ]


def test_two_dialects_of_the_sandbox(pulled: Pulled) -> None:
    """The closes of a pulled home are those of the trades, and a market costs the same at both."""
    key = ("symbol", "timeframe", "timestamp", "exchange")
    columns = f"{', '.join(key)}, close"
    found = pulled.rows("FROM marts.prices_compared")
    assert len(found) > 1000 and {r["exchange"] for r in found} == {"bitexbit", "wex"}
    assert {"BTC-USD", "ETH-USD"} <= {r["symbol"] for r in found}
    assert all(r["exchanges"] == 2 and abs(r["difference_bps"]) < 100 for r in found)
    different = (
        f"SELECT {columns} FROM marts.prices_compared EXCEPT SELECT {columns} FROM"
        " marts.candles_rebuilt"
    )
    assert pulled.rows(different) == []
    by_trades = pulled.rows("FROM prices_compared('BTC-USD', '1h', reference := 'bitexbit')")
    assert len(by_trades) > 20
    assert {r["difference"] for r in by_trades if r["exchange"] == "bitexbit"} == {D(0)}
    assert all(r["closed_at"] - r["timestamp"] < timedelta(hours=1) for r in by_trades)
