"""Homes and databases that several of these tests start from."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

import warehouse
from schemas import RejectedRow
from tests.warehouse.database import catalog, session
from tests.warehouse.healthy import COUNT, STEP, candle, time_of, trade
from tests.warehouse.tools import CANDLES, FILLS, NOON, TICKERS, TRADES, TRANSFERS, row, store
from warehouse.intervals import Interval
from warehouse.state import StreamState


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    """A session of its own on a database with every table, view and macro, and no rows."""
    with session(catalog()) as found:
        yield found


@pytest.fixture
def healthy(healthy_once: Path, home: Path) -> Path:
    """A home of one's own with trades on three days, their candles, and a stream of every kind."""
    shutil.copytree(healthy_once, home, symlinks=True, dirs_exist_ok=True)
    return home


@pytest.fixture(scope="session")
def healthy_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("healthy")
    openings = sorted({time_of(k) // STEP * STEP for k in range(COUNT - 1)})[:-1]
    state = StreamState(
        (Interval(0, COUNT, 0, COUNT - 1, time_of(0)),),
        newest_at=time_of(COUNT - 1),
        checked_at=time_of(COUNT - 1),
    )
    store(
        home,
        TRADES,
        [trade(k) for k in range(COUNT)],
        state=state,
        rejected=[RejectedRow("malformed", '{"id": "x"}')],
    )
    run = Interval(openings[0], openings[-1] + STEP, openings[0], openings[-1], openings[0])
    state = StreamState((run,), unit="time", newest_at=openings[-1])
    store(home, CANDLES, [candle(o) for o in openings], state=state)
    store(home, TICKERS, [row(TICKERS, k) for k in range(3)], state=StreamState(unit="none"))
    fills = StreamState((Interval(1, 4, 1, 3, NOON + 1),), newest_at=NOON + 3)
    store(
        home,
        FILLS,
        [row(FILLS, k, cost=Decimal(100 + k)) for k in (1, 2, 3)],
        state=fills,
    )
    moved = [row(TRANSFERS, k, transaction_id=str(k)) for k in (1, 2)]
    pending = StreamState((Interval(1, 3, 1, 2, NOON + 1),), unsettled=frozenset({1, 2}))
    store(home, TRANSFERS, moved, state=replace(pending, newest_at=NOON + 2))
    warehouse.publish(home)
    return home
