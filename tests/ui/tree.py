"""A running ``tidemark ui``: its processes, and its answers over GraphQL."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

SECONDS: Final = 90.0
_JOB: Final = (
    '{repositoryLocationName: "pipelines.definitions", repositoryName: "__repository__", '
    'pipelineName: "__ASSET_JOB", assetSelection: [{path: %s}]}'
)
REPO: Final = Path(__file__).parents[2]


class Tree:
    """``tidemark ui`` in a folder, with the environment of this process; it can be killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self) -> None:
        """Returns once the pages can be opened and the definitions are loaded."""
        self._output = self._folder / f"ui-{time.monotonic_ns()}.log"
        # Tests that run in the background of a script ignore Ctrl-C, and Dagster with them SIGTERM.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with self._output.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipelines", "ui", "--port", "0"],
                cwd=REPO,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.eventually(lambda: "Dagster on" in self.output, "tidemark ui says its address")
        (self.url,) = re.findall(r"Dagster on (\S+)", self.output)
        self.eventually(self._is_loaded, "the definitions are loaded")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        """What it wrote to the terminal since its start."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    @property
    def report_url(self) -> str:
        (url,) = re.findall(r"Report on ([^\s,]+)", self.output)
        return str(url)

    def kill(self) -> None:
        """``kill -9`` of all its processes, as a power loss would end them."""
        assert self._process is not None
        for pid in [self._process.pid, *below(self._process.pid)]:
            os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self, number: signal.Signals = signal.SIGINT) -> bool:
        """As Ctrl-C does; false where it had to be killed after a while."""
        if self._process is None:
            return True
        self._process.send_signal(number)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self._process = None
        return True

    def ask(self, query: str, **variables: object) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with self._open(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def runs(self) -> list[dict[str, Any]]:
        """Every run, the newest first: ``runId``, ``status``, ``tags``, assets."""
        found: list[dict[str, Any]] = self.ask(
            "{ runsOrError { ... on Runs { results { runId status tags { key value } "
            "assetSelection { path } } } } }"
        )["runsOrError"]["results"]
        for run in found:
            run["tags"] = {tag["key"]: tag["value"] for tag in run["tags"]}
            run["assets"] = {"/".join(key["path"]) for key in run.pop("assetSelection") or ()}
        return found

    def launch(self, asset: str) -> str:
        """Start a run of one asset; its id."""
        selector = _JOB % json.dumps(asset.split("/"))
        launched = self.ask(
            f"mutation {{ launchRun(executionParams: {{selector: {selector}}}) "
            "{ ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"
        )
        return str(launched["launchRun"]["run"]["runId"])

    def status(self, run_id: str) -> str:
        query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
        return str(self.ask(query, id=run_id)["runOrError"]["status"])

    def tick(self, schedule: str) -> Any:
        """What the schedule answers in the code server at this moment; nothing is launched."""
        found = self.ask(
            "mutation($at: Float!) { scheduleDryRun(timestamp: $at, selectorData: "
            '{repositoryLocationName: "pipelines.definitions", repositoryName: "__repository__", '
            f'scheduleName: "{schedule}"}}) {{ ... on DryRunInstigationTick {{ evaluationResult '
            "{ skipReason runRequests { assetSelection { path } } error { message } } } } }",
            at=time.time() // 60 * 60,
        )
        return found["scheduleDryRun"]["evaluationResult"]

    def ends(self, run_id: str, status: str = "SUCCESS", seconds: float = SECONDS) -> None:
        """Wait until a run has this status."""
        self.eventually(
            lambda: self.status(run_id) == status,
            f"run {run_id} has the status {status}",
            seconds,
        )

    def eventually(self, holds: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
        """Wait until something holds; an ``AssertionError`` after ``seconds``."""
        deadline = time.monotonic() + seconds
        while not holds():
            ended = self._process is not None and self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{self.output}")
            time.sleep(0.1)

    def _is_loaded(self) -> bool:
        try:
            found = self.ask(
                "{ workspaceOrError { ... on Workspace { locationEntries { "
                "locationOrLoadError { __typename } } } } }"
            )
        except (urllib.error.URLError, OSError):
            return False
        entries = found["workspaceOrError"]["locationEntries"]
        loaded = [entry["locationOrLoadError"] for entry in entries]
        return bool(loaded) and all(loaded)


def below(pid: int) -> list[int]:
    """The descendants of a process that live."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, todo = [], [pid]
    while todo:
        new = children.get(todo.pop(), [])
        found += new
        todo += new
    return found
