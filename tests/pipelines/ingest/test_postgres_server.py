"""The server of the metastore restarts, is down, or is forgotten: whole programs from outside."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import warehouse
from sandbox import Served, serve
from tests.pipelines.ingest.processes import PATIENCE
from tests.pipelines.ingest.reference_model import tape_of, trades_of
from tests.pipelines.ingest.test_processes import started
from tests.postgres import PASSWORD, Server, programs, serving
from tests.worlds import world_at
from warehouse.home import METASTORE

pytestmark = pytest.mark.engines

TRADES = "bitexbit/trades"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A PostgreSQL of the test's own, which it stops and starts."""
    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with serving(folder) as found:
        monkeypatch.setenv(METASTORE, found.url)
        yield found


@pytest.fixture
def exchange() -> Iterator[Served]:
    with serve(world_at(days=1)) as found:
        yield found


def _pull(exchange: Served, home: Path, *select: str) -> tuple[int, str]:
    """Exit code and output of a pull."""
    with ExitStack() as stack:
        code, out, err = started(stack, exchange, home, *select).finish()
    assert PASSWORD not in out + err and "Traceback" not in out + err
    return code, out + err


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_what_a_server_that_restarts_in_the_middle_of_a_pull_breaks_off_the_next_pull_ends(
    mode: str, server: Server, exchange: Served, home: Path
) -> None:
    pages = [threading.Semaphore(0), threading.Semaphore(0)]
    asked: list[object] = []

    def script(request: object) -> None:
        if getattr(request, "path", "").endswith("/public/trades"):
            asked.append(request)
            if len(asked) in (3, 7):
                pages[len(asked) > 3].release()

    exchange.faults.script = script
    with ExitStack() as stack:
        worker = started(stack, exchange, home, TRADES, "bitexbit/account_trades")
        for page in pages:
            assert page.acquire(timeout=PATIENCE)
            assert worker.process.poll() is None, "it was over before"
            server.stop(mode)
            server.start()
        code, out, err = worker.finish()
    said = out + err
    print(said)
    assert PASSWORD not in said and "Traceback" not in said
    # a stream whose transaction was under way may have failed, the others went on
    broken_off = said.count("see that the server runs and is reached, retry: what was stored is")
    assert said.count("cannot use the metastore") == broken_off <= 3
    assert code == bool(broken_off), said
    assert _pull(exchange, home, TRADES, "bitexbit/account_trades")[0] == 0
    for symbol in ("BTC-USD", "ETH-USD"):
        assert trades_of(home, "bitexbit", symbol) == tape_of(exchange, symbol)
    assert warehouse.verify(home).ok


def test_a_server_that_is_down_is_an_error_at_once_and_the_next_pull_is_whole(
    server: Server, exchange: Served, home: Path
) -> None:
    server.stop()
    try:
        code, said = _pull(exchange, home, TRADES)
    finally:
        server.start()
    assert code == 1 and said.count("Fix: see that the server runs and is reached, retry") == 1
    assert not exchange.log.entries and not list(home.glob("*.sqlite*"))
    assert _pull(exchange, home, TRADES)[0] == 0
    assert trades_of(home, "bitexbit", "BTC-USD") == tape_of(exchange, "BTC-USD")


def test_a_pull_without_the_setting_stores_nothing(
    server: Server, exchange: Served, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _pull(exchange, home, "bitexbit/tickers")[0] == 0
    exchange.log.clear()
    monkeypatch.delenv(METASTORE)
    code, said = _pull(exchange, home, TRADES)
    assert code == 1 and "Fix: set TIDEMARK_METASTORE=postgresql://" in said
    assert not exchange.log.entries and not list(home.glob("*.sqlite*"))
    assert not list(home.glob("lake/trades/**/*.parquet"))
