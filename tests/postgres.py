"""A PostgreSQL of the tests: Debian's programs on a free port of this machine, in memory."""

import multiprocessing
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

USER = "tidemark"
PASSWORD = "p@ss-w/rd:%"
"""It must be found nowhere. The server takes any."""
_SYSTEM_USER = "postgres"
"""Who runs the server where the tests run as root: PostgreSQL refuses to."""


@dataclass(frozen=True)
class Server:
    """A server of its own, with the database ``postgres``. ``folder``: its programs; ``data``."""

    port: int
    folder: Path
    data: Path

    @property
    def url(self) -> str:
        """With the password."""
        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        """One of its programs, as the user that it runs as."""
        command = [str(self.folder / program), "--pgdata", str(self.data), *arguments]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, cwd=self.data, user=system_user()
        )

    def stop(self, mode: str = "immediate") -> None:
        """``fast``: sessions end in order; ``immediate``: as by a crash."""
        self.run("pg_ctl", "--mode", mode, "stop")

    def start(self) -> None:
        """Start it, or once more."""
        options = f"-p {self.port} -h 127.0.0.1 -k {self.data} -c fsync=off -c max_connections=300"
        self.run("pg_ctl", "--wait", "-o", options, "--log", f"{self.data}/log", "start")


def system_user() -> str | None:
    """Who runs the programs of a server."""
    return _SYSTEM_USER if os.getuid() == 0 else None


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, Debian's or on the path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Run a server with the programs of ``folder``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    # not below pytest's folders: those are closed to the user of the server
    with tempfile.TemporaryDirectory(prefix="tidemark-postgres-") as data:
        if user := system_user():
            shutil.chown(data, user)
        server = Server(port, folder, Path(data))
        server.run(
            "initdb", "--username", USER, "--auth", "trust", "--no-sync", "--encoding", "UTF8"
        )
        server.start()
        try:
            yield server
        finally:
            server.stop()


class Dropping:
    """A proxy before a server that, once armed, drops a connection after it passed a COMMIT.

    ``delay``: seconds that every message takes.
    """

    def __init__(self, url: str, delay: float = 0) -> None:
        self._delay = delay
        split = urlsplit(url)
        self._server = split.hostname or "", split.port or 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = url.replace(f":{self._server[1]}/", f":{port}/")
        self._armed = multiprocessing.Event()  # armed by another process than the proxy's
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self) -> None:
        """Drop the next connection that commits."""
        self._armed.set()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            for source, sink, is_client in ((client, server, True), (server, client, False)):
                threading.Thread(
                    target=self._pass, args=(source, sink, is_client), daemon=True
                ).start()

    def _pass(self, source: socket.socket, sink: socket.socket, is_client: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if is_client and b"COMMIT" in data and self._armed.is_set():
                    self._armed.clear()
                    source.shutdown(socket.SHUT_RDWR)  # it gets no answer
                    sink.sendall(data)
                    break
                if self._delay:
                    time.sleep(self._delay)
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
