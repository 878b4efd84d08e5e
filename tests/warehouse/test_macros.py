"""Macros: exact division, intervals of any length, candles against a model in Python."""

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from tests.matrix import thinned
from tests.warehouse.database import (
    EXACT,
    START,
    Row,
    at,
    database,
    fill,
    insert,
    places,
    rows,
    trade,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEAST = Decimal("0.000000000001")
HALVES = [
    ("0.0000000000005", "1"),
    ("-0.0000000000005", "1"),
    ("0.000000000000499999", "1"),
    ("2", "-3"),
    ("1", "0"),
    ("0", "7"),
]


@pytest.fixture(scope="module")
def empty() -> Iterator[duckdb.DuckDBPyConnection]:
    with database() as db:
        yield db


def test_ratio_is_exact_to_its_last_digit(db: duckdb.DuckDBPyConnection) -> None:
    chance = random.Random(3)
    pairs = [(Decimal(n), Decimal(d)) for n, d in HALVES]
    for _ in range(2000):
        numerator = Decimal(chance.randrange(-(10 ** chance.randrange(1, 33)), 10**32))
        denominator = Decimal(chance.randrange(-(10 ** chance.randrange(1, 23)), 10**22))
        pairs.append((numerator.scaleb(-18), denominator.scaleb(-12)))
    db.execute("CREATE TEMP TABLE pairs (place INT, n DECIMAL(38,18), d DECIMAL(38,12))")
    values = [(place, f"{n:f}", f"{d:f}") for place, (n, d) in enumerate(pairs)]
    db.executemany("INSERT INTO pairs VALUES (?, ?, ?)", values)
    found = db.execute("SELECT ratio(n, d) FROM pairs ORDER BY place").fetchall()
    for (ratio,), (numerator, denominator) in zip(found, pairs, strict=True):
        wanted = places(EXACT.divide(numerator, denominator), 12) if denominator else None
        if wanted is not None and abs(wanted) >= 10**26:
            wanted = None
        assert ratio == wanted, (numerator, denominator)


def test_pro_rata_is_exact_to_its_last_digit(db: duckdb.DuckDBPyConnection) -> None:
    chance = random.Random(6)

    def number(digits: int, places_: int) -> Decimal:
        return Decimal(chance.randrange(10 ** chance.randrange(1, digits))).scaleb(-places_)

    given = []
    for _ in range(1000):
        whole = number(31, 12) + LEAST
        given.append((chance.choice([1, -1]) * number(38, 18), min(number(31, 12), whole), whole))
    given += [(Decimal(5), LEAST, LEAST), (Decimal(1), Decimal(2), Decimal(3) * LEAST)]
    types = [pa.decimal128(38, 18), pa.decimal128(38, 12), pa.decimal128(38, 12)]
    columns = zip(zip(*given, strict=True), types, strict=True)
    db.register("given", pa.table([pa.array(c, t) for c, t in columns], names=["v", "p", "w"]))
    found = db.execute("SELECT pro_rata(v, p, w) FROM given").fetchall()
    for (result,), (value, part, whole) in zip(found, given, strict=True):
        exact = EXACT.divide(EXACT.multiply(value, part), whole)
        assert result == places(exact, 18), (value, part, whole)
    nothing = (
        "SELECT pro_rata(1, 0, 0), pro_rata(NULL, 1, 1), pro_rata(1e19::DECIMAL(38,18), 1e9, 1)"
    )
    assert db.execute(nothing).fetchone() == (None, None, None)
    former = db.execute("SELECT count(*) FROM given WHERE share(v, p, w) <> pro_rata(v, p, w)")
    assert former.fetchone() == (0,)


def test_cost_is_exact_and_of_any_size(empty: duckdb.DuckDBPyConnection) -> None:
    given = [
        ("0.5", "3"),
        ("-123456789.123456789123", "987654321.987654321987"),
        ("0.000000000001", "0.0000005"),
        ("100000000", "10000000"),
        ("10000000000", "10000000000"),
    ]
    found = [
        empty.execute(f"SELECT cost({a}::DECIMAL(38,12), {p}::DECIMAL(38,12))").fetchone()
        for a, p in given
    ]
    exact = [EXACT.multiply(Decimal(a), Decimal(p)) for a, p in given]
    assert found == [(places(e, 18) if e < 10**20 else None,) for e in exact]


def test_ratio_of_nothing_is_nothing(empty: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT ratio(NULL::DECIMAL(38,12), 1::DECIMAL(38,12)), ratio(1, NULL::DECIMAL(38,12))"
    assert empty.execute(query).fetchone() == (None, None)


@pytest.mark.parametrize(
    ("timeframe", "opening"),
    [
        ("1s", "2026-01-14 13:47:31"),
        ("7m", "2026-01-14 13:44:00"),  # counted from 1970
        ("1h", "2026-01-14 13:00:00"),
        ("1d", "2026-01-14 00:00:00"),
        ("1w", "2026-01-12 00:00:00"),  # a Monday
    ],
)
def test_slots(empty: duckdb.DuckDBPyConnection, timeframe: str, opening: str) -> None:
    query = "SELECT time_slot('2026-01-14 13:47:31.5+00'::TIMESTAMPTZ, ?)::VARCHAR"
    (found,) = empty.execute(query, [timeframe]).fetchone() or ("",)
    assert found == f"{opening}+00"


@pytest.mark.parametrize("wrong", thinned(["7", "m", "0m", "7 m", "7M", "-7m", "1.5h", ""], 3))
def test_no_timeframe(db: duckdb.DuckDBPyConnection, wrong: str) -> None:
    trade(db, 1, START, "1", "1")
    with pytest.raises(duckdb.Error, match="not a timeframe"):
        db.execute(f"FROM candles('BTC-USD', '{wrong}')").fetchall()


@pytest.mark.slow
def test_candles_are_those_of_a_model(db: duckdb.DuckDBPyConnection) -> None:
    chance = random.Random(4)
    made = []
    db.execute("BEGIN")
    for number in range(999_999_000, 1_000_000_400):  # ids gain a digit
        time = START + timedelta(seconds=chance.randrange(6 * 3600))  # many share a second
        price = str(chance.randrange(1, 10**6) / Decimal(1000))
        amount = str(chance.randrange(1, 10**12) / Decimal(10**10))
        exchange = chance.choice(["x", "y"])
        made.append((exchange, time, number, Decimal(price), Decimal(amount)))
        trade(db, number, time, price, amount, exchange=exchange)
    trade(db, 5, at(0), "1", "1", symbol="ETH-USD")
    db.execute("COMMIT")
    slots: dict[tuple[str, datetime], list[tuple[Decimal, Decimal]]] = defaultdict(list)
    for exchange, time, _, price_, amount_ in sorted(made):
        opening = time - (time - EPOCH) % timedelta(minutes=7)
        slots[exchange, opening].append((price_, amount_))
    wanted: list[Row] = [
        {
            "exchange": exchange,
            "symbol": "BTC-USD",
            "timeframe": "7m",
            "timestamp": opening,
            "open": held[0][0],
            "high": max(p for p, _ in held),
            "low": min(p for p, _ in held),
            "close": held[-1][0],
            "volume": sum(a for _, a in held),
            "trades": len(held),
        }
        for (exchange, opening), held in sorted(slots.items())
    ]
    assert (
        sorted(
            rows(db, "FROM candles('BTC-USD', '7m')"), key=lambda r: (r["exchange"], r["timestamp"])
        )
        == wanted
    )
    since, until = wanted[3]["timestamp"], wanted[9]["timestamp"]
    asked = f"candles('BTC-USD', '7m', exchange := 'x', since := '{since}', until := '{until}')"
    assert rows(db, f"FROM {asked} ORDER BY timestamp") == wanted[3:9]
    # a bound within an interval never cuts a candle in two
    asked = f"candles('BTC-USD', '7m', exchange := 'x', since := '{since + timedelta(seconds=1)}')"
    assert rows(db, f"FROM {asked} ORDER BY timestamp")[0] == wanted[4]
    assert rows(db, "SELECT count(*) AS n FROM candles") == [{"n": 0}]  # the table is the table


def test_trades_between(db: duckdb.DuckDBPyConnection) -> None:
    for number in range(6):
        trade(db, number, at(number // 2), "1", "1", exchange="xy"[number % 2])
    asked = f"trades_between('BTC-USD', '{at(1)}', '{at(2)}'"
    assert [r["trade_id"] for r in rows(db, f"FROM {asked})")] == ["2", "3"]
    assert [r["trade_id"] for r in rows(db, f"FROM {asked}, exchange := 'y')")] == ["3"]


def test_account_value(db: duckdb.DuckDBPyConnection) -> None:
    day = 24 * 60
    for moment, held in ((5, {"BTC": "2", "USD": "100"}), (day + 5, {"BTC": "1", "EUR": "50"})):
        for currency, available in held.items():
            insert(
                db,
                "balances",
                currency=currency,
                observed_at=at(moment),
                available=Decimal(available),
                reserved=Decimal("0.5") if currency == "BTC" else None,
            )
    trade(db, 1, at(1), "100", "1")
    trade(db, 2, at(day - 1), "110.123456789012", "1")
    trade(db, 3, at(2 * day + 1), "120", "1")
    trade(db, 4, at(day + 1), "0.3", "1", symbol="USD-EUR")
    insert(db, "tickers", observed_at=at(2 * day + 9), timestamp=at(0), last=Decimal(130))
    found = rows(db, "SELECT * EXCLUDE (exchange, account, quote) FROM account_value('USD', '1d')")
    seen = [tuple(r.values()) for r in found]
    price = Decimal("110.123456789012")
    euro = places(EXACT.divide(Decimal(1), Decimal("0.3")), 12)
    one = Decimal(1)
    assert seen == [
        ("BTC", at(0), Decimal("2.5"), price, Decimal("2.5") * price),
        ("BTC", at(day), Decimal("1.5"), price, Decimal("1.5") * price),
        ("BTC", at(2 * day), Decimal("1.5"), Decimal(130), Decimal(195)),
        ("EUR", at(day), Decimal(50), euro, Decimal("166.666666666666666667")),
        ("EUR", at(2 * day), Decimal(50), euro, Decimal("166.666666666666666667")),
        ("USD", at(0), Decimal(100), one, Decimal(100)),  # gone on the second day
    ]
    assert rows(db, "FROM marts.account_value_daily") == rows(db, "FROM account_value('USD', '1d')")
    (yen,) = {r["value"] for r in rows(db, "FROM account_value('JPY')")}
    assert yen is None


def test_account_value_of_a_history_alone(db: duckdb.DuckDBPyConnection) -> None:
    """No balance was ever observed, and LTC has a price in BTC only, of an own fill."""
    transfer = {"type": "deposit", "status": "ok", "description": ""}
    day = 24 * 60
    for number, minute, currency, amount in ((1, 1, "BTC", "3"), (2, 2, "XYZ", "7")):
        given = {"transaction_id": str(number), "currency": currency, "amount": Decimal(amount)}
        insert(db, "account_transactions", timestamp=at(minute), **transfer, **given)
    fill(db, 1, at(day + 3), "buy", "0.003", "10", symbol="LTC-BTC")
    candle: Row = dict.fromkeys(("open", "high", "low", "close"), Decimal("70000.1"))
    candle |= {"timeframe": "1h", "timestamp": at(-60), "is_final": True, "volume": Decimal(1)}
    insert(db, "candles", **candle)
    found = rows(db, "SELECT currency, timestamp, total, price, value FROM account_value()")
    bitcoin, coin = Decimal("70000.1"), Decimal("210.0003")
    assert [tuple(r.values()) for r in found] == [
        ("BTC", at(0), 3, bitcoin, 3 * bitcoin),
        ("BTC", at(day), Decimal("2.97"), bitcoin, Decimal("2.97") * bitcoin),
        ("LTC", at(day), 10, coin, 10 * coin),
        ("XYZ", at(0), 7, None, None),
        ("XYZ", at(day), 7, None, None),
    ]
    equity = rows(db, "SELECT timestamp, value, unpriced FROM marts.equity_daily")
    assert [tuple(r.values()) for r in equity] == [
        (at(0), 3 * bitcoin, ["XYZ"]),
        (at(day), Decimal("2.97") * bitcoin + 10 * coin, ["XYZ"]),
    ]
    in_litecoin = rows(db, "SELECT value FROM account_value('LTC') WHERE currency = 'BTC'")
    assert [r["value"] for r in in_litecoin] == [None, 990]


ZONES = ["UTC", "Asia/Tokyo", "America/New_York", "Pacific/Apia", "Asia/Kolkata"]


@pytest.mark.parametrize("zone", ZONES)
def test_a_moment_without_a_zone_is_utc_in_any_session(
    empty: duckdb.DuckDBPyConnection, zone: str
) -> None:
    midnight = int(datetime(2026, 1, 10, tzinfo=UTC).timestamp()) * 1_000_000
    noon = midnight + 12 * 3_600_000_000
    moments = {
        "'2026-01-10'": midnight,
        "DATE '2026-01-10'": midnight,
        "'2026-01-10 12:00'": noon,
        "'2026-01-10T12:00:00'": noon,
        "TIMESTAMP '2026-01-10 12:00:00'": noon,
        "'2026-01-10T12:00:00Z'": noon,
        "'2026-01-10T14:00+02'": noon,
        "'2026-01-10 17:30:00.000+05:30'": noon,
        "'2026-01-10 06:00-06'": noon,
        "'2026-01-10 13:00 Europe/Berlin'": noon,
        f"make_timestamptz({noon})": noon,
        "NULL": None,
    }
    empty.execute(f"SET TimeZone = '{zone}'")
    try:
        for text, expected in moments.items():
            assert empty.execute(f"SELECT epoch_us(utc({text}))").fetchone() == (expected,), text
        slot = empty.execute("SELECT epoch_us(time_slot('2026-01-10 23:59', '1d'))").fetchone()
        assert slot == (midnight,)
    finally:
        empty.execute("SET TimeZone = 'UTC'")


@pytest.mark.parametrize("zone", ZONES[1:3])
def test_bounds_of_macros_are_utc_in_any_session(db: duckdb.DuckDBPyConnection, zone: str) -> None:
    queries = [
        "SELECT count(*), min(trade_id) FROM trades_between('BTC-USD', '{day}', '{next}')",
        "SELECT sum(trades), min(epoch_us(timestamp)) FROM"
        " candles('BTC-USD', '1h', since := '{day}', until := '{next}')",
    ]
    for number in range(12):
        trade(db, number, START + timedelta(hours=7 * number), "1", "1")
    day = (START + timedelta(days=1)).date()
    asked = [q.format(day=day, next=day + timedelta(days=1)) for q in queries]
    expected = [db.execute(query).fetchall() for query in asked]
    assert 0 < expected[0][0][0] == expected[1][0][0] < 12
    db.execute(f"SET TimeZone = '{zone}'")
    try:
        assert [db.execute(query).fetchall() for query in asked] == expected
    finally:
        db.execute("SET TimeZone = 'UTC'")
