"""Pulls from a hostile exchange: one odd row or stream, and all the others are stored."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

import warehouse
from connectors.client import Client
from connectors.jsontext import elements
from pipelines.cli import main
from pipelines.replay import replay, select
from sandbox import Fault, Served
from schemas import StreamId
from tests.feeds import write_feed
from tests.matrix import thinned
from tests.pipelines.ingest.conftest import only_pull, run, settings_for
from tests.pipelines.ingest.scene import TRADES, Scene

FEED = "exchange: bitexbit\nmarkets: [BTC-USD, ETH-USD]\nstart: 2016-01-01\ndatasets: "


def quarantined(home: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = warehouse.sql(
        "SELECT dataset, reason, payload FROM quarantine ORDER BY reason", home=home
    ).to_pylist()
    return rows


def row_of(server: Served) -> bytes:
    """The text of a trade in the middle of the newest ones."""
    body = httpx.get(f"{server.base_url}/api/v2/public/trades?symbol=BTC_USD").content
    rows = elements(body)
    return bytes(rows[len(rows) // 2])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    thinned(
        [
            (b'"price":"', b'"price":NaN,"was":"', "price is not a number: NaN"),
            (b'"amount":"', b'"amount":"\xff', "amount is not a number"),
            (b'"type":"', b'"type":"\\ud83d', "side is none of buy, sell"),
            (b'"price":"', b'"note":"\\ud83d","price":"', None),
            (b'"price":"', b'"note":[Infinity,"\xff"],"price":"', None),
            (b"[", b"\xef\xbb\xbf[", None),
        ],
        2,
    ),
)
def test_one_odd_token_blocks_no_page(
    scene: Scene, old: bytes, new: bytes, reason: str | None
) -> None:
    scene.collect(TRADES)
    row = row_of(scene.server)
    assert old in row or old == b"["
    swap = (b"[", new) if old == b"[" else (row, row.replace(old, new, 1))
    scene.server.faults.add(Fault("swap", path="/public/trades", swap=swap, times=None))
    report = scene.pull()
    assert report.ok == (reason is None)
    assert scene.states(TRADES) <= {"complete", "lost"}
    if reason is None:
        assert scene.all_held(TRADES)
    assert main(["rebuild"]) == 0
    kept = quarantined(scene.home)
    assert all(row["reason"].startswith(reason or "?") for row in kept)
    scene.server.faults.clear()
    scene.later(1)
    scene.pull()
    assert scene.all_held(TRADES)  # well formed, the row is stored


def test_a_pull_ends_where_the_first_row_of_every_answer_is_odd(scene: Scene) -> None:
    scene.collect(TRADES)
    spoilt = Fault("malformed", spoil=("price", '"n/a"'), rows=slice(0, 1), times=None)
    scene.server.faults.add(replace(spoilt, path="/public/trades"))
    report = scene.pull(believe=False)  # the newest row lies in quarantine alone
    assert report.streams[0].quarantined and report.streams[0].requests < 60
    scene.server.faults.clear()
    scene.later(1)
    scene.pull()
    assert scene.all_held(TRADES)


def test_what_nothing_foresaw_ends_its_stream_alone(
    standing: Served, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_feed(tmp_path, FEED + "{trades: {}, tickers: {}, account_trades: {}}", "one")
    fetch, snapshot = Client.fetch, Client.snapshot
    secret = standing.env["BITEXBIT_API_SECRET"]

    def broken(self: Client, stream: StreamId, window: Any) -> Any:
        if stream.symbol == "ETH-USD":
            raise KeyError(f"something with {secret}")
        return fetch(self, stream, window)

    def ends(self: Client, name: str, symbols: Any) -> Any:
        if name == "tickers":
            raise ZeroDivisionError(secret)
        return snapshot(self, name, symbols)

    monkeypatch.setattr(Client, "fetch", broken)
    monkeypatch.setattr(Client, "snapshot", ends)
    report = run(settings_for(standing, home), feeds_root=root)
    failed = {f"{s.dataset} {s.stream}": s.error for s in report.streams if s.error}
    assert "KeyError at test_hostile.py" in str(failed["trades ETH-USD"])
    assert "Fix: report it" in str(failed["trades ETH-USD"])
    assert "ZeroDivisionError" in str(failed["tickers BTC-USD"])
    assert secret not in str(report.errors)
    with warehouse.connect(home) as con:
        assert con.sql("SELECT DISTINCT symbol FROM trades").fetchall() == [("BTC-USD",)]
        assert con.sql("SELECT count(*) > 0 FROM account_trades").fetchall() == [(True,)]


@pytest.mark.parametrize(
    ("exchange", "old", "new"),
    [
        ("wex", b'"eth_usd":{', b'"eth_usd":{"updated":1,'),  # the key twice
        ("wex", b'"eth_usd":{', b'"eth_usd":null,"x":{'),
        ("bitexbit", b'"symbol":"ETH_USD"', b'"symbol":"ETH_USD","date":NaN'),
    ],
)
def test_a_refused_ticker_is_told_of_its_own_market(
    standing: Served, home: Path, tmp_path: Path, exchange: str, old: bytes, new: bytes
) -> None:
    root = write_feed(tmp_path, FEED.replace("bitexbit", exchange) + "{tickers: {}}", "one")
    standing.faults.add(Fault("swap", path="ticker", swap=(old, new), times=None))
    try:
        report = only_pull(settings_for(standing, home), feeds_root=root)
    finally:
        standing.faults.clear()
    by_stream = {s.stream: s for s in report.streams}
    every = by_stream["all"]
    assert every.rows_added == 1 and not every.error
    assert every.quarantined or by_stream["ETH-USD"].error
    warehouse.publish(home)
    assert warehouse.table("tickers", home=home).column("symbol").to_pylist() == ["BTC-USD"]
    assert not any("showed nothing" in notice for notice in report.notices)


def test_a_market_with_an_odd_figure_is_pulled(
    standing: Served, home: Path, tmp_path: Path
) -> None:
    feed = FEED.replace("[BTC-USD, ETH-USD]", "all") + "{tickers: {}, markets: {}}"
    root = write_feed(tmp_path, feed, "one")
    standing.faults.add(
        Fault("malformed", path="/public/pairs", spoil=("min_amount", '"much"'), times=None)
    )
    try:
        report = run(settings_for(standing, home), feeds_root=root)
    finally:
        standing.faults.clear()
    with warehouse.connect(home) as con:
        ((listed, odd),) = con.sql(
            "SELECT count(*), count(*) FILTER (min_amount IS NULL) FROM markets"
        ).fetchall()
        ((missing,),) = con.sql(
            "SELECT count(*) FROM markets ANTI JOIN tickers USING (symbol) WHERE active"
        ).fetchall()
    assert (listed > 2, odd, missing) == (True, 1, 0)
    (row,) = quarantined(home)
    assert row["reason"] == "min_amount is not a number: much"
    assert [s.dataset for s in report.streams if s.error] == []


def test_a_kept_answer_with_odd_bytes_is_replayed(
    standing: Served, home: Path, tmp_path: Path
) -> None:
    root = write_feed(tmp_path, FEED + "{trades: {keep_raw: true}, tickers: {keep_raw: true}}")
    row = row_of(standing)
    odd = row.replace(b'"price":"', b'"price":"\xff\xfe","note":"\\ud83d","was":"')
    standing.faults.add(
        Fault("swap", path="/public/trades", swap=(row, odd), times=None),
        Fault("swap", path="/public/tickers", swap=(b'"last":"', b'"last":"\xff'), times=None),
    )
    try:
        run(settings_for(standing, home), feeds_root=root)
    finally:
        standing.faults.clear()
    before = quarantined(home)
    assert {row["dataset"] for row in before} == {"trades", "tickers"}
    report = replay(home, select(home, [], lambda: []))
    assert report.ok, report.errors
    assert sum(found.responses for found in report.datasets) >= 3
    assert quarantined(home) == before
