"""Several pulls at once on one home: no error, nothing stored twice, no lock left behind."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipelines.feeds import load_feeds, select_jobs
from pipelines.ingest import PullReport, pull
from pipelines.publishing import publish
from pipelines.settings import Settings
from sandbox import Fault, Served, serve
from tests.pipelines.exchanges.test_limits import OVERLOAD
from tests.pipelines.ingest.conftest import run, settings_for
from tests.pipelines.ingest.processes import PATIENCE, WorkerProcess, end
from tests.pipelines.ingest.reference_model import table, tape_of, trades_of
from tests.worlds import world_at
from warehouse.metastore import Metastore
from warehouse.metastore_file import FILE_NAME

SELECT = ("bitexbit/trades", "bitexbit/tickers", "*/account_trades", "wex/trades")


@pytest.fixture
def limited() -> Iterator[Served]:
    """A sandbox that keeps to the documented limits."""
    with serve(world_at(days=3), limits=True) as server:
        yield server


def started(stack: ExitStack, server: Served, home: Path, *select: str) -> WorkerProcess:
    """``python -m pipelines pull`` in a process of its own, ended with the stack."""
    env = dict(server.env, TIDEMARK_HOME=str(home))
    worker = WorkerProcess(["-m", "pipelines", "pull", *select], env)
    stack.callback(end, worker)
    return worker


def check_everything_once(server: Served, home: Path) -> None:
    for symbol in ("BTC-USD", "ETH-USD"):
        assert trades_of(home, "bitexbit", symbol) == tape_of(server, symbol)
    now = server.world.now()
    held = table(home, "SELECT exchange, trade_id FROM account_trades")
    truth = [
        (exchange, str(fill.trade_id))
        for exchange, account in (("bitexbit", "alpha"), ("wex", "beta"))
        for _, fill in server.world.accounts[account].fills(now)
    ]
    assert sorted(held) == sorted(truth)
    wex = [trade[0] for trade in trades_of(home, "wex", "BTC-USD")]
    assert wex == [trade[0] for trade in tape_of(server, "BTC-USD")][-len(wex) :]


@pytest.mark.slow
def test_pulls_of_several_processes_and_threads_store_everything_once(
    limited: Served, home: Path, tmp_path: Path
) -> None:
    settings = settings_for(limited, home)
    with ExitStack() as stack, ThreadPoolExecutor(2) as threads:
        workers = [started(stack, limited, home, *SELECT) for _ in range(3)]
        inside = [threads.submit(pull_and_publish, settings) for _ in range(2)]
        reports = [work.result() for work in inside]
        for worker in workers:
            code, out, err = worker.finish()
            assert (code, err.count("locked")) == (0, 0), out + err
    assert [r.errors for r in reports] == [[], []]
    check_everything_once(limited, home)
    refused = [e.status for e in limited.log.entries if e.status != 200]
    assert set(refused) <= {429}  # one nonce sequence: no nonce came late
    assert len(refused) <= OVERLOAD
    # those who waited looked again, which is cheap: nobody fetched the whole history twice
    asked = len(limited.log.of("/public/trades"))
    alone, again = (requests_of_a_pull(limited, tmp_path / "alone") for _ in range(2))
    assert 3 * again < alone
    assert asked <= alone + 5 * again


def requests_of_a_pull(server: Served, home: Path) -> int:
    """Public trade requests of one pull into ``home``."""
    server.log.clear()
    pull_and_publish(settings_for(server, home))
    return len(server.log.of("/public/trades"))


def pull_and_publish(settings: Settings) -> PullReport:
    """A pull inside this process, with the limits of the machine."""
    report = pull(select_jobs(load_feeds(), list(SELECT)), settings)
    publish(settings)
    return report


@pytest.mark.parametrize("days", [3])  # several pages
def test_a_killed_pull_leaves_nothing_that_holds_up_the_next(exchange: Served, home: Path) -> None:
    settings = settings_for(exchange, home)
    arrived = threading.Event()

    def script(request: object) -> Fault | None:
        """The second page of trades hangs: the process is killed with all its locks held."""
        if getattr(request, "path", "").endswith("/public/trades"):
            counted.append(request)
            if len(counted) == 3:
                arrived.set()
                return Fault("hang", seconds=30)
        return None

    counted: list[object] = []
    with ExitStack() as stack:
        exchange.faults.script = script
        worker = started(stack, exchange, home, *SELECT)
        assert arrived.wait(PATIENCE)
        worker.kill()
    exchange.faults.script = None
    assert run(settings, *SELECT).errors == []
    check_everything_once(exchange, home)


@pytest.mark.sqlite
def test_many_open_a_new_metastore_at_once(tmp_path: Path) -> None:
    for attempt in range(15):
        home = tmp_path / str(attempt)
        barrier = threading.Barrier(8)

        def open_it(home: Path = home, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(60)
            Metastore(home).close()

        with ThreadPoolExecutor(8) as threads:
            for work in [threads.submit(open_it) for _ in range(8)]:
                work.result()
        with sqlite3.connect(home / FILE_NAME) as db:
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        db.close()
