"""Kept answers read again: a mended parser mends the lake, and nothing else changes."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

import warehouse
from connectors import ContractError
from connectors.bitexbit import parse as bitexbit
from connectors.rows import Built
from pipelines.ingest import kept, publish
from pipelines.ingest.replay import replay
from pipelines.ingest.replay_report import ReplayReport
from sandbox import Fault, Laws, Served
from tests.pipelines.ingest.conftest import run, settings_for
from warehouse import raw
from warehouse.ledger import Ledger, StreamId

Feeds = Callable[..., Path]
ALL = (
    "datasets: {trades: {keep_raw: true}, candles: {timeframes: [1h], keep_raw: true},"
    " tickers: {keep_raw: true}, account_trades: {}, account_transactions: {}}"
)
DATASETS = ("trades", "candles", "tickers", "account_trades", "account_transactions")
ONE = "exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2016-01-01\n"
TRADES = f"{ONE}datasets: {{trades: {{keep_raw: true}}}}"


def table(home: Path, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in warehouse.sql(query, home).to_pylist()]


def rows(home: Path, *but: str) -> dict[str, list[tuple[Any, ...]]]:
    drop = ", ".join([*but, "ingested_at"])
    return {
        name: table(home, f"SELECT * EXCLUDE ({drop}) FROM {name} ORDER BY ALL")
        for name in DATASETS
    }


def files(home: Path) -> dict[str, tuple[int, int]]:
    """Every file of the lake, and what DuckDB's link points at."""
    found = {
        str(p): (s.st_ino, s.st_mtime_ns)
        for p in (home / "lake").rglob("*.parquet")
        if (s := p.stat())
    }
    return found | {os.readlink(home / "warehouse.duckdb"): (0, 0)}


def again(server: Served, home: Path, *patterns: str) -> ReplayReport:
    """Replay and publish; no request may reach the exchange."""
    server.log.clear()
    report = replay(home, kept.select(home, patterns, list))
    publish(settings_for(server, home))
    assert server.log.entries == []
    return report


def changed(report: ReplayReport) -> int:
    return sum(d.added + d.replaced + d.released + d.quarantined for d in report.datasets)


def tape_of(server: Served) -> list[tuple[Any, ...]]:
    now = server.world.now()
    return [
        (str(t.id), t.timestamp, t.side, Decimal(t.price), Decimal(t.amount))
        for t in server.world.tapes["BTC-USD"].trades()
        if t.timestamp <= now
    ]


def trades_of(home: Path) -> list[tuple[Any, ...]]:
    return table(
        home,
        "SELECT trade_id, epoch_ms(timestamp), side, price, amount FROM trades"
        " WHERE symbol = 'BTC-USD' ORDER BY trade_id::BIGINT",
    )


@pytest.fixture
def both(feeds: Feeds) -> Path:
    """A feed of each exchange that keeps every answer."""
    feeds(f"exchange: wex\nmarkets: [BTC-USD]\nstart: 2016-01-01\n{ALL}", "wex")
    return feeds(f"exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2016-01-01\n{ALL}", "bitexbit")


def test_account_answers_are_kept_unless_the_feed_says_no(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    spec = "datasets: {trades: {}, account_trades: {}, account_transactions: {keep_raw: false}}"
    root = feeds(f"exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2016-01-01\n{spec}")
    run(settings_for(exchange, home), feeds_root=root)
    assert [s.dataset for s in raw.streams(home)] == ["account_trades"]
    (path,) = raw.days(home, StreamId("bitexbit", "account_trades", "main"))
    answers = [raw.load(path, spot) for spot in raw.scan(path).spots]
    asked = exchange.log.of("/private/trades")
    assert [a.about["query"] for a in answers] == [
        "&".join(f"{k}={v}" for k, v in logged.params.items()) for logged in asked
    ]


def test_a_replay_of_what_was_read_well_changes_nothing(
    exchange: Served, home: Path, both: Path
) -> None:
    exchange.laws = replace(
        Laws(), order="oldest", candle_time="ms", wex_numbers="text", numbers="exponent",
        wex_empty="array", transfers_page=7,
    )  # fmt: skip
    settings = settings_for(exchange, home)
    for _ in range(2):
        run(settings, feeds_root=both)
        exchange.clock.advance(900)  # type: ignore[union-attr]
    before, held = files(home), rows(home)
    coverage = table(home, "FROM coverage")
    report = again(exchange, home)
    assert (report.errors, report.notices, changed(report)) == ([], [], 0)
    assert sum(d.rows for d in report.datasets) > 10_000
    assert (files(home), rows(home)) == (before, held)
    assert table(home, "FROM coverage") == coverage


def test_a_lake_that_was_lost_comes_back_and_claims_nothing(
    exchange: Served, home: Path, both: Path
) -> None:
    settings, before = settings_for(exchange, home), datetime.now(UTC)
    for _ in range(2):
        assert run(settings, feeds_root=both).errors == []
        exchange.clock.advance(900)  # type: ignore[union-attr]
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


def test_answers_that_no_parser_could_read(
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
        assert "1 of 1 kept answers cannot be read" in problem and "no such field" in problem
    report = again(exchange, home)
    assert report.ok and report.datasets[0].added > 100
    truth = tape_of(exchange)
    assert trades_of(home) == truth[-report.datasets[0].added :]
    assert table(home, "FROM coverage") == []
    assert run(settings, feeds_root=root).ok
    assert trades_of(home) == truth


def test_refused_rows_are_stored_and_leave_the_quarantine(
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

    monkeypatch.setitem(bitexbit.SIDES, "BUY", "buy")  # the parser is mended
    report = again(exchange, home)
    done = report.datasets[0]
    assert (report.ok, done.added, done.released, done.quarantined) == (True, 2, 2, 0)
    assert table(home, "SELECT payload FROM quarantine") == [(spoilt,)]
    assert {row[0] for row in truth} - {row[0] for row in trades_of(home)} == {
        row[0] for row in truth if f'"id":{row[0]},' in spoilt.replace(": ", ":")
    }
    before = files(home)
    assert changed(again(exchange, home)) == 0
    assert files(home) == before


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
    # the mended parser's first pull contradicts what is stored
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
    before = files(home)
    assert changed(again(exchange, home)) == 0
    assert files(home) == before


def test_rows_that_belong_to_another_day_move(
    exchange: Served, home: Path, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = feeds(TRADES)
    settings = settings_for(exchange, home)
    hours = 7 * 3600 * 1_000_000
    with monkeypatch.context() as old:
        real = bitexbit.trades

        def shifted(*a: Any) -> Built:
            built = real(*a)
            return built.with_column("timestamp", pc.add(built.columns["timestamp"], hours))

        old.setattr(bitexbit, "trades", shifted)
        assert run(settings, feeds_root=root).ok
    truth = tape_of(exchange)
    assert trades_of(home) == [(i, t + hours // 1000, *rest) for i, t, *rest in truth]
    report = again(exchange, home)
    assert (report.errors, report.datasets[0].added) == ([], 0)
    assert report.datasets[0].replaced == len(truth)
    assert trades_of(home) == truth
    assert changed(again(exchange, home)) == 0
    assert sum(
        f.rows for f in Ledger(home).files(StreamId("bitexbit", "trades", "BTC-USD"))
    ) == len(truth)


def test_a_crash_while_rows_move_is_mended_by_the_next_replay(
    exchange: Served, home: Path, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = feeds(TRADES)
    settings = settings_for(exchange, home)
    real = bitexbit.trades

    def shifted(*a: Any) -> Built:
        built = real(*a)
        return built.with_column("timestamp", pc.add(built.columns["timestamp"], 10**11))

    with monkeypatch.context() as old:
        old.setattr(bitexbit, "trades", shifted)
        run(settings, feeds_root=root)
    with monkeypatch.context() as crash:

        def dies(*_: object) -> None:
            raise KeyboardInterrupt

        crash.setattr("warehouse.rewrite.Rewriter.commit", dies)
        with pytest.raises(KeyboardInterrupt):
            replay(home, kept.select(home, [], list))
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


def test_the_newest_answer_counts_where_rows_change(
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
        exchange.clock.advance(6 * 3600)  # type: ignore[union-attr]
    assert any(states[-1][k] != v for k, v in states[0].items())
    before = files(home)
    assert changed(again(exchange, home)) == 0
    assert files(home) == before
    shutil.rmtree(home / "lake")
    (home / "ledger.sqlite").unlink()
    again(exchange, home)
    assert dict(table(home, query)) == states[-1]
    waiting = {int(k) for k, v in states[-1].items() if v in ("pending", "unconfirmed")}
    assert Ledger(home).state(StreamId("wex", "account_transactions", "main")).unsettled == waiting


def test_a_state_of_a_later_answer_that_was_not_kept_stays(
    exchange: Served, home: Path, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = "start: 2016-01-01\ndatasets: {account_transactions: "
    root = feeds(f"exchange: wex\n{spec}" + "{}}")
    settings = settings_for(exchange, home)
    run(settings, feeds_root=root)
    feeds(f"exchange: wex\n{spec}" + "{keep_raw: false}}")
    exchange.clock.advance(24 * 3600)  # type: ignore[union-attr]
    from warehouse.clock import now_us

    monkeypatch.setattr("warehouse.lake.now_us", lambda: now_us() + 24 * 3600 * 1_000_000)
    run(settings, feeds_root=root)
    query = "SELECT * EXCLUDE (ingested_at) FROM account_transactions ORDER BY ALL"
    held = table(home, query)
    report = again(exchange, home)
    assert table(home, query) == held
    assert report.datasets[0].newer > 0 and changed(report) == 0


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
            exchange.clock.advance(3600)  # type: ignore[union-attr]
        assert len(table(home, query)) == 2  # nothing ever seemed to change
    report = again(exchange, home)
    assert report.ok and (report.datasets[0].added, report.datasets[0].replaced) == (6, 2)
    found = table(home, query)
    assert len(found) == 8 and all(row[4] is not None for row in found)
    assert changed(again(exchange, home)) == 0
    assert table(home, query) == found
