"""A real ``dagster dev`` is killed with all its processes and started again: collection goes on."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipelines.report.serving import free_port
from pipelines.ui.instance import dagster_home
from sandbox import Fault, serve
from tests.feeds import write_feed
from tests.worlds import world_at

SECONDS = 90.0
SELECTOR = (
    '{repositoryLocationName: "pipelines.definitions", repositoryName: "__repository__", %s: "%s"}'
)
FEED = """\
exchange: bitexbit
markets: [BTC-USD]
start: 2016-01-01
datasets:
  tickers: {schedule: "* * * * *"}
"""


class Server:
    """A running ``dagster dev``, asked through its GraphQL."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str, output: Path) -> None:
        self.process = process
        self.output = output
        self._url = url
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def ask(self, query: str, **variables: object) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self._url}/graphql", body, {"Content-Type": "application/json"}
        )
        with self._open(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        try:
            found = self.ask(
                "{ workspaceOrError { ... on Workspace { locationEntries { id "
                "locationOrLoadError { __typename } } } } }"
            )
        except (urllib.error.URLError, OSError):
            return False
        entries = found["workspaceOrError"]["locationEntries"]
        loaded = [entry["locationOrLoadError"] for entry in entries]
        return bool(loaded) and all(one is not None for one in loaded)

    def launch(self) -> str:
        """Start a run of the job ``collect``; its id."""
        found = self.ask(
            "mutation { launchRun(executionParams: {selector: "
            + SELECTOR % ("pipelineName", "collect")
            + "}) { ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"
        )
        return str(found["launchRun"]["run"]["runId"])

    def status(self, run_id: str) -> str:
        found = self.ask(
            "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }", id=run_id
        )
        return str(found["runOrError"]["status"])

    def tick(self) -> Any:
        """What the schedule answers in the code server at this moment."""
        found = self.ask(
            "mutation($at: Float!) { scheduleDryRun(timestamp: $at, selectorData: "
            + SELECTOR % ("scheduleName", "collect")
            + ") { ... on DryRunInstigationTick { evaluationResult { skipReason runRequests "
            "{ assetSelection { path } } error { message } } } } }",
            at=time.time() // 60 * 60,
        )
        return found["scheduleDryRun"]["evaluationResult"]


@contextmanager
def dagster_dev(folder: Path, port: int) -> Iterator[Server]:
    command = [sys.executable, "-m", "dagster", "dev", "-m", "pipelines.definitions"]
    output = folder / f"dagster-{time.monotonic_ns()}.log"
    # Tests that run in the background of a script ignore Ctrl-C, and Dagster with them SIGTERM.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with output.open("wb") as log:
        process = subprocess.Popen(
            [*command, "-h", "127.0.0.1", "-p", str(port), "--log-level", "warning"],
            cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Server(process, f"http://127.0.0.1:{port}", output)
    finally:
        if members(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def members(group: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def eventually(holds: Callable[[], object], what: str, server: Server | None = None) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(
                f"not within {SECONDS:.0f} s: {what}\n{server and server.output.read_text()}"
            )
        time.sleep(0.1)


@pytest.mark.torture
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
def test_collection_goes_on_after_everything_was_killed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds = write_feed(tmp_path / "feeds", FEED)
    port = free_port(0)
    monkeypatch.setenv("TIDEMARK_FEEDS", str(feeds))
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home(home)))
    with serve(world_at(), limits=False) as exchange:
        for name, value in exchange.env.items():
            monkeypatch.setenv(name, value)
        exchange.faults.add(Fault("hang", seconds=600, times=None))
        with dagster_dev(tmp_path, port) as server:
            eventually(server.is_up, "Dagster is up", server)
            run_id = server.launch()
            eventually(lambda: exchange.faults.log, "the run asks the exchange", server)
            assert server.status(run_id) == "STARTED"
            os.killpg(server.process.pid, signal.SIGKILL)
            eventually(lambda: not members(server.process.pid), "all processes are gone")
        killed_at = time.monotonic()
        with dagster_dev(tmp_path, port) as server:
            eventually(server.is_up, "Dagster is up again", server)
            assert server.status(run_id) == "STARTED"
            # its lock is free since it was killed; it counts as dead a little later
            answer: dict[str, Any] = {}

            def healed() -> bool:
                answer.update(server.tick())
                return server.status(run_id) == "FAILURE"

            eventually(healed, "the first tick ends the ghost", server)
            assert answer["error"] is None
            assert time.monotonic() - killed_at < 120
            os.killpg(server.process.pid, signal.SIGTERM)  # as an init system stops a service
            eventually(lambda: not members(server.process.pid), "SIGTERM ends all of it", server)
            assert " - DEBUG - " not in server.output.read_text()
