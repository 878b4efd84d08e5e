"""``tidemark health``: one line per problem, and an exit code."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import pytest

from pipelines import health
from pipelines.cli import main
from pipelines.exchanges.breaker import State
from pipelines.orchestration.ghosts import alive
from schemas import RejectedRow, StreamId
from tests.feeds import write_feed
from tests.warehouse.tools import store
from warehouse.intervals import Interval, Unshown
from warehouse.state import StreamState

TRADES = StreamId("bitexbit", "trades", "BTC-USD")
OTHER = StreamId("bitexbit", "trades", "ETH-USD")
FEED = """\
exchange: bitexbit
markets: [BTC-USD, eth_usd]
start: 2016-01-01
datasets: {trades: {schedule: "*/5 * * * *"}}
"""
OUT = pytest.CaptureFixture[str]


def ago(**span: float) -> int:
    """Microseconds since 1970 of a time so long before now."""
    return int((datetime.now(UTC) - timedelta(**span)).timestamp() * 1_000_000)


def state(**changes: Any) -> StreamState:
    """A stream that is complete and was pulled two minutes ago, unless ``changes`` say else."""
    held = (Interval(0, 100, 1, 99, ago(days=9), ago(minutes=1)),)
    found = StreamState(held, wanted_from=0, newest_at=ago(minutes=1), checked_at=ago(minutes=2))
    return replace(found, **changes)


def lost(lower: int, upper: int, since: int) -> Unshown:
    return Unshown(lower, upper, since, since, 9, lost=True)


@pytest.fixture
def feeds(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which all is well: two markets, pulled just now."""
    root = write_feed(tmp_path / "feeds", FEED)
    monkeypatch.setenv("TIDEMARK_FEEDS", str(root))
    monkeypatch.setattr(health, "LEAST_FREE", 0)
    for stream in (TRADES, OTHER):
        store(home, stream, [], state=state())
    return root


def lines(capsys: OUT, *options: str, code: int = 1) -> list[str]:
    assert main(["health", *options]) == code
    return capsys.readouterr().out.splitlines()


def test_all_is_well(feeds: Path, capsys: OUT) -> None:
    assert lines(capsys, code=0) == ["all is well"]


def test_nothing_collected(home: Path, feeds: Path, capsys: OUT, tmp_path: Path,
                           monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setenv("TIDEMARK_HOME", str(tmp_path / "new"))
    (line,) = lines(capsys)
    assert line.startswith("home: nothing is collected in ")
    assert not (tmp_path / "new").exists()


def test_a_stream_that_is_not_pulled_in_time(home: Path, feeds: Path, capsys: OUT) -> None:
    store(home, TRADES, [], state=state(checked_at=ago(hours=3, minutes=2)))
    assert lines(capsys) == [
        "stale: one/trades: 1 of 2 streams (BTC-USD) not pulled for 3 h 2 min; expected every "
        "20 min. Fix: tidemark pull one/trades says what is wrong; is it scheduled?"
    ]
    assert lines(capsys, "--max-age", "4h", code=0) == ["all is well"]
    assert len(lines(capsys, "--max-age", "90m")) == 1


def test_a_dataset_that_was_never_pulled(feeds: Path, capsys: OUT) -> None:
    write_feed(feeds, FEED.replace("datasets: {", "datasets: {tickers: {}, "))
    (line,) = lines(capsys)
    assert line.startswith("stale: one/tickers was never pulled. Fix: ")


def test_a_dataset_that_is_not_due_yet(feeds: Path, capsys: OUT) -> None:
    daily = 'datasets: {tickers: {schedule: "0 0 * * *"}, '
    file = write_feed(feeds, FEED.replace("datasets: {", daily)) / "one" / "defs.yaml"
    assert lines(capsys, code=0) == ["all is well"]
    for hours, problems in (35, 0), (37, 1):
        written = ago(hours=hours) / 1e6
        os.utime(file, (written, written))
        found = lines(capsys, code=problems)
        assert sum("one/tickers was never pulled" in line for line in found) == problems


def test_a_stream_that_no_feed_collects_is_no_problem(home: Path, feeds: Path, capsys: OUT) -> None:
    gone = StreamId("bitexbit", "trades", "XRP-USD")
    store(home, gone, [], state=state(checked_at=ago(days=90), remark="ids begin again at 1"))
    assert lines(capsys, code=0) == ["all is well"]


def test_holes(home: Path, feeds: Path, capsys: OUT) -> None:
    held = (Interval(50, 100, 50, 99), Interval(200, 300, 200, 299))
    shown = (lost(0, 50, ago(days=1)), lost(120, 130, ago(days=1)), lost(140, 150, ago(days=30)))
    store(home, TRADES, [], state=state(complete=held, unshown=shown))
    found = lines(capsys)
    assert found[0] == (
        "missing: bitexbit/trades BTC-USD: ids 100..119, ids 130..139, ids 150..199. "
        "Fix: tidemark pull bitexbit/trades"
    )
    assert found[1].startswith("lost: bitexbit/trades BTC-USD: ids 120..129: the exchange does not")
    assert len(found) == 2


def test_what_is_wrong_with_a_stream(home: Path, feeds: Path, capsys: OUT) -> None:
    store(home, TRADES, [], state=state(remark="ids begin again at 1"))
    (line,) = lines(capsys)
    assert line.startswith("wrong: bitexbit/trades BTC-USD: ids begin again at 1. Fix: ")


def test_quarantine(home: Path, feeds: Path, capsys: OUT) -> None:
    rejected = [RejectedRow("no price", '{"id": 1}'), RejectedRow("no price", '{"id": 2}')]
    store(home, TRADES, [], state=state(), rejected=rejected)
    (line,) = lines(capsys)
    assert line.startswith(
        "quarantine: bitexbit/trades: 2 rows kept as received. Fix: tidemark sql"
    )


def test_an_account_without_a_key(
    feeds: Path, capsys: OUT, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_feed(feeds, FEED.replace("datasets: {", "datasets: {balances: {}, "))
    (line,) = lines(capsys)
    assert line.startswith("key: feed one collects balances, and no key is set. Fix: set BITEXBIT_")
    monkeypatch.setenv("BITEXBIT_API_KEY", "half-of-a-pair")
    assert main(["health"]) == 2
    assert "half-of-a-pair" not in capsys.readouterr().err


@pytest.mark.sqlite
def test_an_exchange_that_is_down(home: Path, feeds: Path, capsys: OUT) -> None:
    (home / "breakers").mkdir()
    down = State(("a", "b"), 3, 1, since=datetime.now(UTC).timestamp() - 60, why="503")
    (home / "breakers" / "wex-wex.link.json").write_bytes(msgspec.json.encode(down))
    (line,) = lines(capsys)
    assert line.startswith("down: wex-wex.link is down since 1 min: 503. Fix: wait")


def test_a_full_disk(feeds: Path, capsys: OUT, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LEAST_FREE", 10**18)
    (line,) = lines(capsys)
    assert line.startswith("disk: ") and "are needed" in line


def test_a_run_without_a_process(
    home: Path, feeds: Path, capsys: OUT, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = home / health.DAGSTER
    folder.mkdir()
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        run = dg.DagsterRun("everything", status=dg.DagsterRunStatus.STARTED)
        instance.add_run(run)
    assert lines(capsys, code=0) == ["all is well"]  # young, and of a process without a lock
    with alive(home, run.run_id):
        assert lines(capsys, code=0) == ["all is well"]
    (line,) = lines(capsys)
    assert line.startswith(f"run: run {run.run_id} of everything began ")


def test_as_json(home: Path, feeds: Path, capsys: OUT) -> None:
    store(home, TRADES, [], state=state(remark="ids begin again at 1"))
    (found,) = json.loads("\n".join(lines(capsys, "--json")))
    assert found["kind"] == "wrong" and set(found) == {"kind", "what", "fix"}


@pytest.mark.parametrize("text", ["", "2", "h", "2w", "-1h", "0h"])
def test_a_time_that_is_none(text: str, feeds: Path, capsys: OUT) -> None:
    assert main(["health", "--max-age", text]) == 2
    assert "Fix: --max-age 2h" in capsys.readouterr().err
