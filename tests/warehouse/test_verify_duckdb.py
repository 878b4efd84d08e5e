"""``warehouse.verify`` between lake and DuckDB: differences are reported, losses are rebuilt."""

import os
import shutil
from pathlib import Path

import duckdb
import pytest

import warehouse
from tests.matrix import thinned
from tests.warehouse.healthy import COUNT, assert_clean, errors, healed
from tests.warehouse.tools import TICKERS, duck, row, store


def change_duckdb(home: Path, statement: str) -> None:
    with duckdb.connect(str((home / "warehouse.duckdb").resolve())) as db:
        db.execute(statement)


@pytest.mark.parametrize(
    ("statement", "said"),
    thinned(
        [
            (
                "UPDATE trades SET price = price + 0.000000000001 WHERE trade_id = '25'",
                "x/trades BTC-USD 2024-08-09: 20 rows like in the lake, but with other values",
            ),
            (
                "DELETE FROM trades WHERE trade_id = '25'",
                "x/trades BTC-USD 2024-08-09: 19 rows, the lake holds 20",
            ),
            (
                "INSERT INTO trades SELECT * REPLACE ('Y-Z' AS symbol) FROM trades",
                "x/trades Y-Z 2024-08-08: 20 rows, the lake holds 0",
            ),
            ("UPDATE candles SET is_final = false", "but with other values"),
            ("UPDATE quarantine SET reason = ''", "but with other values"),
            ("DROP TABLE tickers", "the table is missing"),
            ("ALTER TABLE trades ALTER price TYPE DOUBLE", "has other columns"),
            ("ALTER TABLE trades ADD COLUMN extra INTEGER", "has other columns"),
        ],
        3,
    ),
)
def test_a_changed_duckdb(healthy: Path, statement: str, said: str) -> None:
    change_duckdb(healthy, statement)
    result = warehouse.verify(healthy)
    found = [f for f in result.of("error") if f.check == "duckdb"]
    assert found and any(said in f"{f.where}: {f.what}" for f in found)
    assert {f.fix for f in found} == {"`tidemark rebuild`"}
    assert not [f for f in result.of("error") if f.check != "duckdb"]
    assert warehouse.rebuild(healthy).ok
    assert_clean(healthy)


def test_changed_coverage_in_duckdb(healthy: Path) -> None:
    change_duckdb(healthy, "UPDATE coverage SET upper = upper + 1 WHERE dataset = 'trades'")
    result = warehouse.verify(healthy)
    assert {f.check for f in result.of("error")} == {"published_coverage"}


@pytest.mark.parametrize("kind", thinned(["missing", "dangling", "garbage", "half"], 2))
def test_a_lost_duckdb_is_rebuilt(healthy: Path, kind: str) -> None:
    link = healthy / "warehouse.duckdb"
    target = link.resolve()
    if kind == "missing":
        link.unlink()
    elif kind == "dangling":
        shutil.rmtree(healthy / "versions")
    elif kind == "garbage":
        target.write_bytes(os.urandom(50_000))
    else:
        target.write_bytes(target.read_bytes()[: target.stat().st_size // 2])
    result = warehouse.verify(healthy)
    assert errors(result) == []
    assert any("warehouse.duckdb" in line for line in healed(result))
    assert len(duck(healthy, "trades")) == COUNT
    assert_clean(healthy)


def test_an_unpublished_commit_is_published(healthy: Path) -> None:
    store(healthy, TICKERS, [row(TICKERS, 9)])
    result = warehouse.verify(healthy)
    assert errors(result) == []
    assert any("brought up" in line for line in healed(result))
    assert len(duck(healthy, "tickers")) == 4
