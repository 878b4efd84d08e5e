"""What a command costs, measured from outside: processor, bytes written, time.

Figures are of the whole process, its start and the children that it waits for included. Linux only:
what a process wrote is read from ``/proc/PID/io`` before it is reaped.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure import ROOT, TIMEOUT_SECONDS, BenchError


@dataclass(frozen=True)
class Cost:
    """One run of a command. ``written``: bytes, of whatever it wrote to, be it only the page cache.

    That is ``wchar`` (what went through write calls, copies by the system included) or
    ``write_bytes`` (whole pages that became dirty), whichever is more.
    """

    cpu_seconds: float
    seconds: float
    written: int
    out: str


def command(*arguments: str) -> list[str]:
    """The command line of this clone."""
    return [sys.executable, "-m", "pipelines", *arguments]


def run(
    arguments: Sequence[str], environment: Mapping[str, str], cwd: Path = ROOT, *, code: int = 0
) -> Cost:
    """Run a program to its end. Raises ``BenchError`` for another exit ``code``."""
    started = time.perf_counter()
    with subprocess.Popen(
        arguments,
        cwd=cwd,
        env={**_without_settings(), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        out = process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        seconds = time.perf_counter() - started
        if seconds > TIMEOUT_SECONDS:
            raise BenchError(f"{arguments} took {seconds:.0f} s")
        written = _written(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != code:
        raise BenchError(f"{' '.join(arguments)} ended with {process.returncode}:\n{out}")
    return Cost(usage.ru_utime + usage.ru_stime, seconds, written, out)


def _without_settings() -> dict[str, str]:
    """The environment without what is set for tests or for a home of the caller's own."""
    ours = ("TIDEMARK_", "BITEXBIT_", "WEX_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _written(pid: int) -> int:
    text = Path(f"/proc/{pid}/io").read_text()
    counted = {
        name: int(value) for name, _, value in (x.partition(":") for x in text.split("\n")) if value
    }
    return max(counted["wchar"], counted["write_bytes"])
