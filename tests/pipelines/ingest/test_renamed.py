"""Transfers that an earlier version stored under their ``txid``: each once, under its id of now."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import warehouse
from connectors.bitexbit import models
from connectors.bitexbit import transfers as parser
from pipelines.replay import replay
from pipelines.settings import Settings
from sandbox import Served
from sandbox.bitexbit import BitexBitSwitches
from schemas import StreamId
from schemas.wording import count
from tests.pipelines.ingest.conftest import run, settings_for
from tests.pipelines.ingest.reference_model import table
from tests.warehouse.tools import assert_each_once
from warehouse.errors import StorageError
from warehouse.metastore import Metastore
from warehouse.store import StreamWriter

FEED = "exchange: bitexbit\nstart: 2016-01-01\ndatasets: {account_transactions: {}}"
ROWS = (
    "SELECT transaction_id, timestamp, type, currency, amount, status, description"
    " FROM account_transactions ORDER BY 1"
)


def by_txid(row: models.Transfer) -> Any:
    """The id that the older parser gave."""
    return row.txid


@pytest.fixture
def pulls(
    exchange: Served, home: Path, feeds: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """A pull, by the older parser or that of now; what it told."""
    root = feeds(FEED)
    switches = exchange.of(BitexBitSwitches)
    switches.transfers_id = False
    switches.transfers_page = 5
    settings = settings_for(exchange, home)

    def pull(older: bool = False, settings: Settings = settings, **changes: Any) -> list[str]:
        with monkeypatch.context() as then:
            if older:
                then.setattr(parser, "_made_id", by_txid)
            for name, value in changes.items():
                then.setattr(StreamWriter, name, value)
            report = run(settings, feeds_root=root)
        assert report.errors == []
        return report.notices

    return pull


def test_rows_under_the_old_id_are_replaced_once(
    pulls: Callable[..., list[str]], exchange: Served, home: Path, tmp_path: Path
) -> None:
    fresh = tmp_path / "fresh"
    pulls(settings=settings_for(exchange, fresh))
    expected = table(fresh, ROWS)
    assert pulls(older=True) == []
    old = table(home, ROWS)
    assert len(old) == len(expected) >= 10
    assert all(row[0] == row[-1] for row in old)
    (notice,) = pulls()
    assert f"{count(len(old), 'row')} stored by an earlier Tidemark" in notice
    for _ in range(2):
        assert table(home, ROWS) == expected
        assert_each_once(home)
        assert warehouse.verify(home).findings == []
        assert pulls() == []
    # what changes later is still the same row
    exchange.advance(6 * 3600)
    for where in (home, fresh):
        pulls(settings=settings_for(exchange, where))
    assert table(home, ROWS) == table(fresh, ROWS)


def test_a_replay_renames_them_as_well(
    pulls: Callable[..., list[str]], home: Path, feeds: Callable[..., Path]
) -> None:
    feeds(FEED.replace("{}", "{keep_raw: true}"))
    pulls(older=True)
    before = len(table(home, ROWS))
    stream = StreamId("bitexbit", "account_transactions", account="main")
    assert replay(home, [stream]).errors == []
    warehouse.publish(home)
    rows = table(home, ROWS)
    assert len(rows) == before and all(str(row[0]).startswith("transfer-") for row in rows)


def test_rows_that_are_held_twice_already_are_one_again(
    pulls: Callable[..., list[str]], home: Path
) -> None:
    pulls(older=True)
    before = len(table(home, ROWS))
    pulls(rename=lambda self, ids: 0)
    assert len(table(home, ROWS)) == 2 * before
    assert len(pulls()) == 1
    rows = table(home, ROWS)
    assert len(rows) == before and all(str(row[0]).startswith("transfer-") for row in rows)
    assert_each_once(home)


def test_after_a_crash_between_file_and_metastore_nothing_is_lost(
    pulls: Callable[..., list[str]],
    exchange: Served,
    home: Path,
    feeds: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pulls(older=True)
    before = len(table(home, ROWS))

    def breaks_off(*_: object) -> None:
        raise StorageError("the power is gone")

    with monkeypatch.context() as then:
        then.setattr(Metastore, "record", breaks_off)
        report = run(settings_for(exchange, home), feeds_root=feeds(FEED))
    assert report.errors
    pulls()
    rows = table(home, ROWS)
    assert len(rows) == before and all(str(row[0]).startswith("transfer-") for row in rows)
    assert warehouse.verify(home).ok


def transfers(*rows: dict[str, str]) -> pa.Table:
    columns = ("transaction_id", "description", "type", "currency", "amount", "timestamp")
    return pa.table({name: [row[name] for row in rows] for name in columns}).cast(
        pa.schema(
            [(name, pa.string()) for name in columns[:4]]
            + [("amount", pa.decimal128(38, 12)), ("timestamp", pa.timestamp("us", "UTC"))]
        )
    )


def transfer(id_: str, txid: str, amount: str = "1") -> dict[str, str]:
    row = {"transaction_id": id_, "description": txid, "type": "deposit", "currency": "BTC"}
    return row | {"amount": amount, "timestamp": "2026-01-09 00:00:00Z"}


MADE = transfer("transfer-0123456789abcdef0123", "other", "9")


def test_which_ids_are_old() -> None:
    stored = transfers(
        transfer("a", "a"),
        transfer("b", "b"),
        transfer("", "c", "0"),
        transfer("17", "d"),
        transfer("transfer-x", "e"),
    )
    found = parser.renamed(transfers(MADE), stored)
    assert list(found) == ["a", "b", ""]
    assert found["b"] == f"{found['a']}-2"  # alike in all but the txid
    # a server that gives ids: they may well be the txid
    assert parser.renamed(transfers(transfer("a", "a")), stored) == {}
    # which of two that are alike is held already is told by its txid
    again = transfers(transfer(found["a"], "b"), transfer("b", "b"), transfer("a", "a"))
    twins = parser.renamed(transfers(MADE), again)
    assert twins == {"b": found["a"], "a": found["b"]}
