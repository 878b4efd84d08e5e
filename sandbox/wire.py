"""The layer between the socket and the application: log, Date header, gzip, and the faults."""

import asyncio
import gzip
import logging
import socket
import struct
import threading
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.dialect import by_path, dialect_of, refusal_of
from sandbox.exchange import Exchange
from sandbox.faults import PAGE, ROW_KINDS, Fault, Request, spoil_rows

_log = logging.getLogger("sandbox")

Message = MutableMapping[str, Any]
Headers = list[tuple[bytes, bytes]]


@dataclass
class Logged:
    """One request, without headers and body: nothing in it is secret.

    ``call``: the path, or the tapi method. ``params``: the query, or the tapi parameters.
    ``time``: the world's clock in ms. ``status``: 0 where no answer was sent.
    """

    number: int
    method: str
    path: str
    call: str
    params: dict[str, str]
    time: int
    status: int = 0
    fault: str | None = None


@dataclass
class RequestLog:
    """Every request since the start or the last ``clear``, oldest first."""

    entries: list[Logged] = field(default_factory=list)
    seen: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    keep: bool = True

    def add(self, method: str, path: str, call: str, params: dict[str, str], time: int) -> Logged:
        with self.lock:
            self.seen += 1
            entry = Logged(self.seen, method, path, call, params, time)
            if self.keep:
                self.entries.append(entry)
            return entry

    def of(self, part: str) -> list[Logged]:
        """Those whose path contains ``part`` or whose tapi method is ``part``."""
        with self.lock:
            return [e for e in self.entries if part in e.path or part == e.call]

    def clear(self) -> None:
        with self.lock:
            self.entries.clear()


class Wire:
    """ASGI middleware, the outermost: it must be handed uvicorn's own ``send``."""

    def __init__(self, app: ASGIApp, exchange: Exchange) -> None:
        self.app = app
        self.exchange = exchange
        self.log = RequestLog()
        self.closing = threading.Event()
        self._last: dict[str, tuple[int, Headers, bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = await _read(receive)
        dialect = dialect_of(scope["path"])
        path = scope["path"].removeprefix(dialect.prefix if dialect else "")
        name_of = dialect.name_of if dialect else by_path
        call, params = name_of(path, scope["query_string"].decode("latin-1"), body)
        entry = self.log.add(scope["method"], path, call, params, self.exchange.world.clock())
        request = Request(entry.number, entry.method, path, call, params)
        fault = self.exchange.faults.pick(request)
        entry.fault = fault.kind if fault else None
        status, headers, answer = await self._answer(scope, body, request, fault)
        if fault is not None and fault.kind in ("reset", "hang"):
            if fault.kind == "hang":
                await self._wait(fault.seconds, receive)
            _reset(send)
            return
        entry.status = status
        accepts = dict(scope["headers"]).get(b"accept-encoding", b"")
        if self.exchange.paging.gzip and b"gzip" in accepts:
            answer = gzip.compress(answer, 1)
            headers.append((b"content-encoding", b"gzip"))
        now = self.exchange.world.clock()
        headers.append((b"date", formatdate(now // 1_000, usegmt=True).encode()))
        headers.append((b"content-length", str(len(answer)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if fault is not None and fault.kind == "truncate":
            half = answer[: len(answer) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            _transport(send).close()
            return
        if fault is not None and fault.kind == "drip":
            size = max(1, len(answer) // 20)
            for at in range(0, len(answer), size):
                piece = answer[at : at + size]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                await asyncio.sleep(fault.seconds / 20)
            answer = b""
        await send({"type": "http.response.body", "body": answer})

    async def _answer(
        self, scope: Scope, body: bytes, request: Request, fault: Fault | None
    ) -> tuple[int, Headers, bytes]:
        """Status, headers and body, after what the fault does to them."""
        kind = fault.kind if fault else None
        same = (request.query.get(name, "") for name in ("symbol", "timeframe", "pair"))
        stream = " ".join([request.call, *same])
        json: Headers = [(b"content-type", b"application/json")]
        if fault is not None:
            hint: Headers = (
                [(b"retry-after", str(fault.retry_after).encode())]
                if fault.retry_after is not None
                else []
            )
            if kind in ("status", "refusal"):
                refused = refusal_of(scope["path"], fault.status, fault.text)
                return refused.status, json + hint, refused.body
            if kind == "html":
                return fault.status, [(b"content-type", b"text/html"), *hint], PAGE
            if kind in ("empty", "body"):
                return 200, json, fault.body
            if kind == "stale" and stream in self._last:
                status, headers, answer = self._last[stream]
                return status, list(headers), answer
        status, headers, answer = await self._ask(scope, body)
        self._last[stream] = status, list(headers), answer
        if fault is not None and kind in ROW_KINDS:
            answer = spoil_rows(answer, fault)
        if fault is not None and kind == "swap":
            answer = answer.replace(*fault.swap, 1)
        if kind == "cut":
            answer = answer[: len(answer) // 2]
        return status, headers, answer

    async def _ask(self, scope: Scope, body: bytes) -> tuple[int, Headers, bytes]:
        status, headers, parts = 0, [], []
        sent = False

        async def receive() -> Message:
            nonlocal sent
            if sent:
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [h for h in message["headers"] if h[0] != b"content-length"]
            else:
                parts.append(message.get("body", b""))

        try:
            await self.app(scope, receive, send)
        except Exception:
            # Starlette has answered 500 already; a bug of the sandbox must not pass for a fault.
            _log.exception("the sandbox failed on %s", scope["path"])
        return status, headers, b"".join(parts)

    async def _wait(self, seconds: float, receive: Receive) -> None:
        """Until the time is over, the client has gone, or the server closes."""
        gone = asyncio.ensure_future(receive())
        end = asyncio.get_running_loop().time() + seconds
        while not (gone.done() or self.closing.is_set()):
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                break
            await asyncio.wait({gone}, timeout=min(0.05, left))
        gone.cancel()


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(parts)


def _transport(send: Send) -> asyncio.Transport:
    """The connection under uvicorn's ``send``: ASGI itself cannot break one off."""
    cycle: Any = getattr(send, "__self__", None)
    transport: asyncio.Transport = cycle.transport
    return transport


def _reset(send: Send) -> None:
    transport = _transport(send)
    sock = transport.get_extra_info("socket")
    # Linger 0: closing sends RST instead of FIN.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
