"""How many streams of an exchange are pulled at once: as many as limit and latency call for."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import connectors
from connectors.base import Connection
from connectors.client import Client
from connectors.local import LocalNonces, NoLimits
from pipelines.ingest import run as run_module
from sandbox import Served
from tests.matrix import TORTURE
from tests.pipelines.ingest.conftest import run, settings_for

SPEC = (
    "exchange: bitexbit\nmarkets: [BTC-USD, ETH-USD, LTC-BTC, ETH-BTC]\nstart: 2026-01-01\n"
    "datasets: {trades: {}, candles: {timeframes: [5m, 15m, 30m, 1h, 4h, 1d]}}"
)


class Together:
    """Each call waits until so many are under way at once, and counts them."""

    def __init__(self, wanted: int) -> None:
        self.wanted, self.most, self._now = wanted, 0, 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._now += 1
            self.most = max(self.most, self._now)
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self.most >= self.wanted, 20)

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._now -= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("called_for", "at_once"),
    [(0.0, run_module.WORKERS), pytest.param(9.0, 12, marks=TORTURE), (500.0, 28)],
)
def test_slow_answers_are_waited_for_side_by_side(
    exchange: Served,
    home: Path,
    feeds: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    called_for: float,
    at_once: int,
) -> None:
    """All 28 streams, where even more are called for; never more than are called for."""
    together, fetch = Together(at_once), Client.fetch

    def slow(*asked: Any) -> Any:
        with together:
            return fetch(*asked)

    monkeypatch.setattr(Client, "fetch", slow)
    monkeypatch.setattr(Client, "called_for", called_for)
    report = run(settings_for(exchange, home), feeds_root=feeds(SPEC))
    assert report.errors == [] and len(report.streams) == 28
    assert together.most == at_once
    order = [(s.dataset, s.stream) for s in report.streams]
    again = run(settings_for(exchange, home), feeds_root=feeds(SPEC))
    assert [(s.dataset, s.stream) for s in again.streams] == order


def test_what_is_called_for_follows_the_answers(exchange: Served) -> None:
    """100 calls a second are allowed: of 0.2 s each, 20 use them up."""
    clock = [1_800_000_000.0]

    def now() -> float:  # asked once before a call and once after it
        clock[0] += 0.1
        return clock[0]

    connection = Connection(exchange.base_url, LocalNonces(), limits=NoLimits())
    client = connectors.open_connector("bitexbit", connection, sleep=lambda _: None, now=now)
    assert client.called_for == 0
    for _ in range(2):
        client.snapshot("tickers", ["BTC-USD"])
    assert client.called_for == pytest.approx(10, rel=0.01)
    client.close()
