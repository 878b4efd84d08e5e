"""Rows put in place of stored ones: whole observations, later states left alone, rows that move."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from schemas import RejectedRow, StreamId, dataset
from warehouse.metastore import Metastore
from warehouse.rewrite import NEWER_US, Rewritten, quarantined_rows, release, rewrite
from warehouse.state import StreamState
from warehouse.store import Store

NOON = 1_768_046_400_000_000
DAY = 86_400_000_000


def rows_of(name: str, rows: Sequence[dict[str, Any]], came: int) -> pa.Table:
    schema = dataset(name).file_schema
    return pa.Table.from_pylist([{"ingested_at": came, **row} for row in rows], schema=schema)


def level(number: int, price: int, at: int = NOON) -> dict[str, Any]:
    return {
        "symbol": "BTC-USD",
        "observed_at": at,
        "side": "bid",
        "level": number,
        "price": Decimal(price),
        "amount": Decimal(1),
    }


def trade(number: int, at: int, price: int = 1) -> dict[str, Any]:
    return {
        "trade_id": str(number),
        "timestamp": at,
        "side": "buy",
        "price": Decimal(price),
        "amount": Decimal(1),
    }


class Lake:
    def __init__(self, home: Path, name: str, stream: str | None = None) -> None:
        self.home = home
        self.metastore = Metastore(home)
        field = "account" if dataset(name).is_account else "symbol"
        self.stream = StreamId("wex", name, **{field: stream})

    def rewrite(
        self, *rows: dict[str, Any], came: int = NOON, rejected: Sequence[RejectedRow] = ()
    ) -> Rewritten:
        table = rows_of(self.stream.dataset, rows, came)
        with Store(self.home).open_stream(self.stream) as writer:
            return rewrite(writer, table, StreamState(), rejected)

    def quarantined(self) -> dict[str, str]:
        with Store(self.home).open_stream(self.stream) as writer:
            return quarantined_rows(writer)

    def release(self, hashes: set[str]) -> int:
        with Store(self.home).open_stream(self.stream) as writer:
            return release(writer, hashes)

    def held(self, *columns: str) -> list[tuple[Any, ...]]:
        table = Store(self.home).reader(self.stream).tail(1000).sort_by([(columns[0], "ascending")])
        return [tuple(row[c] for c in columns) for row in table.to_pylist()]


def test_an_observation_is_replaced_whole(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "order_books")
    lake.rewrite(level(0, 9), level(1, 8), level(2, 7), level(0, 5, NOON + 1))
    done = lake.rewrite(level(0, 9), level(1, 7))
    assert done == Rewritten(added=0, replaced=2)
    assert lake.held("price", "level") == [(5, 0), (7, 1), (9, 0)]
    assert lake.rewrite(level(0, 9), level(1, 7)) == Rewritten()


def test_a_row_that_moves_is_in_one_file_only(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "trades", "BTC-USD")
    lake.rewrite(trade(1, NOON), trade(2, NOON), trade(3, NOON + DAY))
    done = lake.rewrite(trade(1, NOON + DAY), trade(3, NOON + 2 * DAY), trade(4, NOON))
    assert done == Rewritten(added=1, replaced=2)
    found = [(i, int(t.timestamp() * 1e6)) for i, t in lake.held("trade_id", "timestamp")]
    assert found == [("1", NOON + DAY), ("2", NOON), ("3", NOON + 2 * DAY), ("4", NOON)]


def test_the_last_row_of_a_file_takes_the_file_with_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "trades", "BTC-USD")
    lake.rewrite(trade(1, NOON), trade(2, NOON + DAY))
    assert lake.rewrite(trade(1, NOON + DAY)) == Rewritten(replaced=1)
    (path,) = (tmp_path / "lake").rglob("*.parquet")
    assert path.name == "2026-01-11.parquet"
    assert [f.rows for f in lake.metastore.files(lake.stream)] == [2]


@pytest.mark.parametrize(("later", "left"), [(NEWER_US, 0), (NEWER_US + 1, 1)])
def test_a_later_state_stays_where_rows_may_change(tmp_path: Path, later: int, left: int) -> None:
    row = {
        "transaction_id": "1",
        "timestamp": NOON,
        "type": "deposit",
        "currency": "BTC",
        "amount": Decimal(1),
        "description": "",
    }
    lake = Lake(tmp_path, "account_transactions", "main")
    lake.rewrite({**row, "status": "ok"}, came=NOON + later)
    done = lake.rewrite({**row, "status": "failed"})
    assert done == Rewritten(replaced=1 - left, newer=left)
    assert lake.held("status") == [("ok" if left else "failed",)]


def test_rows_that_never_change_are_replaced_whenever_they_were_stored(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "trades", "BTC-USD")
    lake.rewrite(trade(1, NOON), came=NOON + DAY)
    assert lake.rewrite(trade(1, NOON, price=2)) == Rewritten(replaced=1)
    assert lake.held("trade_id", "price") == [("1", 2)]


def test_release_takes_out_what_is_named(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "trades", "BTC-USD")
    done = lake.rewrite(rejected=[RejectedRow("odd", "a"), RejectedRow("odd", "b")])
    assert done == Rewritten(quarantined=2)
    known = {p: h for h, p in lake.quarantined().items()}
    assert lake.release({known["a"], "unknown"}) == 1
    assert [*lake.quarantined().values()] == ["b"]
    assert lake.release({known["b"]}) == 1
    assert lake.quarantined() == {}
