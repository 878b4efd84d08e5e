"""Pulls of an exchange that is down, that bans, or whose key another program uses as well."""

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import pytest

from connectors.base import Connection
from pipelines.exchanges.breaker import FAILURES
from pipelines.ingest import PullReport
from pipelines.ingest import run as run_module
from sandbox import KEYS, Fault, Served
from tests.matrix import thinned
from tests.pipelines.ingest.conftest import run, settings_for

pytestmark = pytest.mark.both

ACCOUNT = "markets: [BTC-USD]\nstart: 2016-01-01\ndatasets: {account_trades: {}}"
SPEC = (
    "markets: [BTC-USD, ETH-USD]\nstart: 2016-01-01\n"
    "datasets: {trades: {}, candles: {timeframes: [5m, 15m, 30m, 1h, 4h, 1d]}, tickers: {}}"
)


@pytest.fixture
def pull(
    exchange: Served, home: Path, feeds: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], PullReport]:
    """A pull with connectors that try once: what is tested comes after their retries."""
    monkeypatch.setattr("pipelines.exchanges.connect.Connection", partial(Connection, retries=0))
    root = feeds(f"exchange: bitexbit\n{SPEC}")
    return partial(run, settings_for(exchange, home), feeds_root=root)


def test_a_pull_of_an_exchange_that_is_down_asks_little_and_the_next_completes(
    exchange: Served, pull: Callable[[], PullReport]
) -> None:
    exchange.faults.add(Fault("status", status=503, times=None))
    report = pull()
    assert len(exchange.log.entries) <= FAILURES + 2 * run_module.WORKERS
    assert any("not asked: bitexbit is down since" in e for e in report.errors)
    exchange.log.clear()
    assert not pull().ok
    assert len(exchange.log.entries) == 1  # the trial
    exchange.faults.clear()
    assert pull().errors == []
    assert pull().errors == []


def test_a_ban_is_kept_to_by_later_pulls(exchange: Served, pull: Callable[[], PullReport]) -> None:
    exchange.faults.add(Fault("status", status=429, retry_after=3600, times=1))
    report = pull()
    assert len(exchange.log.entries) == 1
    assert any("has banned us" in e for e in report.errors)
    assert not pull().ok
    assert len(exchange.log.entries) == 1


def test_one_call_that_fails_stops_only_its_own_streams(
    exchange: Served, pull: Callable[[], PullReport]
) -> None:
    for broken in ("/public/pairs", "/public/tickers"):
        exchange.faults.clear()
        exchange.faults.add(Fault("status", status=500, path=broken, times=None))
        report = pull()
        errors = "".join(report.errors)
        assert "not asked" not in errors
        good = {s.dataset for s in report.streams if s.error is None}
        assert {"trades", "candles"} <= good, report.errors


@pytest.mark.parametrize(
    ("name", "ahead"), thinned(product(["wex", "bitexbit"], [3, 7_000, 3_600_000]), 5)
)
def test_a_pull_heals_when_another_program_used_a_higher_nonce(
    name: str, ahead: int, exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    root = feeds(f"exchange: {name}\n{ACCOUNT}")
    settings = settings_for(exchange, home)
    assert run(settings, feeds_root=root).ok
    book, key = exchange.exchange.nonces, KEYS[name].key
    before = book.highest(key) + ahead
    assert book.spend(key, before)
    report = run(settings, feeds_root=root)
    assert report.errors == []
    assert book.highest(key) > before
