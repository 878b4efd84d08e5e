"""A local server fast enough not to be what is measured. It runs in a process of its own.

It speaks as much of the BitexBit v2 dialect as a pull of trades needs: ``/api/v2/public/pairs`` and
``/api/v2/public/trades`` (newest first; ``limit`` keeps the newest of the window). Rows are encoded
before it listens, so that an answer is one slice of memory. ``/bench/usage`` reports what it cost.

``python -m bench.server --rows 200000`` prints its address on a line of its own when it is ready.
"""

import argparse
import asyncio
import gzip
import json
import re
import resource
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Final, Protocol, cast
from urllib.parse import parse_qsl

import uvloop

from bench.tape import SYMBOL, Tape, make_tape

MAX_LIMIT: Final = 1000
DEFAULT_LIMIT: Final = 100
_PARAMETERS: Final = frozenset({"symbol", "since_id", "until_id", "limit"})
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_REASONS: Final = {200: b"OK", 400: b"Bad Request", 404: b"Not Found", 405: b"Method Not Allowed"}

PAIRS: Final = json.dumps(
    [
        {
            "symbol": SYMBOL,
            "label": SYMBOL.replace("_", "/"),
            "base": SYMBOL.split("_")[0],
            "quote": SYMBOL.split("_")[1],
            "price_precision": 2,
            "amount_precision": 8,
            "min_amount": "0.00000001",
            "max_amount": "100000000",
            "min_value": "0.00001000",
            "can_create_order": True,
            "can_cancel_order": True,
            "is_enabled": True,
        }
    ],
    separators=(",", ":"),
).encode()


class BadRequest(Exception):
    """The query is not one that this server answers. ``status`` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Exchange:
    """Answers requests from one tape. ``compress``: pages go out gzipped, each made once."""

    tape: Tape
    compress: bool = False
    requests: int = 0
    _packed: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def answer(self, method: str, target: str, accepts_gzip: bool) -> tuple[int, bytes, bool]:
        """Status, body, and whether the body is gzipped."""
        path, _, query = target.partition("?")
        if path == "/bench/usage":
            return 200, usage(self.tape, self.requests), False
        self.requests += 1
        try:
            if method != "GET":
                raise BadRequest(405, "only GET is known here")
            if path == "/api/v2/public/trades":
                first, end = self._window(dict(parse_qsl(query)))
                if self.compress and accepts_gzip:
                    return 200, self._pack(first, end), True
                return 200, self.tape.json(first, end), False
            if path == "/api/v2/public/pairs":
                return 200, PAIRS, False
            raise BadRequest(404, f"{path} is not known here")
        except BadRequest as error:
            return error.status, json.dumps({"detail": str(error)}).encode(), False

    def _window(self, query: dict[str, str]) -> tuple[int, int]:
        if unknown := query.keys() - _PARAMETERS:
            raise BadRequest(400, f"parameters not known here: {', '.join(sorted(unknown))}")
        if query.get("symbol", SYMBOL) != SYMBOL:
            raise BadRequest(400, f"the only symbol here is {SYMBOL}")
        try:
            since_id, until_id, limit = (
                int(query[name]) if name in query else None
                for name in ("since_id", "until_id", "limit")
            )
        except ValueError:
            raise BadRequest(400, "since_id, until_id and limit are integers") from None
        size = DEFAULT_LIMIT if limit is None else max(1, min(limit, MAX_LIMIT))
        return self.tape.page(since_id, until_id, size)

    def _pack(self, first: int, end: int) -> bytes:
        packed = self._packed.get((first, end))
        if packed is None:
            packed = gzip.compress(self.tape.json(first, end), compresslevel=5, mtime=0)
            self._packed[(first, end)] = packed
        return packed


def usage(tape: Tape, requests: int) -> bytes:
    """What this process has used so far, and what it has to show."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return json.dumps(
        {
            "cpu_seconds": used.ru_utime + used.ru_stime,
            "requests": requests,
            "rows": tape.rows,
            "id_sum": tape.id_sum,
        }
    ).encode()


class Answering(Protocol):
    """What answers requests: status, body, and whether the body is gzipped."""

    def answer(self, method: str, target: str, accepts_gzip: bool) -> tuple[int, bytes, bool]: ...


class Http(asyncio.Protocol):
    """As much of HTTP/1.1 as the contestants' clients speak, with keep-alive.

    The form of a POST is answered as the query of its target.
    """

    def __init__(self, exchange: Answering, latency: float = 0.0) -> None:
        self._exchange = exchange
        self._latency = latency
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._date = b""
        self._date_second = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of a class of their own.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            size = int(length[1]) if length else 0
            if len(rest) < size:
                return
            form, self._buffer = rest[:size], rest[size:]
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._respond, head, form)
            else:
                self._respond(head, form)

    def _respond(self, head: bytes, form: bytes) -> None:
        assert self._transport is not None
        line, _, headers = head.partition(b"\r\n")
        method, _, rest = line.decode("latin-1").partition(" ")
        target = rest.partition(" ")[0] + (f"?{form.decode('latin-1')}" if form else "")
        headers = headers.lower()
        status, body, packed = self._exchange.answer(method, target, b"gzip" in headers)
        close = b"connection: close" in headers
        self._transport.write(
            b"HTTP/1.1 %d %b\r\nDate: %b\r\nContent-Type: application/json\r\n%b%b"
            b"Content-Length: %d\r\n\r\n%b"
            % (
                status,
                _REASONS[status],
                self._now(),
                b"Content-Encoding: gzip\r\n" if packed else b"",
                b"Connection: close\r\n" if close else b"",
                len(body),
                body,
            )
        )
        if close:
            self._transport.close()

    def _now(self) -> bytes:
        second = int(time.time())
        if second != self._date_second:
            self._date = formatdate(second, usegmt=True).encode()
            self._date_second = second
        return self._date


async def serve(exchange: Answering, port: int, latency: float = 0.0) -> None:
    """Serve until cancelled; the address is printed when it is ready. ``latency``: seconds."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Http(exchange, latency), "127.0.0.1", port, backlog=128
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(prog="bench.server", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="trades on the tape")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--gzip", action="store_true", help="compress pages for clients that ask")
    options = parser.parse_args()
    uvloop.run(serve(Exchange(make_tape(options.rows), options.gzip), options.port))


if __name__ == "__main__":
    main()
