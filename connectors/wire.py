"""What one call may cost, whatever the server sends: time on the wire, and bytes in memory.

Whatever drips, :class:`Deadline` ends a call at one moment: look-up of the host, connecting, TLS,
redirects, interim answers, headers and body together. :func:`decoded` undoes content encodings
piece by piece, so that no more than the bytes asked for ever exist.
"""

import ipaddress
import socket
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any, Final

import httpcore
import httpx

LARGEST: Final = 64 * 1024 * 1024
"""The most bytes of one answer, before and after each of its encodings."""
ENCODINGS: Final = "gzip, deflate"
"""The encodings that are asked for and undone."""
_LAYERS: Final = 3
_PIECE: Final = 256 * 1024
_FOREVER: Final = float("inf")


class TooLargeError(Exception):
    """An answer, or a layer of its encoding, is larger than :data:`LARGEST`."""


class Deadline(threading.local):
    """The moment at which the call of this thread ends."""

    _at = _FOREVER
    _seconds = _FOREVER

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Every use of the network inside the block ends after ``seconds`` altogether."""
        self._at, self._seconds = time.monotonic() + seconds, seconds
        try:
            yield
        finally:
            self._at = _FOREVER

    def left(self, timeout: float | None, over: type[Exception]) -> float | None:
        """Seconds for one step that may take ``timeout``. Raises ``over`` where none are left."""
        if self._at == _FOREVER:
            return timeout
        left = self._at - time.monotonic()
        if left <= 0:
            raise over(f"the whole call took longer than {self._seconds:g} s")
        return left if timeout is None else min(left, timeout)

    def hold(self, client: httpx.Client) -> None:
        """Let all connections of ``client`` end with it.

        The read timeout of httpx begins anew with every byte. It has no setting for the network
        backend of its pools; httpcore has.
        """
        for transport in (client._transport, *client._mounts.values()):
            if isinstance(transport, httpx.HTTPTransport):
                transport._pool._network_backend = _Backend(self)


class Lookups:
    """Looks up the addresses of hosts, each in a thread that may be left behind.

    The system's resolver can neither be given a time nor be stopped; it may take minutes. Who asks
    for a host that is being looked up already waits for that, so that no threads pile up.
    """

    def __init__(self) -> None:
        self._running: dict[tuple[str, int], Future[list[str]]] = {}
        self._lock = threading.Lock()

    def addresses(self, host: str, port: int, timeout: float | None) -> list[str]:
        """The IP addresses of ``host``, the system's first choice first.

        Raises ``httpcore.ConnectTimeout`` after ``timeout`` seconds, and ``httpcore.ConnectError``
        for a host without any.
        """
        if is_address(host):
            return [host]
        with self._lock:
            found = self._running.get((host, port))
            if found is None:
                found = self._running[host, port] = Future()
                work = partial(self._look_up, host, port, found)
                # A daemon: one that hangs does not keep the program from ending.
                threading.Thread(target=work, name="look-up", daemon=True).start()
        try:
            return found.result(timeout)
        except FutureTimeout:
            problem = f"no address of the host was found within {timeout:g} s"
            raise httpcore.ConnectTimeout(problem) from None
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from None

    def _look_up(self, host: str, port: int, found: Future[list[str]]) -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            result = list(dict.fromkeys(str(address[0]) for *_, address in infos))
        except BaseException as error:
            outcome = partial(found.set_exception, error)
        else:
            outcome = partial(found.set_result, result)
        with self._lock:  # the next one asks anew
            del self._running[host, port]
        outcome()


def is_address(host: str) -> bool:
    """Whether ``host`` is an IP address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _Backend(httpcore.NetworkBackend):
    """TCP connections whose every step ends with the deadline: look-up, connecting, each use."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._backend = httpcore.SyncBackend()
        self._lookups = Lookups()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        within = self._deadline.left(timeout, httpcore.ConnectTimeout)
        failed: Exception = httpcore.ConnectError("the host has no address")
        for address in self._lookups.addresses(host, port, within):
            within = self._deadline.left(timeout, httpcore.ConnectTimeout)
            try:
                stream = self._backend.connect_tcp(
                    address, port, within, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Stream(self._deadline, stream)
        raise failed


class _Stream(httpcore.NetworkStream):
    def __init__(self, deadline: Deadline, stream: httpcore.NetworkStream) -> None:
        self._deadline = deadline
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = self._deadline.left(timeout, httpcore.ConnectTimeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, timeout)
        return _Stream(self._deadline, stream)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def decoded(parts: Iterable[bytes], encodings: str) -> Iterator[bytes]:
    """``parts`` of a body without its content ``encodings``, in pieces of at most 256 KiB.

    An encoding that was not asked for stays, as some servers name one that is none. Raises
    ``TooLargeError``, and ``zlib.error`` for what is not encoded as it says.
    """
    names = [name.strip().lower() for name in encodings.split(",")]
    layers = [_UNDO[name] for name in reversed(names) if name in _UNDO]
    if len(layers) > _LAYERS:
        raise TooLargeError
    pieces = _bounded(parts)
    for undo in layers:
        pieces = _bounded(undo(pieces))
    return pieces


def _bounded(parts: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > LARGEST:
            raise TooLargeError
        yield part


def _inflated(parts: Iterable[bytes], window: int) -> Iterator[bytes]:
    machine = zlib.decompressobj(window)
    for part in parts:
        rest, full = part, True
        while (rest or full) and not machine.eof:
            piece = machine.decompress(rest, _PIECE)
            rest, full = machine.unconsumed_tail, len(piece) == _PIECE
            yield piece


def _gzip(parts: Iterator[bytes]) -> Iterator[bytes]:
    return _inflated(parts, zlib.MAX_WBITS | 16)


def _deflate(parts: Iterator[bytes]) -> Iterator[bytes]:
    """With the header of zlib, as the standard says, or without it, as some servers have it."""
    head = b""
    for part in parts:
        head += part
        if len(head) >= 2:
            break
    zlib_header = head[:1] and head[0] & 15 == zlib.DEFLATED and int.from_bytes(head[:2]) % 31 == 0
    return _inflated(chain([head], parts), zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS)


_UNDO: Final = {"gzip": _gzip, "x-gzip": _gzip, "deflate": _deflate}
