"""Recorded responses read again: what was read well stays, what was lost comes back."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox import Served
from schemas import StreamId
from tests.pipelines.ingest.conftest import run, settings_for
from tests.pipelines.ingest.reference_model import table
from tests.pipelines.replay.replaying import ALL, Feeds, again, changed, rows, stored
from warehouse import raw
from warehouse.metastore import Metastore


@pytest.fixture
def both(feeds: Feeds) -> Path:
    """A feed of each exchange that records every response."""
    feeds(f"exchange: wex\nmarkets: [BTC-USD]\nstart: 2016-01-01\n{ALL}", "wex")
    return feeds(f"exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2016-01-01\n{ALL}", "bitexbit")


def test_account_responses_are_recorded_unless_the_feed_says_no(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    spec = "datasets: {trades: {}, account_trades: {}, account_transactions: {keep_raw: false}}"
    root = feeds(f"exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2016-01-01\n{spec}")
    run(settings_for(exchange, home), feeds_root=root)
    assert [s.dataset for s in raw.streams(home)] == ["account_trades"]
    (path,) = raw.days(home, StreamId("bitexbit", "account_trades", account="main"))
    responses = [raw.load(path, spot) for spot in raw.scan(path).spots]
    asked = exchange.log.of("/private/trades")
    assert [a.about["query"] for a in responses] == [
        "&".join(f"{k}={v}" for k, v in logged.params.items()) for logged in asked
    ]


@pytest.mark.slow
def test_a_replay_of_what_was_read_well_changes_nothing(
    exchange: Served, home: Path, both: Path
) -> None:
    exchange.switch(
        order="oldest", candle_time="ms", wex_numbers="text", numbers="exponent",
        wex_empty="array", transfers_page=7,
    )  # fmt: skip
    settings = settings_for(exchange, home)
    for _ in range(2):
        run(settings, feeds_root=both)
        exchange.advance(900)
    before, held = stored(home), rows(home)
    coverage = table(home, "FROM coverage")
    report = again(exchange, home)
    assert (report.errors, report.notices, changed(report)) == ([], [], 0)
    assert sum(d.rows for d in report.datasets) > 5_000
    assert (stored(home), rows(home)) == (before, held)
    assert table(home, "FROM coverage") == coverage


@pytest.mark.slow
def test_a_lake_that_was_lost_comes_back_without_coverage(
    exchange: Served, home: Path, both: Path
) -> None:
    settings, before = settings_for(exchange, home), datetime.now(UTC)
    for _ in range(2):
        assert run(settings, feeds_root=both).errors == []
        exchange.advance(900)
    held, after = rows(home), datetime.now(UTC)
    for name in os.listdir(home):
        if name != "raw":
            shutil.rmtree(home / name) if (home / name).is_dir() else (home / name).unlink()
    assert again(exchange, home).errors == []
    found = rows(home)
    derived = [row for row in held["candles"] if row[0] == "wex"]
    assert derived
    # candles built from trades need proof that the trades are complete
    assert found["candles"] == [row for row in held["candles"] if row[0] != "wex"]
    assert {**found, "candles": []} == {**held, "candles": []}
    assert table(home, "FROM coverage") == []
    # rows bear the time at which they came, not that of the replay
    first, last = table(home, "SELECT min(ingested_at), max(ingested_at) FROM tickers")[0]
    assert before < first < last < after
    assert changed(again(exchange, home)) == 0

    assert run(settings, feeds_root=both).errors == []
    now = rows(home)
    assert set(held["trades"]) <= set(now["trades"])
    assert table(home, "SELECT * FROM coverage WHERE state = 'gap'") == []


def test_the_newest_response_counts_where_rows_change(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    spec = "datasets: {account_transactions: {}}"
    root = feeds(f"exchange: wex\nstart: 2016-01-01\n{spec}")
    settings = settings_for(exchange, home)
    query = "SELECT transaction_id, status FROM account_transactions ORDER BY 1"
    states = []
    for _ in range(4):
        run(settings, feeds_root=root)
        states.append(dict(table(home, query)))
        exchange.advance(6 * 3600)
    assert any(states[-1][k] != v for k, v in states[0].items())
    before = stored(home)
    assert changed(again(exchange, home)) == 0
    assert stored(home) == before
    shutil.rmtree(home / "lake")
    (home / "metastore.sqlite").unlink()
    again(exchange, home)
    assert dict(table(home, query)) == states[-1]
    waiting = {int(k) for k, v in states[-1].items() if v in ("pending", "unconfirmed")}
    assert (
        Metastore(home).state(StreamId("wex", "account_transactions", account="main")).unsettled
        == waiting
    )


def test_a_state_of_a_later_response_that_was_not_recorded_stays(
    exchange: Served, home: Path, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = "start: 2016-01-01\ndatasets: {account_transactions: "
    root = feeds(f"exchange: wex\n{spec}" + "{}}")
    settings = settings_for(exchange, home)
    run(settings, feeds_root=root)
    feeds(f"exchange: wex\n{spec}" + "{keep_raw: false}}")
    exchange.advance(24 * 3600)
    from warehouse.clock import now_us

    monkeypatch.setattr("warehouse.store.now_us", lambda: now_us() + 24 * 3600 * 1_000_000)
    run(settings, feeds_root=root)
    query = "SELECT * EXCLUDE (ingested_at) FROM account_transactions ORDER BY ALL"
    held = table(home, query)
    report = again(exchange, home)
    assert table(home, query) == held
    assert report.datasets[0].newer > 0 and changed(report) == 0
