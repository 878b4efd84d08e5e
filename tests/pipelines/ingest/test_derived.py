"""Candles of lengths that the exchange lacks, built from its trades beside those that it has."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import warehouse
from connectors.base import Cursor, Key, Paging
from pipelines.ingest.session import Task
from pipelines.ingest.stream import pull_stream
from schemas import StreamId
from schemas.timeframes import TIMEFRAMES, Grid, grid
from tests.warehouse.tools import TRADES, lake, row, store
from warehouse.intervals import Interval
from warehouse.state import StreamState
from warehouse.store import Store

FIRST = datetime(2026, 1, 1, 5, tzinfo=UTC)
EVERY = timedelta(hours=7)
"""Between two trades."""
OFFERED = Paging(Cursor.TIME, Key.TIME, timeframes=("5m",))


def microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def put_trades(home: Path, first: int, end: int) -> None:
    """Trades with the ids ``first`` to ``end``, all that there are so far."""
    rows = [row(TRADES, k, microseconds(FIRST + k * EVERY)) for k in range(first, end)]
    last = microseconds(FIRST + (end - 1) * EVERY)
    run = Interval(0, end, 0, end - 1, microseconds(FIRST), last)
    state = StreamState((run,), newest_at=last, checked_at=last)
    store(home, TRADES, rows, state=state)


def pull(home: Path, timeframe: str, listener: Any = None) -> Any:
    connector: Any = SimpleNamespace(offers={"candles": OFFERED}, name="x")
    stream = StreamId("x", "candles", "BTC-USD", timeframe=timeframe)
    return pull_stream(Task(Store(home), connector, stream, FIRST, listener=listener))


def test_progress_counts_the_candles_built(home: Path) -> None:
    put_trades(home, 0, 40)
    seen: list[Any] = []
    report = pull(home, "1h", seen.append)
    assert [(one.rows, one.requests, one.done) for one in seen] == [(report.rows_added, 0, True)]
    assert report.rows_added == 40


QUICK = ("1h", "1w")
"""Shorter and longer than the time between two trades, and two that do not begin with the day."""


@pytest.mark.parametrize(
    "timeframe",
    [
        pytest.param(t, marks=() if t in QUICK else pytest.mark.torture)
        for t in TIMEFRAMES
        if t != "5m"
    ],
)
def test_what_an_exchange_lacks_is_built_from_its_trades(home: Path, timeframe: str) -> None:
    step = timedelta(microseconds=TIMEFRAMES[timeframe])
    put_trades(home, 0, 40)
    assert pull(home, timeframe).error is None
    put_trades(home, 40, 70)  # some of them belong to the candle that was open
    assert pull(home, timeframe).error is None
    report = pull(home, timeframe)
    assert (report.rows_added, report.rows_replaced) == (0, 0)
    warehouse.publish(home)
    held = lake(home, "candles")
    assert {r["timestamp"].weekday() for r in held} == {0} or timeframe != "1w"
    assert sum(r["volume"] for r in held) == 35  # of all trades
    final = [r for r in held if r["is_final"]]
    assert len(held) - len(final) == 1 and min(r["timestamp"] for r in held) <= FIRST
    assert max(r["timestamp"] for r in final) + step <= FIRST + 69 * EVERY
    compared = warehouse.sql(
        "SELECT verdict, count(*) AS n FROM marts.candles_compared GROUP BY ALL", home=home
    ).to_pylist()
    assert {r["verdict"] for r in compared} == {"equal"}, compared
    assert [f for f in warehouse.verify(home).findings if f.kind != "note"] == []
    assert not warehouse.verify(home).findings


def test_candles_of_three_days_are_compared_where_the_exchange_counts_from(home: Path) -> None:
    """Stored as sent: the exchange's own days, a day after those counted from 1970."""
    put_trades(home, 0, 70)
    stream = StreamId("x", "candles", "BTC-USD", timeframe="3d")
    assert pull(home, "3d").error is None
    ours = [r["timestamp"] for r in lake(home, "candles")]
    opened = [moment + timedelta(days=1) for moment in ours[:-2]]
    theirs = []
    for moment in opened:
        inside = [k for k in range(70) if moment <= FIRST + k * EVERY < moment + timedelta(days=3)]
        prices = [row(TRADES, k)["price"] for k in inside]
        figures = {"open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1]}
        made = row(stream, 0, microseconds(moment), **figures)
        theirs.append(made | {"volume": row(TRADES, 0)["amount"] * len(inside)})
    for path in (home / "lake/candles").rglob("*.parquet"):
        path.unlink()
    span = Interval(microseconds(opened[0]), microseconds(opened[-1] + timedelta(days=3)))
    store(home, stream, theirs, state=StreamState((span,), unit="time"))
    warehouse.publish(home)
    compared = warehouse.sql("FROM marts.candles_compared", home=home).to_pylist()
    assert [r["verdict"] for r in compared] == ["equal"] * len(theirs)
    assert [f for f in warehouse.verify(home).findings if f.check == "candles"] == []


def test_which_are_built() -> None:
    some = Paging(Cursor.TIME, Key.TIME, timeframes=("1m", "1h"))
    assert some.of("1h") is some and some.of(None) is some
    assert some.of("2h").cursor is Cursor.DERIVED
    assert Paging(Cursor.DERIVED).of("1h").cursor is Cursor.DERIVED


def test_where_candles_open() -> None:
    thursday = int(datetime(2026, 1, 15, 7, tzinfo=UTC).timestamp()) * 1_000_000
    opened = datetime.fromtimestamp(grid("1w").opening(thursday) / 1e6, UTC)
    assert opened == datetime(2026, 1, 12, tzinfo=UTC)
    assert grid("3d").opening(thursday) % grid("3d").step == 0
    assert Grid(10, 3).opening(12) == 3 and Grid(10, 3).opening(13) == 13
