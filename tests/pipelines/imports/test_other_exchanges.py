"""What was exported of one home is imported into another, and pulls go on from there."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import warehouse
from connectors import offers
from connectors.local import NoLimits
from pipelines.cli import main
from pipelines.feeds import load_feeds, select_jobs
from pipelines.ingest import PullReport, pull
from pipelines.publishing import publish
from sandbox import Served, serve
from tests.pipelines.imports.conftest import Import, complete, held, quarantined
from tests.pipelines.ingest.conftest import settings_for
from tests.pipelines.ingest.reference_model import table
from tests.worlds import world_at

Feeds = Callable[[str], Path]
ROWS = "trade_id, timestamp, side, price, amount"
DENSE = ["binance", "kraken", "coinbase"]
OTHERS = ["bitexbit", "bitstamp", "wex", "yobit"]
"""Whose ids prove nothing; the last three show their newest rows alone."""


@pytest.fixture
def served() -> Iterator[Served]:
    with serve(world_at(), limits=False) as server:
        yield server


def pulled(server: Served, home: Path, root: Path) -> PullReport:
    settings = settings_for(server, home)
    report = pull(select_jobs(load_feeds(root), []), settings, limits=NoLimits())
    publish(settings)
    return report


@pytest.mark.parametrize("exchange", ["binance", "kraken", "coinbase", "bitexbit", "wex"])
def test_trades_come_back_and_pulls_go_on(
    exchange: str,
    served: Served,
    tmp_path: Path,
    home: Path,
    feeds: Feeds,
    run: Import,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = feeds(
        f"exchange: {exchange}\nmarkets: [BTC-USD]\nstart: 2016-01-01\ndatasets: {{trades: {{}}}}\n"
    )
    first = pulled(served, home, root)
    assert first.errors == []
    path = tmp_path / "trades.parquet"
    assert main(["export", "parquet", "trades", "--out", str(path)]) == 0
    before = held(home, ROWS)
    span = complete(home, "BTC-USD")
    new = tmp_path / "new"
    new.mkdir()
    monkeypatch.setenv("TIDEMARK_HOME", str(new))
    found = run(path, market="BTC-USD", exchange=exchange)
    assert found.code == 0, found.err
    assert held(new, ROWS) == before
    dense = offers(exchange)["trades"].dense
    ids = sorted(int(str(row[0])) for row in before)
    assert complete(new, "BTC-USD") == ([(ids[0], ids[-1])] if dense else [])

    served.advance(3600)
    report = pulled(served, new, root)
    assert report.errors == []
    rows = held(new, ROWS)
    assert set(before) < set(rows) and len(rows) == len(set(rows))
    ((low, high),) = complete(new, "BTC-USD")
    assert (low, high >= ids[-1]) == (span[0][0], True)
    if dense:  # only what is newer was asked for, and the beginning proved
        (trades,) = report.streams
        assert trades.rows_added == len(rows) - len(before)
        assert trades.requests < 12 + len(rows) // 1000
    assert main(["verify"]) == 0


@pytest.mark.parametrize("exchange", [*DENSE, *OTHERS])
def test_rows_of_another_market_go_and_the_exchanges_come(
    exchange: str,
    served: Served,
    tmp_path: Path,
    home: Path,
    feeds: Feeds,
    run: Import,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However an exchange pages: by ids from the oldest on, by time, by ids from the newest on.

    Also where ids prove nothing, and where only the newest rows are shown.
    """
    root = feeds(
        f"exchange: {exchange}\nmarkets: [BTC-USD]\nstart: 2016-01-01\ndatasets: {{trades: {{}}}}\n"
    )
    assert pulled(served, home, root).errors == []
    path = tmp_path / "trades.parquet"
    assert main(["export", "parquet", "trades", "--out", str(path)]) == 0
    before, span = held(home, ROWS), complete(home, "BTC-USD")
    rows = pq.read_table(path)
    wrong = pa.array(["7.5"] * rows.num_rows).cast(rows.schema.field("price").type)
    at = rows.schema.get_field_index("price")
    pq.write_table(rows.set_column(at, rows.schema.field(at), wrong).drop_columns("cost"), path)
    new = tmp_path / "new"
    new.mkdir()
    monkeypatch.setenv("TIDEMARK_HOME", str(new))
    assert run(path, market="BTC-USD", exchange=exchange).code == 0

    (problem,) = pulled(served, new, root).errors
    assert "shows other rows than a file had" in problem
    assert (held(new, ROWS), complete(new, "BTC-USD")) == (before, span)
    assert pulled(served, new, root).errors == []
    assert main(["verify"]) == 0


@pytest.mark.parametrize("order", ["file first", "pull first"])
@pytest.mark.parametrize("exchange", ["bitexbit", "bitstamp"])
def test_rows_that_the_exchange_does_not_have(
    exchange: str,
    order: str,
    served: Served,
    tmp_path: Path,
    home: Path,
    feeds: Feeds,
    run: Import,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between its own ids, which have holes, or under other ones: they contradict no row."""
    root = feeds(
        f"exchange: {exchange}\nmarkets: [BTC-USD]\nstart: 2016-01-01\ndatasets: {{trades: {{}}}}\n"
    )
    assert pulled(served, home, root).errors == []
    path = tmp_path / "trades.parquet"
    assert main(["export", "parquet", "trades", "--out", str(path)]) == 0
    before = held(home, ROWS)
    rows = pq.read_table(path).drop_columns("cost")
    ids = rows.column("trade_id").to_pylist()
    inside = [n for n, id_ in enumerate(ids[1:-2], 1) if str(int(id_) + 1) not in ids]
    moved = [str(int(ids[n]) + 1) for n in inside]
    at = rows.schema.get_field_index("trade_id")
    pq.write_table(rows.take(inside).set_column(at, rows.schema.field(at), pa.array(moved)), path)
    if order == "file first":
        new = tmp_path / "new"
        new.mkdir()
        monkeypatch.setenv("TIDEMARK_HOME", str(new))
        home = new
        assert run(path, market="BTC-USD", exchange=exchange).code == 0
        (problem,) = pulled(served, home, root).errors
        assert "shows other rows than a file had" in problem
    else:
        found = run(path, market="BTC-USD", exchange=exchange)
        assert found.code == 1 and "shows all rows of this stretch, and not this one" in found.err
    assert inside and held(home, ROWS) == before
    assert len(quarantined(home)) == len(inside)
    assert pulled(served, home, root).errors == []
    assert main(["verify"]) == 0


@pytest.mark.parametrize("exchange", ["binance", "kraken", "coinbase", "bitexbit"])
def test_candles_come_back_and_pulls_go_on(
    exchange: str,
    served: Served,
    tmp_path: Path,
    home: Path,
    feeds: Feeds,
    run: Import,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = feeds(
        f"exchange: {exchange}\nmarkets: [BTC-USD]\nstart: 2026-01-08\n"
        "datasets: {candles: {timeframes: [5m, 1h]}}\n"
    )
    assert pulled(served, home, root).errors == []
    path = tmp_path / "candles.csv"
    assert main(["export", "csv", "candles", "--out", str(path)]) == 0
    figures = "timeframe, timestamp, open, high, low, close, volume"
    before = held(home, figures, "candles")
    new = tmp_path / "new"
    new.mkdir()
    monkeypatch.setenv("TIDEMARK_HOME", str(new))
    for timeframe in ("5m", "1h"):
        found = run(path, "--timeframe", timeframe, market="BTC-USD", exchange=exchange)
        assert found.code == 0, found.err
    assert held(new, figures, "candles") == before
    assert warehouse.coverage(new).num_rows == 0

    served.advance(7200)
    report = pulled(served, new, root)
    assert report.errors == []
    again = held(new, figures, "candles")
    assert len(again) > len(before)
    assert table(new, "SELECT count(*) FROM quarantine") == [(0,)]
    assert os.environ["TIDEMARK_HOME"] == str(new)
