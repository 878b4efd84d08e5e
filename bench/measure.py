"""Start the server and the contestants, and collect what each cost.

Imports nothing heavy: what this process holds must not show in its children's figures.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
TIMEOUT_SECONDS: Final = 900


class BenchError(Exception):
    """A contestant failed, or did not store what the others did."""


@dataclass(frozen=True)
class Result:
    """One pull. ``server_cpu_seconds`` and ``requests`` are what it cost the server."""

    name: str
    rows: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    startup_seconds: float
    server_cpu_seconds: float
    requests: int

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds

    @property
    def server_busy(self) -> float:
        """The share of the pull during which the server's process was at work."""
        return self.server_cpu_seconds / self.seconds


@contextmanager
def serving(rows: int, compress: bool = False) -> Iterator[str]:
    """The address of a server with a tape of ``rows`` trades, in a process of its own."""
    with served("bench.server", "--rows", str(rows), *(["--gzip"] if compress else [])) as url:
        yield url


@contextmanager
def served(module: str, *arguments: str) -> Iterator[str]:
    """The address of the server that ``module`` is, in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            if not (url := process.stdout.readline().strip()):
                raise BenchError("the server did not start; see its message above")
            yield url
        finally:
            process.terminate()


def run(name: str, url: str, profile: Path | None = None) -> Result:
    """One pull by ``name`` in a fresh process and an empty folder, checked for completeness.

    ``profile``: where to write a cProfile of the pull (which slows it down), a file a thread.
    """
    before = _usage(url)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", "bench.child", name, url, folder],
            cwd=ROOT,
            env={**os.environ, "XDG_STATE_HOME": folder, "BENCH_PROFILE": str(profile or "")},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    after = _usage(url)
    if done.returncode != 0:
        raise BenchError(f"{name} failed with exit code {done.returncode}:\n{done.stderr}")
    report = json.loads(done.stdout.splitlines()[-1])
    check(name, report.pop("stored"), [after["rows"], after["id_sum"]])
    return Result(
        name=name,
        rows=after["rows"],
        server_cpu_seconds=after["cpu_seconds"] - before["cpu_seconds"],
        requests=after["requests"] - before["requests"],
        **report,
    )


def say(stage: str, result: Result) -> None:
    """Print one pull."""
    print(
        f"{stage}  {result.name:28} {result.rows:>10,d} rows in {result.seconds:6.2f} s, "
        f"CPU {result.cpu_seconds:6.2f} s, peak {result.peak_mib:5.0f} MiB",
        flush=True,
    )


def check(name: str, stored: Mapping[str, Sequence[int]], expected: Sequence[int]) -> None:
    """Every place must hold each trade once: ``[rows, sum of ids]`` as the server's.

    Raises ``BenchError`` that names the place.
    """
    if not stored:
        raise BenchError(f"{name} names no place where its trades are")
    for place, found in stored.items():
        if list(found) != list(expected):
            raise BenchError(
                f"{name} has {found[0]} trades with ids summing to {found[1]} in {place}; "
                f"the server has {expected[0]} summing to {expected[1]}"
            )


def _usage(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/bench/usage", timeout=30) as response:
        usage: dict[str, Any] = json.load(response)
    return usage
