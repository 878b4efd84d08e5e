"""Realised profit against figures worked by hand and against models in fractions."""

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import duckdb
import pytest

from tests.warehouse.database import EXACT, Row, at, fill, insert_all, places, rows, worked

D = Decimal
LEAST = Fraction(1, 10**18)
Part = tuple[str, str | None, Decimal, Decimal | None, Decimal, Decimal | None]
"""sale, lot, amount, cost, proceeds, profit"""


def profit(db: duckdb.DuckDBPyConnection, method: str) -> list[Part]:
    query = (
        "SELECT fill_id, lot_fill_id, amount, cost, proceeds, profit"
        f" FROM realised_profit('{method}') ORDER BY timestamp, fill_id, "
        " bought_at NULLS LAST, cost NULLS LAST"
    )
    return db.execute(query).fetchall()


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
    first = D("275.586206896551724138")  # of the pool: 2.9 for 333
    rest = 333 - first
    assert profit(db, "average") == [
        ("3", None, D("2.4"), first, D("359.64"), D("359.64") - first),
        ("4", None, D("0.5"), rest, D(45), 45 - rest),
        ("4", None, D("0.5"), None, D(45), None),
        ("6", None, D("0.25"), D(20), D(25), D(5)),
    ]


def test_an_unknown_cost_is_not_averaged_away(db: duckdb.DuckDBPyConnection) -> None:
    """Buy 2 cost more than fits: of its pool nothing is known, of the next one all is."""
    fill(db, 1, at(1), "buy", "100", "1")
    fill(db, 2, at(2), "buy", "100000000000", "10000000000", cost=None)
    fill(db, 3, at(3), "sell", "100", "10000000001")
    fill(db, 4, at(4), "buy", "100", "1")
    fill(db, 5, at(5), "sell", "110", "1")
    assert [(p[0], p[3], p[5]) for p in profit(db, "average")] == [
        ("3", None, None),
        ("5", 100, 10),
    ]


def test_positions(db: duckdb.DuckDBPyConnection) -> None:
    worked(db)
    query = "SELECT bought, sold, taken_to - taken_from, all_bought - taken_to FROM marts.positions"
    assert db.execute(f"{query} ORDER BY place").fetchall() == [
        (D("1.9"), 0, 0, D("1.9")),
        (1, 0, 0, D("2.9")),
        (0, D("2.4"), D("2.4"), D("0.5")),
        (0, 1, D("0.5"), 0),
        (1, 0, 0, 1),
        (0, D("0.25"), D("0.25"), D("0.75")),
    ]


def test_no_method(db: duckdb.DuckDBPyConnection) -> None:
    worked(db)
    for method in ("'lifo'", "NULL"):
        with pytest.raises(duckdb.Error, match=f"not a method: {method.strip(chr(39))}"):
            db.execute(f"FROM realised_profit({method})")


@dataclass(frozen=True)
class Move:
    """A fill as it changes two balances, computed from what the exchange reported."""

    fill_id: str
    base: Fraction
    quote: Fraction


def histories(db: duckdb.DuckDBPyConnection, accounts: int) -> dict[str, list[Move]]:
    """Fills at random, stored; and what they come to. Some accounts sell what they never bought,
    some deal in a billionth of a unit of quote currency; fees are taken in either currency, in a
    third one, or paid back."""
    chance = random.Random(5)
    stored: list[Row] = []
    moves: dict[str, list[Move]] = {}
    for number in range(accounts):
        account = f"a{number}"
        cents, eager = chance.choice([-2, -2, -8, -12]), chance.choice([0.3, 0.5, 0.7])
        for place in range(chance.randrange(1, 20)):
            side = "buy" if chance.random() < eager else "sell"
            amount = D(chance.randrange(1, 10 ** chance.randrange(2, 18))).scaleb(-8)
            price = D(chance.randrange(1, 10**6)).scaleb(cents)
            currency = chance.choice(["BTC", "USD", "BNB", None])
            taken = amount if currency == "BTC" else price * amount
            rates = ["0.002", "-0.0002", "0.3", *(["1.5"] if currency == "USD" else [])]
            fee = places(taken * D(chance.choice(rates)), 12)
            row: Row = {
                "trade_id": str(990 + place),
                "timestamp": at(place // 3),
                "account": account,
            }
            row |= {"side": side, "price": price, "amount": amount, "cost": None}
            row |= {"fee_amount": fee if currency else None, "fee_currency": currency}
            stored.append(row)
            way = 1 if side == "buy" else -1
            base = way * Fraction(amount) - (Fraction(fee) if currency == "BTC" else 0)
            cost = Fraction(places(EXACT.multiply(price, amount), 18))
            quote = -way * cost - (Fraction(fee) if currency == "USD" else 0)
            moves.setdefault(account, []).append(Move(row["trade_id"], base, quote))
    insert_all(db, "account_trades", stored)
    return moves


class Sold(NamedTuple):
    fill_id: str
    lot: str | None
    amount: Fraction
    cost: Fraction | None
    proceeds: Fraction


def by_fifo(moves: Iterable[Move]) -> Iterator[Sold]:
    lots: deque[tuple[str, Fraction, Fraction]] = deque()
    for move in moves:
        if move.base > 0:
            lots.append((move.fill_id, move.base, -move.quote / move.base))
            continue
        left, unit = -move.base, move.quote / -move.base
        while left and lots:
            lot, held, cost = lots.popleft()
            used = min(left, held)
            yield Sold(move.fill_id, lot, used, used * cost, used * unit)
            left -= used
            if held > used:
                lots.appendleft((lot, held - used, cost))
        if left:
            yield Sold(move.fill_id, None, left, None, left * unit)


def by_average(moves: Iterable[Move]) -> Iterator[Sold]:
    held = paid = Fraction(0)
    for move in moves:
        if move.base > 0:
            held, paid = held + move.base, paid - move.quote
            continue
        sold, unit = min(held, -move.base), move.quote / -move.base
        if sold:
            cost = paid * sold / held
            yield Sold(move.fill_id, None, sold, cost, sold * unit)
            held, paid = held - sold, paid - cost
        if sold < -move.base:
            beyond = -move.base - sold
            yield Sold(move.fill_id, None, beyond, None, beyond * unit)


@pytest.mark.parametrize(("method", "model"), [("fifo", by_fifo), ("average", by_average)])
def test_profit_is_what_fractions_say(
    db: duckdb.DuckDBPyConnection, method: str, model: Callable[[Iterable[Move]], Iterator[Sold]]
) -> None:
    accounts = histories(db, 150)
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows(db, f"FROM realised_profit('{method}')"):
        found[row["account"]].append(row)
    priced = 0
    for account, moves in accounts.items():
        reported = {(r["fill_id"], r["lot_fill_id"], r["cost"] is None): r for r in found[account]}
        wanted = {(part.fill_id, part.lot, part.cost is None): part for part in model(moves)}
        assert reported.keys() == wanted.keys()
        assert len(reported) == len(found[account])
        for key, part in wanted.items():
            row = reported[key]
            assert row["amount"] == part.amount
            assert abs(Fraction(row["proceeds"]) - part.proceeds) <= LEAST
            if part.cost is None:
                assert row["profit"] is None
                continue
            # a pool's roundings add up, one for each run of sales
            assert abs(Fraction(row["cost"]) - part.cost) <= LEAST * len(moves)
            assert row["profit"] == EXACT.subtract(row["proceeds"], row["cost"])
            priced += 1
        for move in moves:
            if move.base < 0:  # a sale's parts are the sale, to the last digit
                parts = [r["proceeds"] for r in found[account] if r["fill_id"] == move.fill_id]
                assert sum(map(Fraction, parts)) == move.quote
    assert priced > 300
