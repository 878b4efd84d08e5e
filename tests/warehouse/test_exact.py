"""Values come back as they were stored, from Parquet and from DuckDB."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.warehouse.tools import (
    FILLS,
    TRADES,
    TRANSFERS,
    Row,
    assert_published,
    bag,
    duck,
    lake,
    row,
    store,
)


def _decimals(scale: int) -> st.SearchStrategy[Decimal]:
    top = 10**38 - 1
    edges = st.sampled_from([top, -top, 1, -1, 0, 10**scale, top - 1])
    return (st.integers(-top, top) | edges).map(lambda n: Decimal((n < 0, _digits(n), -scale)))


def _digits(number: int) -> tuple[int, ...]:
    return tuple(int(d) for d in str(abs(number)))


_moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@st.composite
def _rows(draw: st.DrawFn) -> list[Row]:
    return [
        row(
            TRADES,
            k,
            0,
            trade_id=str(draw(st.integers(0, 2**63 - 1 - k))),
            timestamp=draw(_moments),
            side=draw(st.sampled_from(["buy", "sell"])),
            price=draw(_decimals(12)),
            amount=draw(_decimals(12)),
        )
        for k in range(draw(st.integers(1, 4)))
    ]


@settings(max_examples=examples(6))
@example([row(TRADES, 1, 0, price=Decimal("0E-12"), amount=Decimal("-1E-12"))])
@given(_rows())
def test_decimals_and_times_survive(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row]
) -> None:
    home = tmp_path_factory.mktemp("home")
    store(home, TRADES, rows)
    first = {r["trade_id"]: r for r in reversed(rows)}
    path = {"exchange": "x", "symbol": "BTC-USD"}
    assert bag(lake(home, "trades")) == bag(path | r for r in first.values())
    assert_published(home)


@settings(max_examples=examples(6))
@given(st.lists(_texts, min_size=1, max_size=4))
def test_texts_survive(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    home = tmp_path_factory.mktemp("home")
    store(home, TRANSFERS, [row(TRANSFERS, k, description=text) for k, text in enumerate(texts)])
    assert [r["description"] for r in lake(home, "account_transactions")] == texts
    assert_published(home)


def test_the_smallest_and_the_greatest_are_distinguished(home: Path) -> None:
    tiny, huge = Decimal("1E-12"), Decimal("9" * 26 + "." + "9" * 12)
    rows = [
        row(FILLS, 1, price=tiny, amount=Decimal("1E-6"), fee_amount=-tiny),
        row(FILLS, 2, price=huge, amount=tiny, fee_amount=None),
    ]
    store(home, FILLS, rows)
    assert_published(home)
    one, two = sorted(duck(home, "account_trades"), key=lambda r: r["trade_id"])
    assert (one["price"], two["amount"], one["fee_amount"]) == (tiny, tiny, -tiny)
    assert one["cost"] == Decimal("1E-18") and two["cost"] is None and two["price"] == huge


def test_one_unit_in_the_last_place_is_a_new_state(home: Path) -> None:
    price = Decimal("0.000000000001")
    store(home, TRANSFERS, [row(TRANSFERS, 1, amount=price)])
    assert store(home, TRANSFERS, [row(TRANSFERS, 1, amount=price * 2)]).replaced == 1
    assert [r["amount"] for r in lake(home, "account_transactions")] == [price * 2]
