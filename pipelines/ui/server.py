"""Dagster's pages and daemon, and the report beside them: one server on a home, until Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final

from pipelines.output.console import say, warn
from pipelines.output.extras import missing
from pipelines.output.formatting import with_fix
from pipelines.report.serving import HOST, free_port, serving
from pipelines.settings import CELERY, HOME, REPORT_URL, UI_URL, contradicted, load_settings
from pipelines.ui.instance import dagster_home
from schemas import ConfigError
from warehouse.errors import InUseError
from warehouse.locks import exclusive

STOP_SECONDS: Final = 20.0
WORK: Final = "work"
"""The folder of ``DAGSTER_HOME`` in which Dagster works where it is to read no ``.env``."""
_NOISE: Final = re.compile(
    rb" - dagster - (DEBUG|INFO) - "
    # DuckDB's bindings list what lives when a process is ended, which says nothing of use
    rb"|^nanobind: |^ - leaked |^ - \.\.\. skipped remainder|^See https://nanobind"
)


def run(wanted: int, *, reads_dotenv: bool = True) -> int:
    """Serve the home of the settings until Ctrl-C, at the port ``wanted`` where it is free.

    0 for that, and Dagster's own exit code where it ends by itself. ``reads_dotenv``: Dagster works
    in this folder, and takes what a ``.env`` here says before the environment; else in a folder
    that has none. Raises ``ConfigError`` where another one serves this home already, and for
    settings with which no run could start.
    """
    settings = load_settings()
    if reads_dotenv and (names := contradicted()):
        warn(
            with_fix(
                f"warning: {', '.join(names)}: the environment and .env differ, and Dagster takes "
                "what .env says",
                "set each in one of them only",
            )
        )
    home = settings.prepare_home()
    if settings.executor == CELERY:
        from pipelines.orchestration.executors import executor_of  # with it Dagster

        executor_of(settings)  # else its page would tell, with a traceback
    folder = settings.variables.get("DAGSTER_HOME") or dagster_home(home)
    # A script that starts this in the background ignores Ctrl-C; Dagster would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    port = free_port(wanted)
    url = f"http://{HOST}:{port}"
    try:
        with ExitStack() as stack:
            stack.enter_context(only_one(home))
            report = settings.variables.get(REPORT_URL) or stack.enter_context(
                serving(home, port + 1)
            )
            variables = {
                "DAGSTER_HOME": str(Path(folder).absolute()),
                REPORT_URL: report,
                UI_URL: settings.variables.get(UI_URL, url),
            }
            place = None if reads_dotenv else Path(folder).absolute() / WORK
            if place is not None:
                place.mkdir(parents=True, exist_ok=True)
            process = stack.enter_context(dagster(port, variables, place))
            if not answers(url, process):
                return process.returncode
            say(f"Dagster on {url}   (assets: {url}/asset-groups, Ctrl-C stops it)")
            if not missing("report"):
                say(f"Report on {report}, once the asset marts/report is materialized")
            say(f"Data in {home}")
            say("Materialize all assets there, or switch `collect` on under Automation.")
            return process.wait()
    except KeyboardInterrupt:
        warn("\nstopped; everything fetched so far is stored")
        return 0


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Refuse a second page on the same home: both would launch what is due."""
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(home, "ui", wait=False))
        except InUseError:
            problem = f"another `tidemark ui` works on {home} already"
            fix = f"use that one, or set {HOME} to another folder"
            raise ConfigError(with_fix(problem, fix)) from None
        yield


@contextmanager
def dagster(
    port: int, variables: Mapping[str, str], place: Path | None
) -> Iterator[subprocess.Popen[bytes]]:
    """Dagster's page and daemon with these settings, stopped on leaving.

    ``place``: its working folder, where it is not that of this process. It gets a session of its
    own, so that Ctrl-C reaches this process only, which ends the tree in order; a sandbox outlives
    the runs that read from it.
    """
    command = [sys.executable, "-m", "pipelines.ui.dev", "-m", "pipelines.definitions"]
    command += ["-h", HOST, "-p", str(port), "--log-level", "warning"]
    quiet = {"DAGSTER_DISABLE_TELEMETRY": "1", "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(
        command,
        env={**os.environ, **quiet, **variables, **({} if place is None else _same_code())},
        cwd=place,
        start_new_session=True,
        stderr=subprocess.PIPE,
    )
    printer = threading.Thread(target=_print_warnings, args=(process.stderr,), daemon=True)
    printer.start()
    try:
        yield process
    finally:
        _stop(process)
        printer.join(1)  # a run that goes on keeps the pipe open


def _same_code() -> dict[str, str]:
    """What makes a process in another folder import this very code, installed or not."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _print_warnings(output: IO[bytes] | None) -> None:
    """Print what Dagster writes, without the lines of runs below warnings and a leak report.

    The level of a run is set in its configuration; runs that a page starts of assets have none. And
    the level in ``dagster.yaml`` decides also what Dagster stores, where a run's progress belongs.
    """
    for line in output or ():
        if not _NOISE.search(line):
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()


def _stop(process: subprocess.Popen[bytes]) -> None:
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
