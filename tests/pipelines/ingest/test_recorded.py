"""Recorded trades of a real exchange, replayed through the BitexBit dialect: each exactly once."""

import csv
import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import warehouse
from sandbox import ManualClock, World, serve, tape
from tests.pipelines.ingest.conftest import run, settings_for

CANDLES = """
SELECT epoch_ms(time_bucket(INTERVAL 5 MINUTE, timestamp)) AS open_ms,
       arg_min(price, (timestamp, trade_id::BIGINT)), max(price), min(price),
       arg_max(price, (timestamp, trade_id::BIGINT)), sum(amount)
FROM trades GROUP BY 1 ORDER BY 1
"""


def rows_of(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


def pull_tape(path: Path, market: str, home: Path, feeds: Callable[[str], Path]) -> Path:
    """Replay ``path`` as ``market`` and pull it twice; the home that holds it."""
    attributes = f"exchange: bitexbit\nmarkets: [{market}]\nstart: 2016-01-01\n"
    root = feeds(attributes + "datasets: {trades: {}, candles: {timeframes: [5m]}}")
    recorded = tape.load(path, market)
    clock = ManualClock(int(recorded.times[-1]) + 1)
    with serve(World.replay({market: recorded}, clock), limits=False) as server:
        settings = settings_for(server, home)
        for _ in range(2):
            report = run(settings, feeds_root=root)
            assert report.errors == []
    return home


def stored(home: Path) -> list[tuple[int, int, Decimal, Decimal, str]]:
    query = (
        "SELECT trade_id::BIGINT, epoch_ms(timestamp), price, amount, side FROM trades"
        " ORDER BY trade_id::BIGINT"
    )
    return [tuple(row.values()) for row in warehouse.sql(query, home=home).to_pylist()]


def recorded(rows: list[dict[str, str]], key: str) -> list[tuple[int, int, Decimal, Decimal, str]]:
    return [
        (
            int(row[key]),
            int(row["trade_ms"]),
            Decimal(row["price"]),
            Decimal(row["qty"]),
            "sell" if row["buyer_is_maker"] == "true" else "buy",
        )
        for row in rows
    ]


def test_xrpeth_and_its_candles(
    shared_data: Path, home: Path, feeds: Callable[[str], Path]
) -> None:
    path = shared_data / "binance_spot_xrpeth_aggtrades_2019-10-11_13.csv.gz"
    pull_tape(path, "XRP-ETH", home, feeds)
    assert stored(home) == recorded(rows_of(path), "agg_id")

    candles = rows_of(shared_data / "binance_spot_xrpeth_candles_5m_2019-10-11_13.csv.gz")
    exchange_own = [
        (int(c["open_ms"]), *(Decimal(c[n]) for n in ("open", "high", "low", "close", "volume")))
        for c in candles
    ]
    assert len(exchange_own) == 706
    built = [tuple(row.values()) for row in warehouse.sql(CANDLES, home=home).to_pylist()]
    assert built == exchange_own
    pulled = warehouse.sql(
        "SELECT epoch_ms(timestamp), open, high, low, close, volume FROM candles ORDER BY 1",
        home=home,
    )
    assert [tuple(row.values()) for row in pulled.to_pylist()] == exchange_own


def test_btcusdt_where_two_thirds_share_a_millisecond(
    shared_data: Path, home: Path, feeds: Callable[[str], Path]
) -> None:
    path = shared_data / "binance_spot_btcusdt_trades_2024-08-08_09.csv.gz"
    pull_tape(path, "BTC-USDT", home, feeds)
    rows = recorded(rows_of(path), "trade_id")
    assert stored(home) == rows
    assert len({time for _, time, *_ in rows}) < len(rows) / 2
