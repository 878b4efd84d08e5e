"""PgBouncer (Debian: pgbouncer) before a PostgreSQL of the tests."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.postgres import USER, Server, system_user

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextmanager
def pooling(server: Server, mode: str) -> Iterator[str]:
    """The address of ``server`` behind a pooler with this ``pool_mode``."""
    assert PROGRAM is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="tidemark-pooler-") as folder:
        settings = Path(folder) / "settings.ini"
        settings.write_text(
            f"[databases]\npostgres = host=127.0.0.1 port={server.port} user={USER}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\n"
            f"unix_socket_dir =\npool_mode = {mode}\n"
        )
        if user := system_user():
            shutil.chown(folder, user)
            shutil.chown(settings, user)
        process = subprocess.Popen(
            [PROGRAM, str(settings)], user=user, stderr=subprocess.PIPE, text=True
        )
        with process:
            assert process.stderr is not None
            said = ""
            while "process up" not in said:
                line = process.stderr.readline()
                assert line, f"PgBouncer did not start: {said}"
                said += line
            try:
                yield server.url.replace(f":{server.port}/", f":{port}/")
            finally:
                process.kill()
