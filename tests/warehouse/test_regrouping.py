"""Snapshots that lay in a folder a market move to files of all markets: no row twice, none lost."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import warehouse
from schemas import RejectedRow, StreamId
from tests.warehouse.older_layout import market_rows, ungroup
from tests.warehouse.tools import (
    DAY,
    NOON,
    TICKERS,
    Row,
    assert_published,
    assert_recorded,
    bag,
    duck,
    lake,
    row,
    store,
)
from warehouse import StorageError
from warehouse.metastore import Metastore
from warehouse.paths import quarantine_of
from warehouse.quarantine import quarantine_rows
from warehouse.state import StreamState
from warehouse.store import Store, StreamWriter

pytestmark = pytest.mark.sqlite

MARKETS = ("BTC-USD", "ETH-USD", "A.B%C-USD")


def tick(symbol: str, at: int) -> Row:
    return row(TICKERS, at % 100, at, symbol=symbol)


@pytest.fixture
def old(home: Path) -> Path:
    """Ticks of three markets over two months, published, and a rejected row of one."""
    times = [NOON + 30 * DAY * month + 60_000_000 * n for month in range(2) for n in range(4)]
    for at in times:
        rows = [tick(symbol, at + n) for n, symbol in enumerate(MARKETS)]
        state = StreamState(unit="none", newest_at=at + 2, checked_at=at + 3)
        store(home, TICKERS, rows, state=state)
    warehouse.publish(home)
    ungroup(home)
    metastore = Metastore(home)
    market = StreamId("x", "tickers", "ETH-USD")
    writer = StreamWriter(home, metastore, quarantine_of(market))
    rejected = RejectedRow("odd", '{"last": "x"}', symbol="ETH-USD")
    writer.commit([quarantine_rows(market, [rejected])], StreamState(unit="none"))
    return home


def bring_up(how: str, home: Path) -> None:
    if how == "publish":
        warehouse.publish(home)
    elif how == "pull":
        with Store(home).open_stream(TICKERS):
            pass
    else:
        assert warehouse.rebuild(home).of("error") == []


@pytest.mark.parametrize("how", ["publish", "pull", "rebuild"])
def test_all_rows_are_there_once(old: Path, how: str) -> None:
    before = bag(duck(old, "tickers"))
    assert len(market_rows(Metastore(old), TICKERS)) == 6
    bring_up(how, old)
    assert bag(lake(old, "tickers")) == before
    assert not list((old / "lake").rglob("symbol=*")), "no folder of a market is left"
    assert not list((old / "partial").rglob("*.parquet"))
    metastore = Metastore(old)
    assert not [s for s in metastore.all_streams() if s.symbol]
    state = metastore.state(TICKERS)
    assert state.newest_at == NOON + 30 * DAY + 180_000_000 + 2
    assert state.checked_at == NOON + 30 * DAY + 180_000_000 + 3
    assert_recorded(old)
    assert_published(old)
    assert [r["payload"] for r in duck(old, "quarantine")] == ['{"last": "x"}']
    assert warehouse.verify(old).findings == []


class Stop(Exception):
    """The process ends here."""


@pytest.mark.parametrize("renames", range(2))
@pytest.mark.parametrize("is_done", [False, True])
def test_a_crash_at_any_rename_loses_nothing(
    old: Path, renames: int, is_done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bag(duck(old, "tickers"))
    real: Callable[..., None] = os.rename
    left = [renames]

    def rename(source: Path, target: Path) -> None:
        if left[0] == 0:
            if is_done:
                real(source, target)
            raise Stop
        left[0] -= 1
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("warehouse.regrouping.os.rename", rename)
        with pytest.raises(Stop):
            bring_up("pull", old)
    assert bag(lake(old, "tickers")) <= before, "no row is there twice"
    bring_up("publish", old)
    assert bag(lake(old, "tickers")) == before
    assert_recorded(old)
    assert_published(old)


def test_a_crash_before_the_metastore_knows_loses_nothing(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bag(duck(old, "tickers"))

    def stop(*_: object, **__: object) -> None:
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(Metastore, "forget", stop)
        with pytest.raises(Stop):
            bring_up("pull", old)
    assert bag(lake(old, "tickers")) == before
    bring_up("publish", old)
    assert bag(lake(old, "tickers")) == before
    assert_published(old)
    assert warehouse.verify(old).findings == []


def test_a_damaged_file_stops_the_move_and_nothing_is_changed(old: Path) -> None:
    path = next((old / "lake/tickers").rglob("*.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    before = sorted((old / "lake/tickers").rglob("*.parquet"))
    with pytest.raises(StorageError, match="is damaged"):
        bring_up("pull", old)
    assert sorted((old / "lake/tickers").rglob("*.parquet")) == before


def test_a_long_history_is_moved_in_slices(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = bag(duck(old, "tickers"))
    monkeypatch.setattr("warehouse.regrouping._SLICE_ROWS", 5)
    bring_up("publish", old)
    assert bag(lake(old, "tickers")) == before
    assert_published(old)
