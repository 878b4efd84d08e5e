"""One sandbox exchange per module, every connector in turn, and no real waiting."""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, TypeAlias

import pytest

import connectors
import sandbox
from connectors import Connection, Connector, Credentials, Cursor, Page, StreamId, Window
from connectors.local import LocalNonces, NoLimits
from sandbox import Fault, Served
from schemas import DATASETS
from tests.connectors.cases import EXCHANGES, case
from tests.matrix import TORTURE

EPOCH = "2026-01-10T00:00:00"
NOW = "2026-01-10T20:00:00"
CLOCK = 1_768_000_000.25
HEALING = [
    Fault("status", status=429, retry_after=3),
    Fault("status", status=429),
    Fault("status", status=500),
    Fault("status", status=502),
    Fault("status", status=503),
    Fault("html", status=200),
    Fault("html", status=503),
    Fault("truncate"),
    Fault("cut"),
    Fault("reset"),
    Fault("empty"),
]

Asked: TypeAlias = tuple[str, str]
"""An exchange and a dataset."""
Response: TypeAlias = bytes | tuple[int, dict[str, str], bytes]
"""A body (status 200), or status, headers and body."""


class PageOf(Protocol):
    def __call__(
        self, connector: Connector, dataset: str, window: Window | None = None
    ) -> Page: ...


class World:
    """The running sandbox, and connectors opened on it."""

    ROWS = 100
    """Of a page. The full ones are of the tests of whole pulls."""

    def __init__(self, server: Served) -> None:
        self.server = server
        self.truth = server.world
        self.waits: list[float] = []
        self._nonces: dict[str, LocalNonces] = {}
        self._opened: list[Connector] = []

    def connection(self, exchange: str, **changes: Any) -> Connection:
        key = sandbox.KEYS[exchange]
        connection = Connection(
            self.server.env[f"{key.env}_BASE_URL"],
            self._nonces.setdefault(exchange, LocalNonces()),
            NoLimits(),
            credentials=Credentials(**key.parts),
        )
        return replace(connection, **changes)

    def open(self, exchange: str, **changes: Any) -> Connector:
        connection = self.connection(exchange, **changes)
        opened = connectors.open_connector(exchange, connection, sleep=self.waits.append)
        self._opened.append(opened)
        return opened

    def order_id(self, exchange: str) -> int:
        """An order of the account whose key opens ``exchange``."""
        return self.truth.accounts[sandbox.KEYS[exchange].owner].orders[0].id

    def page(self, connector: Connector, dataset: str, window: Window | None = None) -> Page:
        """One page of ``dataset``, whatever kind of call it takes."""
        offer = connector.offers[dataset]
        if offer.cursor is Cursor.SNAPSHOT:
            return connector.snapshot(dataset, ["BTC-USD", "ETH-USD"][: offer.batch])
        stream = StreamId(
            connector.name,
            dataset,
            symbol="BTC-USD" if offer.per_market or not DATASETS[dataset].is_account else None,
            account="main" if DATASETS[dataset].is_account else None,
            timeframe="5m" if dataset == "candles" else None,
        )
        if offer.cursor is Cursor.LOOKUP:
            return connector.lookup(stream, self.order_id(connector.name))
        if offer.cursor is Cursor.PAGES:
            return connector.page(stream, None)
        unit = offer.units[0] if offer.units else None
        limit = min(offer.max_rows, self.ROWS)
        return connector.fetch(stream, window or Window(limit=limit, unit=unit))

    def reset(self) -> None:
        for opened in self._opened:
            opened.close()
        self._opened.clear()
        self.waits.clear()
        self.server.faults.clear()
        self.server.switch()
        self.server.log.clear()


@pytest.fixture(scope="module")
def _running() -> Iterator[World]:
    clock = sandbox.ManualClock(NOW)
    with sandbox.serve(sandbox.World(seed=7, epoch=EPOCH, clock=clock), limits=False) as server:
        world = World(server)
        for exchange in EXCHANGES:
            # A key's nonces outlive a test; those of this module begin where the clock stands.
            world._nonces[exchange] = LocalNonces()
        world.truth.now()
        yield world


@pytest.fixture
def world(_running: World) -> Iterator[World]:
    _running.reset()
    yield _running
    _running.reset()


@pytest.fixture(params=EXCHANGES)
def exchange(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def newest(connector: Connector, stream: StreamId, window: Window | None = None) -> Page:
    """The newest page of a stream, in the way that the exchange pages it."""
    if connector.offers[stream.dataset].cursor is Cursor.PAGES:
        return connector.page(stream, None)
    return connector.fetch(stream, window or Window())


def fault_name(fault: Fault) -> str:
    return f"{fault.kind}-{fault.status}-{fault.retry_after}"


def asked_datasets() -> list[Asked]:
    """Every exchange with every dataset that it answers for itself."""
    pairs = itertools.chain.from_iterable(
        ((name, dataset) for dataset in connectors.offers(name)) for name in EXCHANGES
    )
    return [p for p in pairs if connectors.offers(p[0])[p[1]].cursor is not Cursor.DERIVED]


LONG = ("ccxt:okx", "account_transactions")
"""A page is made of some twenty calls; ``make test`` reads it in tests of whole pulls."""


@pytest.fixture(
    params=[pytest.param(a, marks=TORTURE) if a == LONG else a for a in asked_datasets()],
    ids="/".join,
)
def asked(request: pytest.FixtureRequest) -> Asked:
    pair: Asked = request.param
    return pair


@pytest.fixture
def page_of(world: World) -> PageOf:
    return world.page


class Received:
    """A request as it arrived."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self.method = handler.command
        self.target = handler.path
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.body = handler.rfile.read(int(handler.headers.get("Content-Length", 0))).decode()


TIME = (
    b'{"serverTime":%d,"epoch":%.3f,"iso":"2026-01-09T23:06:40.250Z","code":"0","data":[{"ts":"%d"}]}'
    % (CLOCK * 1000, CLOCK, CLOCK * 1000)
)
"""The time as any exchange tells it."""


class Scripted:
    """A server that gives the answers set, one by one, and keeps what it was asked.

    It tells the time to the exchanges opened on it.
    """

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.waits: list[float] = []
        self._opened: list[Connector] = []
        self._answers: list[Response] = []
        self._clocks: set[str] = set()
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _say(self) -> None:
                received = Received(self)
                answer: Response | None = TIME if received.target in scripted._clocks else None
                if answer is None:
                    scripted.requests.append(received)
                    answer = scripted._answers.pop(0)
                status, headers, body = answer if isinstance(answer, tuple) else (200, {}, answer)
                self.send_response_only(status)
                given = {"Content-Type": "application/json", "Content-Length": str(len(body))}
                for name, value in {**given, **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _say

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.base_url = f"http://127.0.0.1:{self._server.server_port}"

    def answers(self, *answers: Response) -> None:
        self.requests.clear()
        self.waits.clear()
        self._answers[:] = answers

    def open(self, exchange: str, **changes: Any) -> Connector:
        """A connector on this server, with an invented key and a clock that stands at ``CLOCK``."""
        connection = Connection(
            self.base_url,
            LocalNonces(),
            NoLimits(),
            credentials=Credentials("my-key-4711", "my-secret-0815", "my phrase 2342"),
        )
        opened = connectors.open_connector(
            exchange, replace(connection, **changes), sleep=self.waits.append, now=lambda: CLOCK
        )
        self._opened.append(opened)
        if exchange in EXCHANGES:
            self._clocks.add(case(exchange).clock)
        return opened

    def stop(self) -> None:
        for opened in self._opened:
            opened.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Scripted]:
    scripted = Scripted()
    yield scripted
    scripted.stop()
