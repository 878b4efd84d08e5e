"""A call ends at its deadline, however the server keeps it busy, and gives the key's nonce back."""

import time
import zlib
from collections.abc import Callable

import pytest

import connectors
from connectors import Connection, Credentials, StreamId, TransientError, Window
from connectors.local import LocalNonces, NoLimits
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
            credentials=Credentials("my-key-4711", "my-secret-0815"),
            timeout=TIMEOUT,
            retries=0,
        )
        connector = connectors.open_connector(exchange, connection)
        private = dataset.startswith("account")
        symbol, account = (None, "main") if private else ("BTC-USD", None)
        began = time.monotonic()
        with pytest.raises(TransientError, match=r"no whole answer within|took longer"):
            connector.fetch(StreamId(exchange, dataset, symbol, account), Window())
        assert time.monotonic() - began < ENOUGH
        connector.close()
    assert nonces._one_request.acquire(blocking=False)  # nobody holds the key any more


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
