"""Marts against figures worked by hand and against models in Python, over hand-made rows."""

import random
from collections import defaultdict, deque
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from tests.warehouse.database import EXACT, at, database, fill, insert, places, rows, trade

D = Decimal
Part = tuple[str, str | None, Decimal, Decimal | None, Decimal, Decimal | None]
"""sale, lot, amount, cost, proceeds, profit"""


@pytest.fixture
def db() -> duckdb.DuckDBPyConnection:
    return database()


def profit(db: duckdb.DuckDBPyConnection, method: str) -> list[Part]:
    query = (
        "SELECT fill_id, lot_fill_id, amount, cost, proceeds, profit"
        f" FROM realised_profit('{method}') ORDER BY timestamp, fill_id, "
        " bought_at NULLS LAST, cost NULLS LAST"
    )
    return db.execute(query).fetchall()


def worked(db: duckdb.DuckDBPyConnection) -> None:
    """Two lots, a sale over both, one of the rest and more.

    1  buy   2 BTC at 100, fee 0.1 BTC    lot of 1.9 for 200
    2  buy   1 BTC at 130, fee 3 USD      lot of 1   for 133
    3  sell  2.4 at 150, fee 0.36 USD     brings 359.64
    4  sell  1 at 90                      brings 90: 0.5 of lot 2, 0.5 of nothing
    5  buy   1 at 80                      comes after that sale: not its lot
    6  sell  0.25 at 100                  brings 25
    """
    fill(db, 1, at(1), "buy", "100", "2", "0.1", "BTC")
    fill(db, 2, at(2), "buy", "130", "1", "3", "USD")
    fill(db, 3, at(3), "sell", "150", "2.4", "0.36", "USD")
    fill(db, 4, at(4), "sell", "90", "1")
    fill(db, 5, at(5), "buy", "80", "1")
    fill(db, 6, at(6), "sell", "100", "0.25")


def test_fifo_by_hand(db: duckdb.DuckDBPyConnection) -> None:
    worked(db)
    # sale 3 brings 359.64 / 2.4 = 149.85 a unit; lot 2 costs 133 a unit
    assert profit(db, "fifo") == [
        ("3", "1", D("1.9"), D(200), D("284.715"), D("84.715")),
        ("3", "2", D("0.5"), D("66.5"), D("74.925"), D("8.425")),
        ("4", "2", D("0.5"), D("66.5"), D(45), D("-21.5")),
        ("4", None, D("0.5"), None, D(45), None),
        ("6", "5", D("0.25"), D(20), D(25), D(5)),
    ]


def test_average_by_hand(db: duckdb.DuckDBPyConnection) -> None:
    worked(db)
    # the pool: 2.9 for 333, that is 114.827586206897 a unit, rounded to 12 decimals
    first = places(D("114.827586206897") * D("2.4"), 18)
    assert first == D("275.5862068965528")
    rest = 333 - first
    assert profit(db, "average") == [
        ("3", None, D("2.4"), first, D("359.64"), D("359.64") - first),
        ("4", None, D("0.5"), rest, D(45), 45 - rest),
        ("4", None, D("0.5"), None, D(45), None),
        ("6", None, D("0.25"), D(20), D(25), D(5)),
    ]


def test_no_method(db: duckdb.DuckDBPyConnection) -> None:
    worked(db)
    with pytest.raises(duckdb.Error, match="not a method: lifo"):
        profit(db, "lifo")


def market(db: duckdb.DuckDBPyConnection, account: str, seed: int) -> list[dict[str, Any]]:
    """Two hundred fills at random, with fees of both currencies; as the marts show them."""
    chance = random.Random(seed)
    for number in range(200):
        side = chance.choice(["buy", "buy", "sell"]) if number % 50 < 40 else "sell"
        amount = D(chance.randrange(1, 10**9)).scaleb(-8)
        price = D(chance.randrange(10**4, 10**6)).scaleb(-2)
        received = amount if side == "buy" else price * amount
        currency = chance.choice(["BTC" if side == "buy" else "USD", None])
        fee = places(received * D("0.002"), 8) if currency else None
        fill(
            db,
            990 + number,
            at(number // 3),  # three in one moment: the id decides
            side,
            str(price),
            str(amount),
            str(fee) if fee is not None else None,
            currency,
            account=account,
        )
    query = f"FROM marts.fills WHERE account = '{account}' ORDER BY timestamp, fill_id::BIGINT"
    return rows(db, query)


def fifo_model(fills: list[dict[str, Any]]) -> list[tuple[str, str | None, Decimal]]:
    lots: deque[list[Any]] = deque()
    parts: list[tuple[str, str | None, Decimal]] = []
    for one in fills:
        if one["base_change"] > 0:
            lots.append([one["fill_id"], one["base_change"]])
            continue
        left = -one["base_change"]
        while left and lots:
            used = min(left, lots[0][1])
            parts.append((one["fill_id"], lots[0][0], used))
            left -= used
            lots[0][1] -= used
            if not lots[0][1]:
                lots.popleft()
        if left:
            parts.append((one["fill_id"], None, left))
    return parts


@pytest.mark.parametrize("seed", range(4))
def test_fifo_against_a_queue(db: duckdb.DuckDBPyConnection, seed: int) -> None:
    fills = market(db, "main", seed)
    market(db, "other", seed + 100)
    query = "FROM marts.profit_fifo WHERE account = 'main'"
    found = rows(db, query)
    parts = {(r["fill_id"], r["lot_fill_id"]): r for r in found}
    wanted = fifo_model(fills)
    assert len(parts) == len(found) == len(wanted)
    assert {(k[0], k[1], r["amount"]) for k, r in parts.items()} == set(wanted)
    # nothing is lost: a sale's parts bring what it brought, a lot sold out cost what was paid
    brought, paid, taken = defaultdict(D), defaultdict(D), defaultdict(D)
    for row in found:
        brought[row["fill_id"]] += row["proceeds"]
        if row["lot_fill_id"]:
            assert row["profit"] == row["proceeds"] - row["cost"]
            paid[row["lot_fill_id"]] += row["cost"]
            taken[row["lot_fill_id"]] += row["amount"]
    for one in fills:
        key = one["fill_id"]
        if one["side"] == "sell":
            assert brought[key] == one["quote_change"]
        elif taken[key] == one["base_change"]:
            assert paid[key] == -one["quote_change"]
        else:
            share = EXACT.divide(-one["quote_change"] * taken[key], one["base_change"])
            assert abs(paid[key] - share) < D("1e-10")


@pytest.mark.parametrize("seed", range(4))
def test_average_against_a_pool(db: duckdb.DuckDBPyConnection, seed: int) -> None:
    fills = market(db, "main", seed)
    market(db, "other", seed + 100)
    found = {
        (r["fill_id"], r["cost"] is None): r
        for r in rows(db, "FROM marts.profit_average WHERE account = 'main'")
    }
    held, cost = D(0), D(0)
    unit, begun, given = D(0), D(0), D(0)  # of the turn: a run of buys and the sales after it
    buying = False
    expected = 0
    for one in fills:
        if one["base_change"] > 0:
            held += one["base_change"]
            cost -= one["quote_change"]
            buying = True
            continue
        if buying:
            unit, begun, given, buying = places(EXACT.divide(cost, held), 12), cost, D(0), False
        sold = min(held, -one["base_change"])
        if sold:
            held -= sold
            left = begun - places(unit * (given + sold), 18) if held else D(0)
            given += sold
            row = found[one["fill_id"], False]
            assert (row["amount"], row["cost"]) == (sold, cost - left)
            assert row["profit"] == row["proceeds"] - row["cost"]
            cost = left
            expected += 1
        if sold < -one["base_change"]:
            assert found[one["fill_id"], True]["amount"] == -one["base_change"] - sold
            expected += 1
        brought = sum(
            found[key]["proceeds"]
            for key in ((one["fill_id"], False), (one["fill_id"], True))
            if key in found
        )
        assert brought == one["quote_change"]
    assert len(found) == expected


def test_fills_and_fees_by_month(db: duckdb.DuckDBPyConnection) -> None:
    worked(db)
    fill(db, 7, at(60 * 24 * 40), "sell", "10.5", "2", "0.03", "BNB")
    found = rows(
        db,
        "SELECT fill_id, base_change, quote_change, fee_quote FROM marts.fills"
        " ORDER BY fill_id::INT",
    )
    assert [tuple(r.values()) for r in found] == [
        ("1", D("1.9"), D(-200), D(10)),
        ("2", D(1), D(-133), D(3)),
        ("3", D("-2.4"), D("359.64"), D("0.36")),
        ("4", D(-1), D(90), None),
        ("5", D(1), D(-80), None),
        ("6", D("-0.25"), D(25), None),
        ("7", D(-2), D(21), None),
    ]
    months = rows(
        db,
        "SELECT month::VARCHAR, fee_currency, fills, fills_without_fee, fee, turnover, fee_quote"
        " FROM marts.fees_monthly ORDER BY ALL",
    )
    assert [tuple(r.values()) for r in months] == [
        ("2026-01-01", "BTC", 1, 0, D("0.1"), D(200), D(10)),
        ("2026-01-01", "USD", 2, 0, D("3.36"), D(490), D("3.36")),
        ("2026-01-01", None, 3, 3, None, D(195), None),
        ("2026-02-01", "BNB", 1, 0, D("0.03"), D(21), None),
    ]


def test_book_depth(db: duckdb.DuckDBPyConnection) -> None:
    for side, level, price, amount in (
        ("bid", 0, "99.9", "1"),
        ("bid", 1, "99.0", "2"),
        ("bid", 2, "98.9", "4"),
        ("ask", 0, "100.1", "0.5"),
        ("ask", 1, "101.0", "0.25"),
        ("ask", 2, "101.1", "8"),
    ):
        given = {"price": D(price), "amount": D(amount)}
        insert(db, "order_books", observed_at=at(1), side=side, level=level, **given)
    insert(db, "order_books", observed_at=at(2), side="bid", level=0, price=D(5), amount=D(1))
    first, second = rows(db, "FROM marts.book_depth ORDER BY observed_at")
    assert (first["best_bid"], first["best_ask"]) == (D("99.9"), D("100.1"))
    assert (first["spread"], first["mid"], first["spread_bps"]) == (D("0.2"), D(100), D(20))
    assert (first["bid_levels"], first["ask_levels"]) == (3, 3)
    assert (first["bid_amount"], first["ask_amount"]) == (D(7), D("8.75"))
    assert (first["bid_amount_1pct"], first["ask_amount_1pct"]) == (D(3), D("0.75"))
    assert (first["bid_value_1pct"], first["ask_value_1pct"]) == (D("297.9"), D("75.3"))
    assert (second["best_ask"], second["spread"], second["ask_amount"]) == (None, None, D(0))


def test_balance_history(db: duckdb.DuckDBPyConnection) -> None:
    for minute, currency, available, reserved in (
        (1, "BTC", "1", "0.5"),
        (1, "USD", "9", None),
        (3, "BTC", "2", "0"),
    ):
        given = {"available": D(available), "reserved": reserved and D(reserved)}
        insert(db, "balances", currency=currency, observed_at=at(minute), **given)
    found = rows(db, "SELECT currency, valid_from, valid_to, total FROM marts.balance_history")
    assert sorted(tuple(r.values()) for r in found if r["valid_to"]) == [
        ("BTC", at(1), at(3), D("1.5")),
        ("USD", at(1), at(3), D(9)),
    ]
    assert [tuple(r.values()) for r in found if not r["valid_to"]] == [
        ("BTC", at(3), None, D(2)),
    ]


def test_candles_compared(db: duckdb.DuckDBPyConnection) -> None:
    """Trades 10..19, one every 5 minutes from 00:01, of which ids 12..19 are proved."""
    for number in range(10):
        trade(db, 10 + number, at(5 * number + 1), str(100 + number), "1")

    def candle(slot: int, close: str, volume: str, final: bool = True) -> None:
        prices = dict.fromkeys(("open", "high", "low"), D(100 + slot))
        values = prices | {"close": D(close), "volume": D(volume)}
        insert(db, "candles", timeframe="5m", timestamp=at(5 * slot), is_final=final, **values)

    candle(1, "101", "1")
    candle(3, "103", "1")
    candle(4, "104", "2")
    candle(6, "106", "1")
    candle(8, "108", "1")
    candle(9, "108", "1", final=False)
    db.execute("DELETE FROM trades WHERE trade_id IN ('16')")
    start = int(at(0).timestamp()) * 1_000_000
    for dataset, stream, lower, upper, unit in (
        ("trades", "BTC-USD", 12, 19, "id"),
        ("candles", "BTC-USD:5m", start, start + 3600_000_000, "time"),
    ):
        given = {"lower": lower, "upper": upper, "unit": unit, "state": "complete"}
        insert(db, "coverage", dataset=dataset, stream=stream, **given)
    found = rows(
        db, "SELECT timestamp, verdict, trades FROM marts.candles_compared ORDER BY timestamp"
    )
    told = [((r["timestamp"] - at(0)).seconds // 300, r["verdict"], r["trades"]) for r in found]
    assert told == [
        (0, "unproved", 1),
        (1, "unproved", 1),
        (2, "unproved", 1),  # a trade before the first one proved may be missing
        (3, "equal", 1),
        (4, "different", 1),
        (5, "missing", 1),
        (6, "unfounded", 0),
        (7, "missing", 1),
        (8, "equal", 1),
    ]


def test_health(db: duckdb.DuckDBPyConnection) -> None:
    trade(db, 1, at(1), "1", "1")
    trade(db, 2, at(2), "1", "1")
    for state, lower in (("complete", 1), ("gap", 5), ("gap", 9), ("lost", 7)):
        given = {"lower": lower, "upper": lower, "unit": "id", "state": state}
        insert(db, "coverage", dataset="trades", stream="BTC-USD", **given)
    given = {"lower": 1, "upper": 2, "unit": "id", "state": "gap"}
    insert(db, "coverage", dataset="account_trades", stream="main", **given)
    refused = {"row_hash": "h", "reason": "r", "payload": "p", "observed_at": at(1)}
    insert(db, "quarantine", dataset="trades", **refused)
    told = rows(db, "SELECT * EXCLUDE (exchange, stored_at) FROM marts.health ORDER BY dataset")
    assert told[0]["rows"] == 0
    assert told[0]["newest"] is None
    assert told[0]["lag_seconds"] is None
    assert told[0]["gaps"] == 1
    lag = told[1].pop("lag_seconds")
    assert lag > 0
    assert told[1] == {
        "dataset": "trades",
        "stream": "BTC-USD",
        "rows": 2,
        "oldest": at(1),
        "newest": at(2),
        "complete": 1,
        "gaps": 2,
        "lost": 1,
        "quarantined": 1,
    }


def test_vwap(db: duckdb.DuckDBPyConnection) -> None:
    db.execute("SET TimeZone = 'Asia/Tokyo'")  # a day is UTC's, wherever one sits
    trade(db, 1, at(0), "100", "1")
    trade(db, 2, at(1), "101", "2", side="sell")
    trade(db, 3, at(24 * 60), "0.00000001", "3", cost=None)
    found = rows(db, "SELECT * EXCLUDE (exchange, symbol, day) FROM marts.vwap_daily ORDER BY day")
    assert [tuple(r.values()) for r in found] == [
        (2, D(3), D(1), D(302), D("100.666666666667")),
        (1, D(3), D(3), None, None),
    ]
