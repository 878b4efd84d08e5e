"""One call on a mutated answer, and what must hold afterwards."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import httpx
import pyarrow as pa

import connectors
from connectors import (
    Connection,
    Connector,
    Credentials,
    ExchangeError,
    Page,
    RecordedResponse,
    StreamId,
    Window,
)
from connectors.client import _Once
from connectors.http import Http
from connectors.local import LocalNonces, NoLimits
from sandbox.dialect import dialects
from schemas import DATASETS, dataset
from tests.connectors.cases import EXCHANGES, case
from tests.connectors.conftest import TIME
from tests.fuzz.answers import Call
from tests.fuzz.mutate import Answer, answer
from warehouse.quarantine import quarantine_rows

KEY, SECRET, PHRASE = "my-key-4711", "my-secret-0815", "my phrase 2342"
ALLOWED = tuple(root for dialect in dialects() for root in dialect.roots)
CLOCKS = {found for name in EXCHANGES if (found := case(name).clock)}
LONGEST = 1500


class _Body(httpx.SyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        half = len(self._body) // 2
        yield from (self._body[:half], self._body[half:])


@dataclass
class Server:
    """Answers every request with one answer, without a socket; half of those for the time are
    right, so that signed calls are reached.
    """

    answer: Answer
    paths: list[str]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.raw_path.decode())
        if request.url.path in CLOCKS and len(self.answer.body) % 2:
            return httpx.Response(200, stream=_Body(TIME))
        headers = [(n.encode(), v.encode("latin-1")) for n, v in self.answer.headers]
        return httpx.Response(self.answer.status, headers=headers, stream=_Body(self.answer.body))


class Recorded:
    def __init__(self) -> None:
        self.responses: list[RecordedResponse] = []

    def keep(self, response: RecordedResponse) -> None:
        self.responses.append(response)


def opened(exchange: str, server: Server, recorder: Recorded) -> Connector:
    connection = Connection(
        "http://127.0.0.1:9",
        LocalNonces(),
        NoLimits(),
        credentials=Credentials(KEY, SECRET, PHRASE),
        retries=0,
        recorder=recorder,
    )
    connector = connectors.open_connector(exchange, connection, sleep=lambda seconds: None)
    http: Http = connector._sender.http  # type: ignore[attr-defined]
    http._client._transport.close()
    http._client._transport = httpx.MockTransport(server)
    # The exchange's time is known: else answers to that call would be all that is tried.
    connector._sender._offset = 0  # type: ignore[attr-defined]
    return connector


class Fuzzer:
    """Tries mutated answers; ``count`` of them so far, of which ``pages`` were read as pages."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.count = 0
        self.pages = 0
        self._calls = calls
        self._server = Server(Answer(200, (), b""), [])
        self._recorder = Recorded()
        self._connectors = {name: opened(name, self._server, self._recorder) for name in EXCHANGES}

    def close(self) -> None:
        for connector in self._connectors.values():
            connector.close()

    def one(self, seed: int) -> None:
        """Try the answer that ``seed`` stands for. Raises what a connector may not raise."""
        rng = Random(seed)
        call = rng.choice(self._calls)
        self._server.answer = answer(rng, call.bodies)
        self._server.paths.clear()
        self._recorder.responses.clear()
        self.count += 1
        connector = self._connectors[call.exchange]
        connector._markets = _Once(connector._listed)  # type: ignore[attr-defined]
        # an answer that asks for a long rest would end all later calls
        connector._sender._banned_until = 0  # type: ignore[attr-defined]
        self._check(connector, lambda: call.ask(connector, 1))
        if self._recorder.responses:
            self._check(connector, partial(connector.read, self._recorder.responses[0]))
        if call.name.endswith(("/info", "/pairs", "/exchangeInfo")):
            self._use_names(connector, rng)

    def _use_names(self, connector: Connector, rng: Random) -> None:
        """Ask for the markets that the answer lists, under whatever names."""
        found = self._check(connector, connector.markets)
        if not isinstance(found, list):
            return
        for market in rng.sample(found, min(3, len(found))):
            stream = StreamId(connector.name, "trades", market.symbol)
            self._check(connector, lambda s=stream: connector.fetch(s, Window()))
            self._check(connector, lambda m=market: connector.snapshot("tickers", [m.symbol]))

    def _check(self, connector: Connector, ask: Any) -> Any:
        try:
            found = ask()
        except ExchangeError as error:
            _check_text(str(error))
            return None
        finally:
            for path in self._server.paths:
                assert path.startswith(ALLOWED) or path in ("/next", "/tapi_x"), path
        if isinstance(found, Page):
            self.pages += 1
            _check_page(found)
            if found.next_token is not None:
                stream = StreamId(connector.name, "account_transactions", account="main")
                token, paths = found.next_token, len(self._server.paths)
                try:
                    connector.page(stream, token)
                except ExchangeError as error:
                    _check_text(str(error))
                assert all(len(path) < 9000 for path in self._server.paths[paths:])
        elif isinstance(found, str):
            found.encode()
        elif isinstance(found, Mapping):
            assert all(isinstance(row, int) for row in found)
        return found


def _check_page(page: Page) -> None:
    page.table.validate(full=True)
    schemas = [d.connector_schema for d in DATASETS.values()]
    assert any(page.table.schema.equals(schema) for schema in schemas)
    assert len(page.positions) == page.table.num_rows and page.positions.null_count == 0
    assert page.positions.type == pa.int64()
    for field, column in zip(page.table.schema, page.table.columns, strict=True):
        assert field.nullable or not column.null_count, field.name
    for row in page.rejected:
        assert row.reason and len(row.reason) <= 500
        row.reason.encode()
        row.payload.encode()
    if page.rejected:
        stream = StreamId("wex", "trades", "BTC-USD")
        kept = quarantine_rows(stream, page.rejected)
        assert kept.schema.equals(dataset("quarantine").connector_schema)


def _check_text(text: str) -> None:
    text.encode()
    assert len(text) < LONGEST, text
    assert not any(ord(c) < 32 and c != "\n" for c in text), text
    assert not any(part in text for part in (KEY, SECRET, PHRASE))
