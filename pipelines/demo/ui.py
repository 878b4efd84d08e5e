"""``make ui``: Dagster's page and daemon, with the sandbox exchange feeding them.

``python -m pipelines.demo.ui``, from the top of the repository. Ctrl-C stops both.
"""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from pipelines.demo.exchange import feeding
from pipelines.output.console import say, warn
from pipelines.output.exits import PARTLY_FAILED, WRONG_USAGE
from pipelines.output.formatting import with_fix
from pipelines.settings import HOME
from schemas import ConfigError, TidemarkError
from warehouse.errors import InUseError
from warehouse.locks import exclusive

ROOT: Final = Path(__file__).parents[2]
HOST: Final = "127.0.0.1"
USUAL_PORT: Final = 3000
STOP_SECONDS: Final = 20.0


def main(wanted: int = USUAL_PORT) -> int:
    """Run until Ctrl-C, at the port ``wanted`` where it is free.

    0 for that, and Dagster's own exit code where it ends by itself.
    """
    # A script that starts this in the background ignores Ctrl-C; Dagster would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with feeding() as exchange:
            port = free_port(wanted)
            url = f"http://{HOST}:{port}"
            say(f"Sandbox exchange on {exchange.url}, feeding {exchange.home}")
            with only_one(exchange.home), dagster(port) as process:
                if not answers(url, process):
                    return process.returncode
                say(f"Dagster on {url}   (assets: {url}/asset-groups, Ctrl-C stops both)")
                say("Materialize all assets there, or switch `collect` on under Automation.")
                return process.wait()
    except TidemarkError as error:
        warn(f"tidemark: {error}")
        return WRONG_USAGE if isinstance(error, ConfigError) else PARTLY_FAILED
    except KeyboardInterrupt:
        warn("\nstopped; everything fetched so far is stored")
        return 0


def free_port(wanted: int) -> int:
    """``wanted`` where it is free, else any free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ConfigError(f"no port is free on {HOST}")


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Refuse a second page on the same home: both would launch what is due."""
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(home, "ui", wait=False))
        except InUseError:
            problem = f"another `make ui` feeds {home} already"
            fix = f"use that one, or set {HOME} to another folder"
            raise ConfigError(with_fix(problem, fix)) from None
        yield


@contextmanager
def dagster(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Dagster's page and daemon, stopped on leaving.

    It gets a session of its own, so that Ctrl-C reaches this process only, and the sandbox outlives
    the runs that read from it.
    """
    command = [sys.executable, "-m", "dagster", "dev", "-m", "pipelines.definitions"]
    process = subprocess.Popen(
        [*command, "-h", HOST, "-p", str(port), "--log-level", "warning"],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End Dagster and the processes that it started, in order if they do it in time."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the page can be opened; false where Dagster ended before that."""
    # a proxy of the environment is no way to this machine
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            pass
        else:
            return False
        try:
            with direct.open(f"{url}/server_info", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            continue


if __name__ == "__main__":
    sys.exit(main())
