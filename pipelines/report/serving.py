"""The page over HTTP, for a link in Dagster: browsers follow none from a web page to a file.

It listens on this machine only and serves the one file, whatever else the home holds. The page
cannot read what other pages of its address show: behind a proxy Dagster has the same one.
"""

import socket
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pipelines.report import REPORT
from schemas import ConfigError

HOST: Final = "127.0.0.1"
_NAMES: Final = frozenset({HOST, "localhost"})
_NOT_YET: Final = (
    "There is no report yet.\nFix: materialize the asset marts/report, or: tidemark report\n"
)
_POLICY: Final = (
    "sandbox allow-scripts allow-popups; default-src 'none'; img-src data:; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'"
)


def free_port(wanted: int) -> int:
    """``wanted`` where it is free, else any free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except (OSError, OverflowError):
                continue
            return int(probe.getsockname()[1])
    raise ConfigError(f"no port is free on {HOST}")


@contextmanager
def serving(home: Path, wanted: int, address: str | None = None) -> Iterator[str]:
    """Serve ``report.html`` of ``home``; its address, at the port ``wanted`` where it is free.

    ``address``: the page's address at a proxy, whose name is answered too. Every other name is
    refused: a page of the web could point a name of its own at this machine, and read it.
    """
    names = _NAMES | ({urlsplit(address).hostname or HOST} if address else set())
    server = ThreadingHTTPServer((HOST, free_port(wanted)), _handler(home / REPORT, names))
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/{REPORT}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _name(host: str) -> str | None:
    """The name in a ``Host`` header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _handler(page: Path, names: Collection[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 30.0
        server_version, sys_version = "Tidemark", ""

        def do_GET(self) -> None:
            if _name(self.headers.get("Host", "")) not in names:
                self._answer(HTTPStatus.FORBIDDEN, b"Not served under this name.\n")
            elif self.path.partition("?")[0] not in ("/", f"/{REPORT}"):
                self._answer(HTTPStatus.NOT_FOUND, f"Only /{REPORT} is here.\n".encode())
            else:
                try:
                    self._answer(HTTPStatus.OK, page.read_bytes(), "text/html; charset=utf-8")
                except FileNotFoundError:
                    self._answer(HTTPStatus.NOT_FOUND, _NOT_YET.encode())

        do_HEAD = do_GET

        def _answer(
            self, status: HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8"
        ) -> None:
            self.send_response(status)
            for name, value in (
                ("Content-Type", kind),
                ("Content-Length", str(len(body))),
                ("Cache-Control", "no-store"),
                ("Content-Security-Policy", _POLICY),
                ("Referrer-Policy", "no-referrer"),
                ("X-Content-Type-Options", "nosniff"),
                ("X-Frame-Options", "DENY"),
            ):
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the terminal is for warnings."""

    return Handler
