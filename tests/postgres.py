"""A PostgreSQL of the tests: Debian's programs on a free port of this machine, in memory."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

USER = "tidemark"
PASSWORD = "p@ss-w/rd:%"
"""It must be found nowhere. The server takes any."""
_SYSTEM_USER = "postgres"
"""Who runs the server where the tests run as root: PostgreSQL refuses to."""


@dataclass(frozen=True)
class Server:
    """A server of its own, with the database ``postgres``."""

    port: int

    @property
    def url(self) -> str:
        """With the password."""
        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/postgres"


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
        user = _SYSTEM_USER if os.getuid() == 0 else None
        if user is not None:
            shutil.chown(data, user)

        def run(program: str, *arguments: str) -> None:
            command = [str(folder / program), "--pgdata", data, *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=data, user=user)

        run("initdb", "--username", USER, "--auth", "trust", "--no-sync", "--encoding", "UTF8")
        options = f"-p {port} -h 127.0.0.1 -k {data} -c fsync=off -c max_connections=300"
        run("pg_ctl", "--wait", "-o", options, "--log", f"{data}/log", "start")
        try:
            yield Server(port)
        finally:
            run("pg_ctl", "--mode", "immediate", "stop")
