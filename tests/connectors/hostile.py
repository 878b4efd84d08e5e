"""A server that plays bytes: whatever a test gives it, at its own pace, until the client goes."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Play = Callable[["Wire"], None]


class Wire:
    """The server's end of one connection, after the request has been read."""

    def __init__(self, connection: socket.socket, closing: threading.Event) -> None:
        self._connection = connection
        self._closing = closing

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def pause(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise OSError("the server closes")

    def drip(self, data: bytes, seconds: float = 0.01) -> None:
        """Send ``data`` byte by byte, again and again, until the client hangs up."""
        while True:
            for byte in data:
                self.send(bytes([byte]))
                self.pause(seconds)


def answer(*headers: str, status: str = "200 OK") -> bytes:
    """The head of an answer; its body ends with the connection."""
    lines = [f"HTTP/1.1 {status}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


class Hostile:
    """``plays``: what is sent on each connection in turn, the last one for all that follow."""

    def __init__(self) -> None:
        self.plays: list[Play] = []
        self.requests: list[bytes] = []
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                part = connection.recv(65536)
                if not part:
                    return
                request += part
            self.requests.append(request)
            play = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
            play(Wire(connection, self._closing))
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65536)

    def stop(self) -> None:
        self._closing.set()
        self._listener.close()


@contextmanager
def serving(*plays: Play) -> Iterator[Hostile]:
    """A running server that plays ``plays``."""
    server = Hostile()
    server.plays[:] = plays
    try:
        yield server
    finally:
        server.stop()
