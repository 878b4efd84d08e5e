"""A fixed parser repairs the lake: rows that read differently are replaced, moved, released."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from connectors import ContractError
from connectors.bitexbit import parse as bitexbit
from connectors.rows import Built
from pipelines.replay import replay, select
from sandbox import Fault, Served
from schemas import StreamId
from tests.pipelines.ingest.conftest import run, settings_for
from tests.pipelines.ingest.reference_model import table, tape_of, trades_of
from tests.pipelines.replay.replaying import TRADES, Feeds, again, changed, stored
from warehouse.metastore import Metastore


def test_responses_that_no_parser_could_read(
    exchange: Served, home: Path, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = feeds(TRADES)
    settings = settings_for(exchange, home)

    def fails(*_: object) -> Built:
        raise ContractError("no such field")

    with monkeypatch.context() as old:
        old.setattr(bitexbit, "trades", fails)
        assert "no such field" in run(settings, feeds_root=root).errors[0]
        report = again(exchange, home)
        (problem,) = report.errors
        assert "1 of 1 recorded responses cannot be read" in problem and "no such field" in problem
    report = again(exchange, home)
    assert report.ok and report.datasets[0].added > 100
    truth = tape_of(exchange)
    assert trades_of(home) == truth[-report.datasets[0].added :]
    assert table(home, "FROM coverage") == []
    assert run(settings, feeds_root=root).ok
    assert trades_of(home) == truth


def test_rejected_rows_are_stored_and_leave_the_quarantine(
    exchange: Served, home: Path, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = feeds(TRADES)
    truth = tape_of(exchange)
    path = "/public/trades"
    unknown = Fault("malformed", path=path, spoil=("type", '"BUY"'))
    # the second answer holds the head's row only
    exchange.faults.add(unknown, replace(unknown, after=1), Fault("malformed", path=path, after=1))
    run(settings_for(exchange, home), feeds_root=root)
    assert len(trades_of(home)) == len(truth) - 3
    ((spoilt,),) = table(home, "SELECT payload FROM quarantine WHERE reason LIKE 'price%'")

    monkeypatch.setitem(bitexbit.SIDES, "BUY", "buy")  # the parser is fixed
    report = again(exchange, home)
    done = report.datasets[0]
    assert (report.ok, done.added, done.released, done.quarantined) == (True, 2, 2, 0)
    assert table(home, "SELECT payload FROM quarantine") == [(spoilt,)]
    assert {row[0] for row in truth} - {row[0] for row in trades_of(home)} == {
        row[0] for row in truth if f'"id":{row[0]},' in spoilt.replace(": ", ":")
    }
    before = stored(home)
    assert changed(again(exchange, home)) == 0
    assert stored(home) == before


def test_an_empty_quarantine_is_no_file(
    exchange: Served, home: Path, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = feeds(TRADES)
    exchange.faults.add(Fault("malformed", path="/public/trades", spoil=("type", '"BUY"')))
    run(settings_for(exchange, home), feeds_root=root)
    assert len(table(home, "FROM quarantine")) == 1
    monkeypatch.setitem(bitexbit.SIDES, "BUY", "buy")
    assert again(exchange, home).datasets[0].released == 1
    assert table(home, "FROM quarantine") == []
    assert list((home / "lake" / "quarantine").rglob("*.parquet")) == []


def test_rows_that_read_differently_replace_the_stored_ones(
    exchange: Served, home: Path, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = feeds(TRADES)
    settings = settings_for(exchange, home)
    with monkeypatch.context() as old:
        real = bitexbit.trades
        old.setattr(
            bitexbit, "trades", lambda body, *a: real(body.replace(b'"buy"', b'"sell"'), *a)
        )
        assert run(settings, feeds_root=root).ok
    truth = tape_of(exchange)
    buys = sum(row[2] == "buy" for row in truth)
    assert 0 < buys < len(truth)
    coverage = table(home, "FROM coverage")
    # the fixed parser's first pull contradicts what is stored
    assert not run(settings, feeds_root=root).ok
    contradicting = table(home, "SELECT count(*) FROM quarantine")[0][0]
    assert contradicting > 0
    report = again(exchange, home)
    done = report.datasets[0]
    assert (report.ok, done.added, done.replaced) == (True, 0, buys)
    assert done.released == contradicting
    assert trades_of(home) == truth
    assert table(home, "FROM quarantine") == []
    assert table(home, "FROM coverage") == coverage
    before = stored(home)
    assert changed(again(exchange, home)) == 0
    assert stored(home) == before


@contextmanager
def later(microseconds: int) -> Iterator[None]:
    """A parser that reads the times of trades as so much later."""
    real = bitexbit.trades

    def shifted(*a: Any) -> Built:
        built = real(*a)
        return built.with_column("timestamp", pc.add(built.columns["timestamp"], microseconds))

    with pytest.MonkeyPatch.context() as old:
        old.setattr(bitexbit, "trades", shifted)
        yield


def test_rows_that_belong_to_another_day_move(exchange: Served, home: Path, feeds: Feeds) -> None:
    root = feeds(TRADES)
    settings = settings_for(exchange, home)
    hours = 7 * 3600 * 1_000_000
    with later(hours):
        assert run(settings, feeds_root=root).ok
    truth = tape_of(exchange)
    assert trades_of(home) == [(i, t + hours // 1000, *rest) for i, t, *rest in truth]
    report = again(exchange, home)
    assert (report.errors, report.datasets[0].added) == ([], 0)
    assert report.datasets[0].replaced == len(truth)
    assert trades_of(home) == truth
    assert changed(again(exchange, home)) == 0
    assert sum(
        f.rows for f in Metastore(home).files(StreamId("bitexbit", "trades", "BTC-USD"))
    ) == len(truth)


def test_a_crash_while_rows_move_is_repaired_by_the_next_replay(
    exchange: Served, home: Path, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = feeds(TRADES)
    settings = settings_for(exchange, home)
    with later(10**11):
        run(settings, feeds_root=root)
    with monkeypatch.context() as crash:

        def dies(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        crash.setattr("warehouse.store.StreamWriter.put", dies)
        with pytest.raises(KeyboardInterrupt):
            replay(home, select(home, [], list))
    report = again(exchange, home)
    assert report.ok
    assert trades_of(home) == tape_of(exchange)


def test_candles_built_from_trades_follow_them(
    exchange: Served, home: Path, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectors.wex import parse as wex

    spec = "datasets: {trades: {keep_raw: true}, candles: {timeframes: [1h]}}"
    root = feeds(f"exchange: wex\nmarkets: [BTC-USD]\nstart: 2016-01-01\n{spec}")
    settings = settings_for(exchange, home)
    with monkeypatch.context() as old:
        real = wex.trades
        old.setattr(
            wex, "trades", lambda body, *a: real(body.replace(b'"price":', b'"price":1'), *a)
        )
        run(settings, feeds_root=root)
    wrong = table(home, "FROM candles")
    assert again(exchange, home).ok
    right = table(home, "SELECT * EXCLUDE (ingested_at) FROM candles ORDER BY ALL")
    assert len(right) == len(wrong) > 5
    shutil.rmtree(home)
    run(settings, feeds_root=root)
    assert table(home, "SELECT * EXCLUDE (ingested_at) FROM candles ORDER BY ALL") == right


def test_observations_that_differ_now_are_stored_and_repeats_are_not(
    exchange: Served, home: Path, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = "datasets: {tickers: {keep_raw: true}}"
    root = feeds(f"exchange: bitexbit\nmarkets: [BTC-USD, ETH-USD]\nstart: 2016-01-01\n{spec}")
    settings = settings_for(exchange, home)
    query = "SELECT * EXCLUDE (ingested_at) FROM tickers ORDER BY ALL"
    with monkeypatch.context() as old:
        real = bitexbit.tickers
        names = (b"date", b"last", b"buy", b"sell", b"high", b"low", b"vol1", b"vol2", b"change")

        def blind(body: bytes, *a: Any) -> Built:
            for name in names[1:]:
                body = body.replace(b'"%b":' % name, b'"-%b":' % name)
            built = real(body, *a)
            still = pc.add(pc.multiply(built.columns["timestamp"], 0), 1_768_000_000_000_000)
            return built.with_column("timestamp", still)

        old.setattr(bitexbit, "tickers", blind)
        for _ in range(4):
            run(settings, feeds_root=root)
            run(settings, feeds_root=root)
            exchange.advance(3600)
        assert len(table(home, query)) == 2  # nothing ever seemed to change
    report = again(exchange, home)
    assert report.ok and (report.datasets[0].added, report.datasets[0].replaced) == (6, 2)
    found = table(home, query)
    assert len(found) == 8 and all(row[4] is not None for row in found)
    assert changed(again(exchange, home)) == 0
    assert table(home, query) == found
