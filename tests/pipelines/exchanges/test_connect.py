"""An exchange as one pull connects to it, over HTTP: breaker, nonces and limits of the home."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

import connectors
from connectors import ConfigError, NotAskedError, StreamId, TransientError, Window
from connectors.base import Connection, Connector
from connectors.local import NoLimits
from pipelines.exchanges.connect import open_exchange
from pipelines.settings import load_settings
from sandbox import Fault, Served, World, serve
from tests.worlds import world_at


@pytest.fixture(scope="module")
def world() -> World:
    return world_at()


@pytest.fixture
def exchange(world: World) -> Iterator[Served]:
    with serve(world, limits=False) as server:
        yield server


@pytest.fixture
def connect(
    exchange: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Connector]]:
    """A connector as a new pull opens it; it tries once: what is tested comes after retries."""
    monkeypatch.setattr("pipelines.exchanges.connect.Connection", partial(Connection, retries=0))
    settings = load_settings(dict(exchange.env, TIDEMARK_HOME=str(tmp_path)), None)
    opened: list[Connector] = []

    def connect(name: str) -> Connector:
        opened.append(open_exchange(settings, name, "main", NoLimits()))
        return opened[-1]

    yield connect
    for connector in opened:
        connector.close()


def ask(connector: Connector, symbol: str) -> int:
    return connector.fetch(StreamId(connector.name, "trades", symbol), Window()).received


@pytest.mark.parametrize("name", connectors.names())
def test_an_exchange_that_is_down_is_not_called_during_the_cool_down(
    exchange: Served, connect: Callable[[str], Connector], name: str
) -> None:
    connector, other = connect(name), connect(name)
    exchange.faults.add(Fault("status", status=503, times=None))
    for symbol in ("BTC-USD", "BTC-USD", "ETH-USD"):
        with pytest.raises(TransientError):
            ask(connector, symbol)
    asked = len(exchange.log.entries)
    calls: list[Callable[[], object]] = [
        lambda: ask(other, "BTC-USD"),
        lambda: other.snapshot("tickers", ["BTC-USD"]),
        lambda: other.snapshot("balances", ()),
        other.markets,
        other.markets,
    ]
    for call in calls:
        with pytest.raises(NotAskedError, match=f"not asked: {name} is down since .* status 503"):
            call()
    assert len(exchange.log.entries) == asked
    exchange.faults.clear()
    assert ask(connect(name), "BTC-USD") > 0  # the trial of a new pull
    assert ask(other, "ETH-USD") > 0 and other.markets()


def test_a_failure_of_the_market_list_is_remembered(
    exchange: Served, connect: Callable[[str], Connector]
) -> None:
    connector = connect("bitexbit")
    exchange.faults.add(Fault("status", status=503, times=1))
    for _ in range(3):
        with pytest.raises(TransientError, match="503"):
            connector.markets()
    assert len(exchange.log.entries) == 1
    assert connect("bitexbit").markets()


def test_refusals_in_words_count_as_a_fault_of_the_exchange(
    exchange: Served, connect: Callable[[str], Connector]
) -> None:
    connector = connect("wex")
    text = "The exchange is under maintenance, try again"
    exchange.faults.add(Fault("refusal", text=text, times=None))
    for symbol in ("BTC-USD", "ETH-USD", "LTC-BTC"):
        with pytest.raises(TransientError, match=text):
            ask(connector, symbol)
    with pytest.raises(NotAskedError, match=text):
        ask(connector, "BTC-USD")


def test_a_nonce_that_another_program_used_is_overtaken(
    exchange: Served, connect: Callable[[str], Connector]
) -> None:
    book = exchange.exchange.nonces
    for name in connectors.names():
        connector = connect(name)
        key = exchange.env[f"{name.upper()}_API_KEY"]
        assert connector.snapshot("balances", ()).received > 0
        if not book.highest(key):  # its keys have no nonces
            continue
        ahead = book.highest(key) + 7_000
        assert book.spend(key, ahead)
        assert connector.snapshot("balances", ()).received > 0
        assert book.highest(key) > ahead


@pytest.mark.parametrize(
    ("url", "is_unpaced"),
    [
        ("http://127.0.0.1:1", True),
        ("http://localhost:1", True),
        ("https://api.kraken.com", False),
        ("http://10.0.0.7:1", False),
    ],
)
def test_only_an_exchange_on_this_machine_is_ever_called_without_waits(
    url: str, is_unpaced: bool
) -> None:
    for text in ("1", "0", ""):
        settings = load_settings({"TIDEMARK_UNPACED": text, "KRAKEN_BASE_URL": url}, None)
        assert settings.is_unpaced("kraken") == (is_unpaced and text == "1")
    with pytest.raises(ConfigError, match="TIDEMARK_UNPACED is 'yes', neither 0 nor 1"):
        load_settings({"TIDEMARK_UNPACED": "yes"}, None).is_unpaced("kraken")


def test_without_waits_no_limit_is_kept(
    exchange: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(*_: object) -> None:
        pytest.fail("a call waits for its turn")

    monkeypatch.setattr("pipelines.exchanges.limits.SharedLimits.wait", wait)
    variables = dict(exchange.env, TIDEMARK_HOME=str(tmp_path), TIDEMARK_UNPACED="1")
    connector = open_exchange(load_settings(variables, None), "kraken", "main")
    assert ask(connector, "BTC-USD")
    connector.close()
