"""One contestant in a process of its own: ``python -m bench.child NAME URL FOLDER``.

Prints one line of JSON: :class:`bench.measure.Result` without its name.
"""

import cProfile
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from bench.contestants import load


def cpu_seconds() -> float:
    """User and system time of this process and the children it has waited for."""
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def peak_mib() -> float:
    """Peak resident memory of this process in MiB.

    ``VmHWM`` where there is one: ``ru_maxrss`` is inherited through exec on Linux, so that a large
    parent would show in it.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@contextmanager
def profiled(path: Path) -> Iterator[None]:
    """Profile what runs inside, each thread by itself: ``path`` and the name of the thread."""
    profiles: list[tuple[str, cProfile.Profile]] = []

    def begin(*_: object) -> None:
        profile = cProfile.Profile()
        profiles.append((threading.current_thread().name, profile))
        profile.enable()

    threading.setprofile(begin)  # called with the first event of each new thread
    begin()
    try:
        yield
    finally:
        threading.setprofile(None)
        profiles[0][1].disable()
        for name, profile in profiles:
            profile.dump_stats(path.with_name(f"{path.name}.{name}"))


def main() -> None:
    """Run one pull and report it."""
    name, url, folder = sys.argv[1:]
    profile = os.environ.get("BENCH_PROFILE")
    started = time.perf_counter()
    contestant = load(name)(url, Path(folder))
    startup = time.perf_counter() - started
    cpu = cpu_seconds()
    started = time.perf_counter()
    with profiled(Path(profile)) if profile else nullcontext():
        contestant.pull()
    wall = time.perf_counter() - started
    cpu = cpu_seconds() - cpu
    peak = peak_mib()
    places = {place: [t.rows, t.id_sum] for place, t in contestant.stored().items()}
    result = {
        "seconds": wall,
        "cpu_seconds": cpu,
        "peak_mib": peak,
        "startup_seconds": startup,
        "stored": places,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
