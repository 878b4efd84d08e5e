"""``python -m tests.ui.ticks --minutes 10``: what a scheduled Dagster costs, on an idle machine.

CPU-seconds of all its processes and growth of its storage: first with every schedule off, then with
the shipped schedules on, once their first pulls are over; and how long after its tick a run's rows
can be queried. The sandbox exchange runs in this process and is in no figure.
"""

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sandbox import serve
from sandbox.clock import running_from
from tests.ui.tree import Tree, below
from tests.worlds import world_at

_RUNS = (
    "{ runsOrError { ... on Runs { results { status creationTime startTime endTime"
    " tags { key value } } } } }"
)
_START = (
    'mutation { startSchedule(scheduleSelector: {repositoryName: "__repository__",'
    ' repositoryLocationName: "pipelines.definitions", scheduleName: "%s"}) { __typename } }'
)
_SCHEDULES = (
    '{ schedulesOrError(repositorySelector: {repositoryName: "__repository__",'
    ' repositoryLocationName: "pipelines.definitions"})'
    " { ... on Schedules { results { name } } } }"
)


@dataclass(frozen=True)
class Spent:
    """CPU-seconds since a process tree began, and bytes of Dagster's storage."""

    cpu: float
    size: int


def spent(pid: int, storage: Path) -> Spent:
    """Of the tree below ``pid``, children that ended and were waited for included."""
    ticks = 0
    for one in [pid, *below(pid)]:
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    size = sum(p.stat().st_size for p in storage.rglob("*") if p.is_file())
    return Spent(ticks / os.sysconf("SC_CLK_TCK"), size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--idle", type=float, default=3, help="minutes with every schedule off")
    parser.add_argument("--warm", type=float, default=2, help="minutes of first pulls, not counted")
    asked = parser.parse_args()
    world = world_at(datetime.now(UTC).strftime("%Y-%m-%dT00:00:00"), days=1)
    with tempfile.TemporaryDirectory() as name, serve(world, limits=False) as exchange:
        exchange.clock = running_from(datetime.now(UTC))
        folder = Path(name)
        feeds = Path(__file__).parents[2] / "pipelines" / "defs"
        os.environ |= {
            **exchange.env,
            "TIDEMARK_HOME": str(folder / "home"),
            "TIDEMARK_FEEDS": str(feeds),
            "DAGSTER_DISABLE_TELEMETRY": "1",
        }
        tree = Tree(folder)
        tree.start()
        try:
            _measure(tree, folder / "home", asked)
        finally:
            tree.stop()


def _measure(tree: Tree, home: Path, asked: argparse.Namespace) -> None:
    idle, minutes = asked.idle, asked.minutes
    begun = spent(tree.pid, home / "dagster")
    time.sleep(idle * 60)
    off = spent(tree.pid, home / "dagster")
    print(f"schedules off: {(off.cpu - begun.cpu) / idle:.2f} CPU-s a minute")
    for schedule in tree.ask(_SCHEDULES)["schedulesOrError"]["results"]:
        tree.ask(_START % schedule["name"])
    time.sleep(asked.warm * 60)
    off, warm = spent(tree.pid, home / "dagster"), time.time()
    time.sleep(minutes * 60)
    on = spent(tree.pid, home / "dagster")
    delays, runs = [], []
    for run in tree.ask(_RUNS)["runsOrError"]["results"]:
        tags = {tag["key"]: tag["value"] for tag in run["tags"]}
        collects = tags.get("dagster/schedule_name") == "collect"
        if collects and run["endTime"] and run["creationTime"] > warm:
            delays.append(run["endTime"] - run["creationTime"] // 60 * 60)  # ticks are on minutes
            runs.append(run["status"])
    each = (on.cpu - off.cpu) / minutes
    print(f"schedules on: {each:.2f} CPU-s a minute, {len(runs)} runs in {minutes:g} minutes")
    print(f"storage grew by {(on.size - off.size) / minutes / 2**20:.3f} MiB a minute to {on.size}")
    if delays:
        print(
            f"tick to rows in DuckDB: median {statistics.median(delays):.1f} s, worst"
            f" {max(delays):.1f} s; statuses {sorted({*runs})}"
        )


if __name__ == "__main__":
    main()
