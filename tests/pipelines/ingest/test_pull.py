"""Whole pulls of the sandbox exchange over HTTP: every row once, incrementally, and said so."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

import warehouse
from pipelines.publishing import publish
from sandbox import Fault, Served
from tests.matrix import thinned
from tests.pipelines.ingest.conftest import run, settings_for
from tests.pipelines.ingest.reference_model import files, table, tape_of, trades_of

TRADES = "datasets: {trades: {}}"


@pytest.mark.slow
def test_everything_once_then_incrementally(after_everything: Served, home: Path) -> None:
    exchange = after_everything
    settings = settings_for(exchange, home)
    for symbol in ("BTC-USD", "ETH-USD"):
        assert trades_of(home, "bitexbit", symbol) == tape_of(exchange, symbol)

    before, link = files(home), os.readlink(home / "warehouse.duckdb")
    exchange.log.clear()
    second = run(settings)
    assert second.errors == []
    assert sum(s.rows_added + s.rows_replaced for s in second.streams) == 0
    assert max(s.requests for s in second.streams) <= 2
    assert files(home) == before
    assert os.readlink(home / "warehouse.duckdb") == link

    exchange.advance(900)
    third = run(settings)
    assert third.errors == []
    for symbol in ("BTC-USD", "ETH-USD"):
        assert trades_of(home, "bitexbit", symbol) == tape_of(exchange, symbol)
    changed = {p for p, now in files(home).items() if before.get(p) != now}
    assert 0 < len(changed) < len(before)


@pytest.mark.parametrize("days", [2])
@pytest.mark.parametrize("which", ["oldest", "newest"])
def test_rows_of_a_vanished_file_come_again_although_the_newest_page_repeats(
    exchange: Served, home: Path, feeds: Callable[[str], Path], which: str
) -> None:
    """A page that came before is compared again once a file of its rows is gone."""
    root = feeds("exchange: bitexbit\nmarkets: [LTC-BTC]\nstart: 2016-01-01\n" + TRADES)
    settings = settings_for(exchange, home)
    for _ in range(3):
        assert run(settings, feeds_root=root).errors == []
    lake = sorted((home / "lake" / "trades").rglob("*.parquet"))
    assert len(lake) > 1  # of days, whose last rows are in one page
    lake[0 if which == "oldest" else -1].unlink()
    assert run(settings, feeds_root=root).errors == []
    assert trades_of(home, "bitexbit", "LTC-BTC") == tape_of(exchange, "LTC-BTC")
    assert warehouse.verify(home).findings == []
    again = run(settings, feeds_root=root)
    assert again.errors == [] and sum(s.rows_added for s in again.streams) == 0


def test_account_history_is_the_exchanges(exchange: Served, home: Path) -> None:
    run(settings_for(exchange, home), "*/account_*")
    now = exchange.world.now()
    truth = [
        (str(fill.trade_id), order.market.symbol, "buy" if order.buy else "sell", fill.ms)
        for order, fill in exchange.world.accounts["alpha"].fills(now)
    ]
    query = (
        "SELECT trade_id, symbol, side, epoch_ms(timestamp) FROM account_trades"
        " WHERE exchange = 'bitexbit'"
    )
    assert sorted(table(home, query)) == sorted(truth)
    tape = "SELECT count(*) FROM account_trades WHERE cost IS DISTINCT FROM price * amount"
    assert table(home, tape) == [(0,)]


def test_candles_built_from_trades_are_the_exchanges(exchange: Served, home: Path) -> None:
    settings = settings_for(exchange, home)
    candles = ("bitexbit/candles", "wex/trades", "wex/candles")
    run(settings, *candles)
    exchange.advance(4000)
    run(settings, *candles)
    compared = table(
        home,
        "SELECT count(*), count(*) FILTER (a.open = b.open AND a.high = b.high AND a.low = b.low"
        " AND a.close = b.close AND a.volume = b.volume) FROM candles a"
        " JOIN candles b USING (symbol, timeframe, timestamp)"
        " WHERE a.exchange = 'bitexbit' AND b.exchange = 'wex'",
    )
    ((count, same),) = compared
    assert isinstance(count, int) and count > 500
    assert same == count


@pytest.mark.parametrize(
    "profile",
    thinned(
        [
            {"order": "oldest"},
            {"limit_keeps": "oldest"},
            {"page_cap": 70},
            {"since_id_inclusive": False, "until_id_inclusive": False, "from_id_inclusive": False},
            {"end_id_inclusive": False, "wex_order": "oldest"},
            {"time_unit": "s"},
            {"candle_time": "ms", "candle_order": "newest", "candle_open_included": False},
            {"candle_empty": "repeat", "extra_fields": True},
            {"dates": "s", "private_dates": "s"},
            {"numbers": "number", "wex_numbers": "text"},
            {"numbers": "exponent", "wex_numbers": "exponent"},
            {"transfers_paging": "offset", "transfers_page": 7, "limit_keeps": "oldest"},
        ],
        3,
    ),
    ids=str,
)
def test_any_paging_profile_gives_the_same_rows(
    profile: dict[str, Any], exchange: Served, home: Path, feeds: Callable[..., Path]
) -> None:
    exchange.switch(**profile)
    spec = (
        "datasets: {trades: {}, candles: {timeframes: [1h]}, tickers: {}, account_trades: {},"
        " account_transactions: {}}"
    )
    feeds(f"exchange: wex\nmarkets: [BTC-USD]\nstart: 2016-01-01\n{spec}", "wex")
    root = feeds(f"exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2016-01-01\n{spec}", "bitexbit")
    report = run(settings_for(exchange, home), feeds_root=root)
    assert report.errors == []
    assert trades_of(home, "bitexbit", "BTC-USD") == tape_of(exchange, "BTC-USD")
    wex = trades_of(home, "wex", "BTC-USD")
    assert [t[0] for t in wex] == [t[0] for t in tape_of(exchange, "BTC-USD")][-len(wex) :]
    counts = dict(table(home, "SELECT exchange, count(*) FROM account_trades GROUP BY 1"))
    now = exchange.world.now()
    assert counts == {
        "bitexbit": len(exchange.world.accounts["alpha"].fills(now)),
        "wex": len(exchange.world.accounts["beta"].fills(now)),
    }
    gaps = table(home, "SELECT * FROM coverage WHERE state = 'gap'")
    assert gaps == []


def test_wex_trades_that_were_never_shown_are_lost(
    exchange: Served, home: Path, feeds: Callable[..., Path]
) -> None:
    root = feeds(f"exchange: wex\nmarkets: [BTC-USD]\nstart: 2016-01-01\n{TRADES}")
    settings = settings_for(exchange, home)
    exchange.switch(wex_trades_max=60)
    first = run(settings, feeds_root=root)
    assert first.ok  # what was gone at the first contact is recorded, and is no failure
    exchange.advance(4 * 3600)
    second = run(settings, feeds_root=root)
    assert not second.ok
    assert "lost" in second.errors[0]
    states = table(home, "SELECT state FROM coverage ORDER BY lower")
    assert states == [("lost",), ("complete",), ("lost",), ("complete",)]
    assert run(settings, feeds_root=root).ok
    held = trades_of(home, "wex", "BTC-USD")
    assert len(held) == len(set(held)) == 120


def test_malformed_rows_lie_in_quarantine_until_they_come_well_formed(
    exchange: Served, home: Path, feeds: Callable[..., Path]
) -> None:
    root = feeds(f"exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2016-01-01\n{TRADES}")
    settings = settings_for(exchange, home)
    exchange.faults.add(Fault("malformed", path="/public/trades", times=1))
    first = run(settings, feeds_root=root)
    assert any("quarantine" in e for e in first.errors)
    ((reason, payload),) = table(home, "SELECT reason, payload FROM quarantine")
    assert reason and payload
    truth = tape_of(exchange, "BTC-USD")
    assert len(trades_of(home, "bitexbit", "BTC-USD")) == len(truth) - 1
    second = run(settings, feeds_root=root)  # the look-back meets the row again, whole
    assert second.ok
    assert trades_of(home, "bitexbit", "BTC-USD") == truth


def test_one_bad_stream_does_not_stop_the_others(
    exchange: Served, home: Path, feeds: Callable[..., Path]
) -> None:
    root = feeds(f"exchange: bitexbit\nmarkets: [BTC-USD, BTC-USX]\nstart: 2016-01-01\n{TRADES}")
    report = run(settings_for(exchange, home), feeds_root=root)
    (error,) = report.errors
    assert "BTC-USX" in error and "did you mean BTC-USD" in error
    assert trades_of(home, "bitexbit", "BTC-USD") == tape_of(exchange, "BTC-USD")


def test_without_keys_public_data_comes_and_the_notice_names_the_variables(
    exchange: Served, home: Path
) -> None:
    settings = settings_for(exchange, home)
    public = replace(
        settings, variables={k: v for k, v in settings.variables.items() if "API" not in k}
    )
    report = run(public, "bitexbit/tickers", "bitexbit/account_trades")
    assert report.ok
    assert any("BITEXBIT_API_KEY" in n and "BITEXBIT_API_SECRET" in n for n in report.notices)


def test_readers_keep_their_version_and_new_ones_see_the_newest(
    exchange: Served, home: Path, feeds: Callable[..., Path]
) -> None:
    root = feeds(f"exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2016-01-01\n{TRADES}")
    settings = settings_for(exchange, home)
    run(settings, feeds_root=root)
    count = "SELECT count(*) FROM trades"
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as early:
        before = early.execute(count).fetchall()
        for _ in range(5):
            exchange.advance(600)
            run(settings, feeds_root=root)
        assert early.execute(count).fetchall() == before
        newest = warehouse.sql(count, home=home).to_pylist()
    assert next(iter(newest[0].values())) == len(tape_of(exchange, "BTC-USD"))


def test_the_lake_is_plain_parquet_with_the_contracted_types(
    exchange: Served, home: Path, feeds: Callable[..., Path]
) -> None:
    root = feeds(f"exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2016-01-01\n{TRADES}")
    run(settings_for(exchange, home), feeds_root=root)
    frame = pd.read_parquet(home / "lake" / "trades", dtype_backend="pyarrow")
    types = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert types["price"] == "decimal128(38, 12)[pyarrow]"
    assert types["cost"] == "decimal128(38, 18)[pyarrow]"
    assert types["timestamp"] == "timestamp[us, tz=UTC][pyarrow]"
    assert {"exchange", "symbol", "trade_id", "side", "amount", "ingested_at"} <= set(types)
    exact = frame["price"].iloc[0] * frame["amount"].iloc[0]
    assert exact == frame["cost"].iloc[0]
    assert not list((home / "lake").rglob("*.tmp"))


def test_a_lost_duckdb_is_rebuilt_from_the_lake(
    exchange: Served, home: Path, feeds: Callable[..., Path]
) -> None:
    root = feeds(f"exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2016-01-01\n{TRADES}")
    settings = settings_for(exchange, home)
    run(settings, feeds_root=root)
    truth = trades_of(home, "bitexbit", "BTC-USD")
    for version in (home / "versions").glob("*.duckdb"):
        version.write_bytes(b"not a database")
    publish(settings)
    assert trades_of(home, "bitexbit", "BTC-USD") == truth
