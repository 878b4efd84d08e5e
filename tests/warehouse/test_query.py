"""Reading: exact values, and messages that say how to fix it."""

import pkgutil
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import warehouse
from schemas import RejectedRow
from tests.warehouse.tools import CANDLES, NOON, TRADES, ids, lost, row, store
from warehouse import LINK, StorageError
from warehouse.intervals import Interval
from warehouse.metastore import Metastore
from warehouse.state import StreamState


@pytest.fixture
def filled(home: Path) -> Path:
    price = Decimal("0.000000000003")
    rows = [row(TRADES, k, price=price, amount=10**8, cost=price * 10**8) for k in (1, 2, 3)]
    store(home, TRADES, rows, state=ids((1, 4), (9, 10)), rejected=[RejectedRow("bad", "{}")])
    warehouse.publish(home)
    return home


def test_decimals_stay_exact_through_arithmetic(filled: Path) -> None:
    result = warehouse.sql(
        "SELECT sum(cost) AS c, price * amount AS p FROM trades GROUP BY ALL", home=filled
    )
    assert result.to_pylist() == [{"c": Decimal("0.0009"), "p": Decimal("0.0003")}]
    assert pa.types.is_decimal(result.schema.field("p").type)


def test_times_are_utc(filled: Path) -> None:
    result = warehouse.sql(
        "SELECT timestamp, timestamp::VARCHAR AS t FROM trades LIMIT 1", home=filled
    )
    assert result.schema.field(0).type == pa.timestamp("us", "UTC")
    assert result["t"][0].as_py().startswith("2024-08-08 12:00:00.00000")
    assert result["t"][0].as_py().endswith("+00")


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("SELECT nothing FROM trades", "nothing"),
        ("SELEC 1", "syntax"),
        ("SELECT * FROM nowhere", "nowhere"),
        ("CREATE TABLE t (a INT)", "read-only"),
        ("DELETE FROM trades", "read-only"),
        ("-- only a remark", "returns no rows"),
    ],
)
def test_a_query_that_cannot_be_answered_is_reported(filled: Path, query: str, part: str) -> None:
    with pytest.raises(StorageError, match=f"(?i){part}"):
        warehouse.sql(query, home=filled)
    assert len(warehouse.sql("FROM trades", home=filled)) == 3


def test_values_are_bound_to_a_query(filled: Path) -> None:
    query = "SELECT trade_id FROM trades WHERE trade_id IN (?, ?) ORDER BY ALL"
    assert warehouse.sql(query, ["3", "1' OR true"], filled)["trade_id"].to_pylist() == ["3"]
    query = "SELECT count(*) AS n FROM trades WHERE symbol = $symbol"
    assert warehouse.sql(query, {"symbol": "BTC-USD"}, home=filled)["n"].to_pylist() == [3]
    frame = warehouse.sql(query, {"symbol": "X"}, filled, as_="pandas")
    assert frame["n"].to_list() == [0]
    with pytest.raises(StorageError, match="parameter"):
        warehouse.sql("SELECT ?", home=filled)


def test_the_home_is_optional_everywhere_alike(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_HOME", str(filled))
    assert warehouse.has_data()
    assert warehouse.coverage().equals(warehouse.coverage(str(filled)))
    assert warehouse.status() == warehouse.status(home=filled)
    assert not warehouse.publish().changed
    assert warehouse.sql("SELECT 1 AS one")["one"].to_pylist() == [1]
    assert warehouse.table("trades").num_rows == 3
    with warehouse.connect() as db:
        assert db.execute("SELECT count(*) FROM trades").fetchone() == (3,)
    checks = [warehouse.verify(), warehouse.verify(home=filled), warehouse.rebuild()]
    assert len({len(found.findings) for found in checks[:2]}) == 1


def test_no_public_name_is_that_of_a_module() -> None:
    modules = {m.name for m in pkgutil.iter_modules(warehouse.__path__)}
    assert {*warehouse.__all__} & modules == set()


def test_an_empty_query_gives_an_empty_table(filled: Path) -> None:
    assert warehouse.sql("  ", home=filled).num_rows == 0


def test_before_the_first_pull_the_message_says_what_to_run(home: Path) -> None:
    assert not warehouse.has_data(home)
    with pytest.raises(StorageError, match=r"does not exist yet. Fix: run `tidemark pull`"):
        warehouse.sql("SELECT 1", home=home)
    Metastore(home)
    assert warehouse.has_data(home)


def test_a_damaged_file_is_reported_with_a_fix(filled: Path) -> None:
    (filled / LINK).resolve().write_bytes(b"\x5a" * 9000)
    with pytest.raises(StorageError, match="run `tidemark rebuild`"):
        warehouse.sql("SELECT 1", home=filled)


def test_status_counts_rows_files_and_holes(filled: Path) -> None:
    time = StreamState((Interval(NOON, NOON + 5),), lost((0, 9)), "time", wanted_from=0)
    store(filled, CANDLES, [row(CANDLES, 0)], state=time)
    found = {s.stream: s for s in warehouse.status(filled)}
    trades, candles = found[TRADES], found[CANDLES]
    assert (trades.rows, trades.files, trades.gaps, trades.lost) == (3, 1, 2, 0)
    assert (trades.oldest_at, trades.newest_at) == (NOON + 1, NOON + 3)
    assert (candles.rows, candles.gaps, candles.lost) == (1, 1, 1)
    assert {s.dataset for s in found} == {"trades", "candles", "quarantine"}
    assert warehouse.coverage(filled).num_rows == 4 + 3


def test_a_home_that_cannot_be_written_is_read(
    healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, claims = warehouse.status(healthy), warehouse.coverage(healthy)
    before = sorted((p.name, p.stat().st_mtime_ns) for p in healthy.iterdir())
    real = sqlite3.connect

    def refuse(path: Path, **how: Any) -> sqlite3.Connection:
        # Raised by hand, because the superuser may write everywhere.
        if Path(path).parent == healthy:
            raise sqlite3.OperationalError("attempt to write a readonly database")
        opened: sqlite3.Connection = real(path, **how)
        return opened

    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != healthy)
    monkeypatch.setattr("sqlite3.connect", refuse)
    assert warehouse.status(healthy) == expected
    assert warehouse.coverage(healthy).drop(["ingested_at"]) == claims.drop(["ingested_at"])
    assert sorted((p.name, p.stat().st_mtime_ns) for p in healthy.iterdir()) == before
