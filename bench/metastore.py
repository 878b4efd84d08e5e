"""What a commit costs in SQLite and in PostgreSQL: ``python -m bench.metastore``.

PostgreSQL is measured where ``TIDEMARK_METASTORE`` names a server, in a schema of its own for each
row of the table. A *record* is the transaction alone: coverage, one file, one folder of a stream. A
*page* is the commit of a pull, with its lock and its Parquet file: 100 trades more for a day that
holds 1,000.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.homes import STREAM, older
from bench.measure import ROOT
from bench.tape import LAST_ID, LAST_MS
from schemas import StreamId
from warehouse.home import METASTORE
from warehouse.intervals import Interval
from warehouse.metastore import FileRecord, Metastore
from warehouse.state import StreamState
from warehouse.store import Store

_PROCESSES: Final = (1, 2, 4, 8)
_BATCH: Final = 5


def _state(number: int) -> StreamState:
    return StreamState((Interval(0, number + 1, 0, number, 0),))


def _records(home: Path, stream: StreamId) -> Iterator[None]:
    with closing(Metastore(home)) as metastore:
        for number in range(1_000_000):
            file = FileRecord(f"{stream}-{number % 30}", str(number % 30), 1, 1, 1, 0, number, 0, 0)
            metastore.record(stream, _state(number), [file], [(str(stream), number)])
            yield


def _pages(home: Path, stream: StreamId) -> Iterator[None]:
    (rows,) = older(1000, LAST_ID, LAST_MS * 1000)
    store = Store(home)
    with store.open_stream(stream) as writer:
        writer.put(rows, _state(0))
    (more,) = older(100, LAST_ID + 1000, LAST_MS * 1000)
    for number in range(1_000_000):
        with store.open_stream(stream) as writer:
            writer.put(more, _state(number), replaces=True)
        yield


_KINDS: Final[dict[str, Callable[[Path, StreamId], Iterator[None]]]] = {
    "record": _records,
    "page": _pages,
}


def _work(home: Path, kind: str, symbol: str, seconds: float) -> None:
    """Commits for so long, after one that does not count.

    Prints how many, CPU seconds, and the seconds of a commit in the fastest batch.
    """
    commits = _KINDS[kind](home, replace(STREAM, symbol=symbol))
    next(commits)
    print("ready", flush=True)
    sys.stdin.readline()
    cpu, until, done, best = time.process_time(), time.monotonic() + seconds, 0, seconds
    while (begun := time.monotonic()) < until:
        for _ in range(_BATCH):
            next(commits)
        done += _BATCH
        best = min(best, (time.monotonic() - begun) / _BATCH)
    print(done, time.process_time() - cpu, best, flush=True)


def measured(kind: str, processes: int, seconds: float, variables: dict[str, str]) -> str:
    """A row of the table: commits a second of all processes; milliseconds and CPU of each."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as home:
        command = [sys.executable, "-m", "bench.metastore", "--worker", home, "--kind", kind]
        workers = [
            subprocess.Popen(
                [*command, "--symbol", f"M{number}-USD", "--seconds", str(seconds)],
                cwd=ROOT,
                env={**os.environ, **variables},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(processes)
        ]
        for worker in workers:
            assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        found = [worker.communicate()[0].split() for worker in workers]
    done = sum(int(number) for number, _, _ in found)
    cpu = sum(float(number) for _, number, _ in found)
    best = min(float(number) for _, _, number in found)
    return f"{done / seconds:,.0f} | {best * 1000:.2f} | {cpu * 1000 / done:.2f}"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--worker", type=Path)
    parser.add_argument("--kind", choices=_KINDS)
    parser.add_argument("--symbol")
    asked = parser.parse_args()
    if asked.worker is not None:
        _work(asked.worker, asked.kind, asked.symbol, asked.seconds)
        return 0
    print("| commit | metastore | processes | commits/s | ms, fastest | CPU ms of the pull |")
    print("|---|---|---|---|---|---|")
    backends = {"SQLite": {METASTORE: ""}}
    if os.environ.get(METASTORE):
        backends["PostgreSQL"] = {}
    for kind in _KINDS:
        for name, variables in backends.items():
            for processes in _PROCESSES:
                figures = measured(kind, processes, asked.seconds, variables)
                print(f"| {kind} | {name} | {processes} | {figures} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
