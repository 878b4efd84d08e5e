"""Worker processes: start one, wait until it is ready, let it run, end it in any case."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[3]
PATIENCE = 300.0
"""Seconds after which a process counts as hanging: far beyond what any of them needs."""


class WorkerProcess:
    """A process whose output is read at its end. ``arguments`` are those of ``python``."""

    def __init__(self, arguments: list[str], env: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=REPO,
            env=dict(os.environ, **env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == "ready\n", line + self.finish()[2]

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self) -> tuple[int, str, str]:
        """Exit code, standard output, standard error. Its input ends."""
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"a process hung: {self.process.args!r}")
        return self.process.returncode, out, err

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@contextmanager
def started(*commands: list[str], env: Mapping[str, str]) -> Iterator[list[WorkerProcess]]:
    """Processes of the worker, all of them ready; none outlives the block."""
    with ExitStack() as stack:
        workers = []
        for command in commands:
            worker = WorkerProcess(["-m", "tests.pipelines.ingest.worker", *command], env)
            stack.callback(end, worker)
            workers.append(worker)
        for worker in workers:
            worker.ready()
        yield workers


def end(worker: WorkerProcess) -> None:
    if worker.process.poll() is None:
        worker.kill()
