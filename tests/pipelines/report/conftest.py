"""A small home made by hand, with every kind of thing to show, and its page."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import connectors
import warehouse
from pipelines.report.page import write
from schemas import RejectedRow, StreamId
from tests.pipelines.report.reading import Page
from tests.warehouse.tools import CANDLES, FILLS, HOURLY, TRADES, TRANSFERS, ids, lost, row, store
from warehouse.intervals import Interval
from warehouse.state import StreamState

HOUR = 3_600_000_000
TODAY = datetime.now(UTC)
NOW = int(TODAY.timestamp()) * 1_000_000
FIRST = TODAY.replace(day=1, hour=0, minute=0, second=0, microsecond=0) - timedelta(days=32)
START = int(FIRST.replace(day=1).timestamp()) * 1_000_000
"""The first of a month some two months ago: days 1, 2 and 40 lie in two months."""
HOSTILE = "</SCRIPT><SCRIPT>ALERT(1)</SCRIPT>-USD"
MARKUP = "\"'><IMG SRC=X ONERROR=ALERT(1)>"
EVIL = StreamId("x", "trades", HOSTILE)
BALANCES = StreamId("x", "balances", account="main")


def hourly(count: int) -> list[dict[str, Any]]:
    return [
        row(
            HOURLY,
            i,
            START + i * HOUR,
            open=Decimal(100 + i % 9),
            high=Decimal("110.5"),
            low=Decimal("99.000000000001"),
            close=Decimal(100 + (i + 1) % 9),
            volume=Decimal("0.1"),
        )
        for i in range(count)
    ]


def fill(key: int, days: int, side: str, price: str, amount: str, fee: str) -> dict[str, Any]:
    cost = Decimal(price) * Decimal(amount)
    money = {"price": Decimal(price), "amount": Decimal(amount), "cost": cost}
    fees = {"fee_amount": Decimal(fee), "fee_currency": "USD"}
    return row(FILLS, key, START + days * 24 * HOUR, side=side, **money, **fees)


def transfer(key: int, currency: str, amount: str) -> dict[str, Any]:
    filled = {"status": "ok", "currency": currency, "amount": Decimal(amount)}
    filled["description"] = MARKUP
    return row(TRANSFERS, key, START + key, **filled)


def balance(currency: str, available: str, reserved: str) -> dict[str, Any]:
    return {
        "currency": currency,
        "observed_at": datetime.fromtimestamp(NOW / 1e6, UTC) - timedelta(minutes=5),
        "available": Decimal(available),
        "reserved": Decimal(reserved),
    }


@contextmanager
def keys_with_rights() -> Iterator[None]:
    """The exchange of these homes has keys with rights."""
    key = connectors.ReadOnlyKey("info", "API keys; tick info")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("connectors.read_only_key", lambda exchange: key)
        yield


@pytest.fixture(autouse=True)
def rights() -> Iterator[None]:
    """For the time of one test: tests elsewhere in this process have the keys as they are."""
    with keys_with_rights():
        yield


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trades (some lost, some missing), hourly candles, and an account whose BTC is 1e-12 short."""
    home = tmp_path_factory.mktemp("filled") / "home"
    home.mkdir()
    state = StreamState(
        (Interval(10, 50, 10, 49, START), Interval(60, 101, 60, 100, START)),
        unshown=lost((50, 55)),
        wanted_from=START - HOUR,
        checked_at=NOW - 72 * HOUR,
    )
    trades = [row(TRADES, i, START + i * HOUR) for i in (*range(10, 50), *range(60, 101))]
    store(home, TRADES, trades, state=state, rejected=[RejectedRow("not a number", '{"a": 1}')])
    store(home, EVIL, [row(EVIL, 1, START)], state=ids((0, 2)))
    proved = StreamState((Interval(START, NOW),), unit="time", checked_at=NOW)
    store(home, HOURLY, hourly(700), state=proved)
    store(home, CANDLES, [row(CANDLES, 0, START)], state=proved)
    store(
        home,
        FILLS,
        [
            fill(1, 1, "buy", "100", "3", "0.6"),
            fill(2, 2, "sell", "110.000000000001", "1", "0.22"),
            fill(3, 40, "sell", "90", "1", "0.18"),
        ],
        state=ids((0, 4)),
    )
    store(
        home,
        TRANSFERS,
        [
            transfer(1, "USD", "1000"),
            transfer(2, "BTC", "0.5"),
            transfer(3, "DOGE", "7"),
            transfer(4, MARKUP, "1"),
        ],
        state=ids((0, 5)),
    )
    rights = StreamState(unit="none", checkpoint=json.dumps({"rights": ["info", "trade"]}))
    store(
        home,
        BALANCES,
        [
            balance("USD", "799.000000000001", "100"),
            balance("BTC", "1.500000000001", "0"),
            balance("DOGE", "7", "0"),
            balance(MARKUP, "1", "0"),
        ],
        state=rights,
    )
    warehouse.publish(home)
    return home


@pytest.fixture(scope="session")
def page(filled: Path) -> Page:
    with keys_with_rights():
        return Page(write(filled).path)
