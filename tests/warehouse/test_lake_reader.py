"""``warehouse.table`` and ``warehouse.sql``: the right rows, exact, from the files needed only."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import warehouse
from schemas import DATASETS, ConfigError, StreamId
from tests.warehouse.tools import DAY, FILLS, NOON, TRADES, row, store

ETH = StreamId("x", "trades", "ETH-USD")
OTHER = StreamId("y", "trades", "BTC-USD")
FIVE = StreamId("x", "candles", "BTC-USD", timeframe="5m")
HOURLY = StreamId("x", "candles", "BTC-USD", timeframe="1h")
SECOND = StreamId("x", "account_trades", account="desk")
FIRST = datetime(2024, 8, 8, tzinfo=UTC)


@pytest.fixture
def filled(home: Path) -> Path:
    """Five days of three streams of trades, two timeframes, two accounts."""
    for stream in (TRADES, ETH, OTHER):
        store(
            home,
            stream,
            [row(stream, d * 10 + n, NOON + d * DAY) for d in range(5) for n in (1, 2)],
        )
    for stream in (FIVE, HOURLY):
        store(home, stream, [row(stream, d, NOON + d * 20 * DAY) for d in range(3)])
    for stream in (FILLS, SECOND):
        store(home, stream, [row(stream, 1), row(stream, 2, symbol="ETH-USD")])
    return home


def spoil_all_but(home: Path, *keep: str) -> None:
    """Make every other file of the lake unreadable: who opens one of them fails."""
    names = [p.relative_to(home / "lake").as_posix() for p in (home / "lake").rglob("*.parquet")]
    assert set(keep) <= set(names)
    for name in set(names) - set(keep):
        (home / "lake" / name).write_bytes(b"not to be opened")


def ids(table: pa.Table) -> list[str]:
    return list(table["trade_id"].to_pylist())


def test_only_the_files_needed_are_opened(filled: Path) -> None:
    place = "trades/exchange=x/symbol=BTC-USD"
    spoil_all_but(filled, f"{place}/2024-08-09.parquet", f"{place}/2024-08-10.parquet")
    found = warehouse.table(
        "trades",
        symbol="BTC-USD",
        exchange="x",
        start=FIRST + timedelta(days=1),
        end="2024-08-11",
    )
    assert ids(found) == ["11", "12", "21", "22"]
    assert found.schema.equals(DATASETS["trades"].schema)
    assert set(found["symbol"].to_pylist()) == {"BTC-USD"}
    with pytest.raises(warehouse.StorageError, match="2024-08-08"):
        warehouse.table("trades", symbol="BTC-USD", exchange="x", end="2024-08-11")


def test_only_the_timeframe_asked_for_is_opened(filled: Path) -> None:
    place = "candles/exchange=x/symbol=BTC-USD"
    spoil_all_but(filled, f"{place}/1h-2024-08.parquet", f"{place}/1h-2024-09.parquet")
    found = warehouse.table("candles", timeframe="1h")
    assert found["timeframe"].to_pylist() == ["1h"] * 3


def test_only_the_account_asked_for_is_opened(filled: Path) -> None:
    spoil_all_but(filled, "account_trades/exchange=x/account=desk/2024.parquet")
    assert warehouse.table("account_trades", account="desk").num_rows == 2
    # symbol is a column of these files, not a folder
    assert ids(warehouse.table("account_trades", account="desk", symbol="ETH-USD")) == ["2"]


def test_rows_are_those_of_sql(filled: Path) -> None:
    warehouse.publish(filled)
    for name in ("trades", "candles", "account_trades"):
        held = warehouse.table(name)
        published = warehouse.sql(f"FROM {name}")
        order = [(key, "ascending") for key in DATASETS[name].key]
        assert held.sort_by(order).to_pylist() == published.sort_by(order).to_pylist()


def test_bounds_are_start_inclusive_end_exclusive(filled: Path) -> None:
    noon = datetime(2024, 8, 9, 12, tzinfo=UTC)
    asked: dict[str, Any] = {"symbol": ["BTC-USD"], "exchange": "x", "columns": ["trade_id"]}
    assert ids(warehouse.table("trades", start=noon, end="2024-08-10T12:00:00Z", **asked)) == [
        *("11", "12")
    ]
    later = noon + timedelta(microseconds=1)
    assert ids(warehouse.table("trades", start=later, end=date(2024, 8, 11), **asked)) == [
        *("21", "22")
    ]
    elsewhere = "2024-08-09T14:00:00+02:00"
    assert ids(warehouse.table("trades", start=elsewhere, end="2024-08-10", **asked)) == [
        *("11", "12")
    ]


def test_columns(filled: Path) -> None:
    found = warehouse.table("trades", exchange="y", columns=["symbol", "price"], start=FIRST)
    assert found.column_names == ["symbol", "price"]
    assert found.num_rows == 10
    assert warehouse.table("trades", exchange="y", columns=["exchange"]).num_rows == 10


def test_nothing_held_is_an_empty_table(home: Path) -> None:
    found = warehouse.table("trades", symbol="BTC-USD", columns=["symbol", "price"])
    assert found.num_rows == 0
    assert found.schema.field("price").type == pa.decimal128(38, 12)
    assert warehouse.table("balances", home=home, as_="polars").height == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": "trade"}, "there is no dataset 'trade'; there are: trades"),
        ({"dataset": "trades", "account": "main"}, "trades has no column 'account'"),
        ({"dataset": "trades", "columns": ["colour"]}, "trades has no column 'colour'"),
        ({"dataset": "trades", "start": "soon"}, "'soon' is no time"),
        ({"dataset": "trades", "as_": "numpy"}, "not one of arrow, pandas, polars"),
    ],
)
def test_mistakes_are_said(home: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        warehouse.table(**arguments)  # type: ignore[call-overload]


def test_a_file_that_vanishes_meanwhile_is_looked_for_again(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from warehouse import files

    read, calls = files.read, []

    def fleeting(*arguments: Any) -> pa.Table:
        calls.append(arguments)
        if len(calls) == 2:
            raise FileNotFoundError
        return read(*arguments)

    monkeypatch.setattr(files, "read", fleeting)
    assert warehouse.table("trades", exchange="y").num_rows == 10


def test_pandas_and_polars_keep_decimals(filled: Path) -> None:
    warehouse.publish(filled)
    query = "SELECT price, timestamp, trade_id FROM trades ORDER BY ALL LIMIT 1"
    price = warehouse.sql(query)["price"][0].as_py()
    for frame in (warehouse.sql(query, as_="pandas"), warehouse.table("trades", as_="pandas")):
        assert isinstance(frame, pd.DataFrame)
        assert frame["price"].dtype == pd.ArrowDtype(pa.decimal128(38, 12))
        assert frame["timestamp"].dtype == pd.ArrowDtype(pa.timestamp("us", "UTC"))
        assert isinstance(frame["price"].iloc[0], Decimal)
    for other in (warehouse.sql(query, as_="polars"), warehouse.table("trades", as_="polars")):
        assert isinstance(other, pl.DataFrame)
        assert other.schema["price"] == pl.Decimal(38, 12)
        assert other.schema["timestamp"] == pl.Datetime("us", "UTC")
    assert warehouse.sql(query, as_="polars")["price"][0] == price


def test_the_home_is_found(filled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    warehouse.publish(filled)
    count = "SELECT count(*) AS n FROM trades"
    assert warehouse.sql(count)["n"].to_pylist() == [30]
    monkeypatch.delenv("TIDEMARK_HOME")
    assert warehouse.sql(count, home=filled)["n"].to_pylist() == [30]
    assert warehouse.sql(count, home=str(filled))["n"].to_pylist() == [30]
    with pytest.raises(warehouse.StorageError, match="does not exist yet"):
        warehouse.sql(count)
    (tmp_path / "cwd" / "data").symlink_to(filled)
    assert warehouse.sql(count)["n"].to_pylist() == [30]
    assert warehouse.table("trades").num_rows == 30
