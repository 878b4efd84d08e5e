"""Replays, and what they may have changed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.publishing import publish
from pipelines.replay import ReplayReport, replay, select
from sandbox import Served
from tests.pipelines.ingest.conftest import settings_for
from tests.pipelines.ingest.reference_model import files, table

Feeds = Callable[..., Path]
ALL = (
    "datasets: {trades: {keep_raw: true}, candles: {timeframes: [1h], keep_raw: true},"
    " tickers: {keep_raw: true}, account_trades: {}, account_transactions: {}}"
)
DATASETS = ("trades", "candles", "tickers", "account_trades", "account_transactions")
ONE = "exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2016-01-01\n"
TRADES = f"{ONE}datasets: {{trades: {{keep_raw: true}}}}"


def rows(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    return {
        name: table(home, f"SELECT * EXCLUDE (ingested_at) FROM {name} ORDER BY ALL")
        for name in DATASETS
    }


def stored(home: Path) -> tuple[dict[str, tuple[int, int]], str]:
    """Every file of the lake, and the version that DuckDB's link points at."""
    return files(home), os.readlink(home / "warehouse.duckdb")


def again(server: Served, home: Path, *patterns: str) -> ReplayReport:
    """Replay and publish; no request may reach the exchange."""
    server.log.clear()
    report = replay(home, select(home, patterns, list))
    publish(settings_for(server, home))
    assert server.log.entries == []
    return report


def changed(report: ReplayReport) -> int:
    return sum(d.added + d.replaced + d.released + d.quarantined for d in report.datasets)
