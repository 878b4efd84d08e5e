"""A long pull is to be seen in SQL before it ends."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.local import NoLimits
from pipelines.feeds import load_feeds, select_jobs
from pipelines.ingest import StreamProgress, pull
from pipelines.publishing import periodic_publish, publish
from sandbox import Served
from tests.pipelines.ingest.conftest import settings_for
from tests.pipelines.ingest.reference_model import table, tape_of, trades_of
from warehouse.errors import StorageError

PATIENCE = 60.0


@pytest.mark.parametrize("days", [3])  # several requests
def test_rows_are_in_duckdb_while_the_pull_still_runs(
    exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    root = feeds(
        "exchange: bitexbit\nstart: 2016-01-01\nmarkets: [BTC-USD]\ndatasets: {trades: {}}"
    )
    settings = settings_for(exchange, home)
    shown: list[int] = []
    some = threading.Event()

    def load() -> None:
        publish(settings)
        shown.append(table(home, "SELECT count(*) FROM trades")[0][0])
        if shown[-1]:
            some.set()

    def hold(progress: StreamProgress) -> None:
        assert progress.requests < 3 or some.wait(PATIENCE), "nothing was loaded meanwhile"

    jobs = select_jobs(load_feeds(root), [])
    with periodic_publish(load, pause=0.0):
        assert pull(jobs, settings, on_progress=hold, limits=NoLimits()).ok
    truth = tape_of(exchange)
    assert 0 < next(n for n in shown if n) < len(truth)
    publish(settings)
    assert trades_of(home) == truth


def test_a_load_that_fails_is_tried_again_and_stops_nothing() -> None:
    calls: list[int] = []
    twice = threading.Event()

    def load() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise StorageError("no space left")
        twice.set()

    with periodic_publish(load, pause=0.0):
        assert twice.wait(PATIENCE)


def test_a_short_pull_loads_nothing_meanwhile() -> None:
    calls: list[int] = []
    with periodic_publish(lambda: calls.append(1)):
        pass
    assert calls == []
