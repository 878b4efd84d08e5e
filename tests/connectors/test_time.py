"""A call ends at its deadline, however the server keeps it busy, and gives the key's nonce back."""

import socket
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest

import connectors
from connectors import Connection, Credentials, StreamId, TransientError, Window
from connectors.errors import UnreachableError
from connectors.http import Http, get
from connectors.local import LocalNonces, NoLimits
from tests.connectors.conftest import newest
from tests.connectors.hostile import Wire, answer, serving

TIMEOUT = 0.1
ENOUGH = 4 * TIMEOUT + 1.0


def header_drips(wire: Wire) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\n")
    wire.drip(b"X-A: b\r\n")


def endless_interim(wire: Wire) -> None:
    while True:
        wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        wire.pause(0.01)


def status_line_drips(wire: Wire) -> None:
    wire.drip(b"H" * 9999)


def body_drips(wire: Wire) -> None:
    wire.send(answer())
    wire.drip(b"[ ")


def body_drips_in_chunks(wire: Wire) -> None:
    wire.send(answer("Transfer-Encoding: chunked"))
    wire.drip(b"1\r\n[\r\n")


def gzip_name_without_end(wire: Wire) -> None:
    wire.send(answer("Content-Encoding: gzip") + b"\x1f\x8b\x08\x08\0\0\0\0\0\xff")
    wire.drip(b"name")


def gzip_of_nothing(wire: Wire) -> None:
    wire.send(answer("Content-Encoding: gzip"))
    packed = zlib.compressobj(wbits=31)
    while True:
        wire.send(packed.flush(zlib.Z_FULL_FLUSH) or packed.compress(b""))
        wire.pause(0.01)


def redirect_body_drips(wire: Wire) -> None:
    wire.send(answer("Location: javascript:1", status="302 Found"))
    wire.drip(b"moved ")


def silence(wire: Wire) -> None:
    wire.pause(60)


PLAYS = [
    header_drips,
    endless_interim,
    status_line_drips,
    body_drips,
    body_drips_in_chunks,
    gzip_name_without_end,
    gzip_of_nothing,
    redirect_body_drips,
    silence,
]


@pytest.mark.parametrize("dataset", ["trades", "account_trades"])
@pytest.mark.parametrize("play", PLAYS)
def test_a_call_ends_at_its_deadline(
    exchange: str, play: Callable[[Wire], None], dataset: str
) -> None:
    nonces = LocalNonces()
    with serving(play) as server:
        connection = Connection(
            server.base_url,
            nonces,
            NoLimits(),
            credentials=Credentials("my-key-4711", "my-secret-0815", "my phrase 2342"),
            timeout=TIMEOUT,
            retries=0,
        )
        connector = connectors.open_connector(exchange, connection)
        private = dataset.startswith("account")
        per_market = not private or connectors.offers(exchange)[dataset].per_market
        symbol, account = "BTC-USD" if per_market else None, "main" if private else None
        began = time.monotonic()
        with pytest.raises(TransientError, match=r"no whole answer within|took longer"):
            newest(connector, StreamId(exchange, dataset, symbol, account))
        assert time.monotonic() - began < ENOUGH
        connector.close()
    assert nonces._one_request.acquire(blocking=False)  # nobody holds the key any more


@pytest.mark.parametrize("proxied", [False, True])
def test_a_resolver_that_hangs_ends_with_the_call(
    exchange: str, proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    asked: list[str] = []

    def hangs(host: str, port: int, **_: object) -> list[object]:
        asked.append(host)
        answers.wait(60)
        raise socket.gaierror("too late")

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    if proxied:
        monkeypatch.setenv("HTTPS_PROXY", "http://me:my-password@proxy.example:3128")
    nonces = LocalNonces()
    connection = Connection(
        "https://exchange.example",
        nonces,
        NoLimits(),
        credentials=Credentials("my-key-4711", "my-secret-0815", "my phrase 2342"),
        timeout=TIMEOUT,
        retries=2,
    )
    at_once = connectors.open_connector(exchange, connection, sleep=lambda _: None)
    began = time.monotonic()
    try:
        for dataset in ("trades", "account_trades"):
            private = dataset != "trades"
            per_market = not private or connectors.offers(exchange)[dataset].per_market
            symbol, account = "BTC-USD" if per_market else None, "main" if private else None
            with pytest.raises(UnreachableError, match="no address of the host was found") as said:
                newest(at_once, StreamId(exchange, dataset, symbol, account))
            assert "my-" not in str(said.value) and "Fix: check the network" in str(said.value)
        assert time.monotonic() - began < 2 * ENOUGH
        # those that are still waiting are one, with no secret in its name
        waiting = [t.name for t in threading.enumerate() if t.daemon and t.name == "look-up"]
        assert len(waiting) == 1
        assert asked == ["proxy.example" if proxied else "exchange.example"]
        assert nonces._one_request.acquire(blocking=False)
    finally:
        answers.set()
        at_once.close()


def test_every_address_of_a_host_is_tried_within_one_deadline(
    exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def several(host: str, port: int, *args: Any, **more: Any) -> list[Any]:
        if host != "exchange.example":
            return real(host, port, *args, **more)
        return [(2, 1, 6, "", (address, port)) for address in ("127.0.0.9", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", several)
    with serving(lambda wire: wire.send(answer("Content-Length: 2") + b"[]")) as server:
        port = server.base_url.rpartition(":")[2]
        url = f"http://exchange.example:{port}"
        connection = Connection(url, LocalNonces(), NoLimits(), timeout=5, retries=0)
        http = Http(exchange, connection, ["GET /x"])
        assert http.send(get("/x")).body == b"[]"
        http.close()


def test_the_deadline_is_of_the_whole_call_not_of_a_redirect(exchange: str) -> None:
    def again(wire: Wire) -> None:
        wire.pause(2 * TIMEOUT * 0.8)
        wire.send(answer("Location: /again", "Content-Length: 0", status="302 Found"))

    with serving(again) as server:
        connection = Connection(
            server.base_url, LocalNonces(), NoLimits(), timeout=2 * TIMEOUT, retries=0
        )
        connector = connectors.open_connector(exchange, connection)
        began = time.monotonic()
        with pytest.raises(connectors.ExchangeError):
            connector.fetch(StreamId(exchange, "trades", "BTC-USD"), Window())
        assert time.monotonic() - began < 8 * TIMEOUT + 0.5
        connector.close()
