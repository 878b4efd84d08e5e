"""``python -m tests.ui.days --days 3``: how Dagster's storage grows, day by day.

Every minute of these days is gone through as fast as the machine can, with a clock moved by hand:
the shipped feeds on the sandbox exchange, all schedules and sensors on, each run executed. What is
left out are the few events of a run's own process.
"""

import argparse
import os
import sqlite3
import tempfile
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox import ManualClock, serve
from tests.pipelines.orchestration.daemon import daemon
from tests.worlds import world_at


def bytes_of(folder: Path) -> int:
    """Of all files and folders below ``folder``."""
    return sum(path.stat().st_size for path in folder.rglob("*"))


def tables(folder: Path) -> Counter[str]:
    """The bytes of each table of Dagster's storage with its indexes; ``unused``: free pages."""
    found: Counter[str] = Counter()
    for path in folder.rglob("*.db"):
        with closing(sqlite3.connect(path)) as db:
            unused = db.execute("PRAGMA freelist_count").fetchone()[0]
            found["unused"] += unused * db.execute("PRAGMA page_size").fetchone()[0]
            sizes = "SELECT tbl_name, sum(pgsize) FROM dbstat JOIN sqlite_schema USING (name)"
            found.update(dict(db.execute(f"{sizes} GROUP BY tbl_name")))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=3)
    asked = parser.parse_args()
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start -= timedelta(days=int(asked.days) + 1)
    world = world_at(start.strftime("%Y-%m-%dT00:00:00"), days=1)
    clock = world.clock
    assert isinstance(clock, ManualClock)
    with tempfile.TemporaryDirectory() as name, serve(world, limits=False) as exchange:
        home = Path(name) / "home"
        home.mkdir()
        feeds = Path(__file__).parents[2] / "pipelines" / "defs"
        os.environ |= {**exchange.env, "TIDEMARK_HOME": str(home), "TIDEMARK_FEEDS": str(feeds)}
        began = time.monotonic()
        with daemon(home) as running:
            running.start_schedules(start)
            for minute in range(int(asked.days * 1440) + 1):
                now = start + timedelta(minutes=minute, seconds=1)
                clock.set(now)
                running.minute(now)
                if minute % 60 == 0:
                    stored = bytes_of(home / "dagster") / 1e6
                    versions = bytes_of(home / "versions") / 1e6
                    print(
                        f"{minute // 60:3} h: Dagster {stored:.2f} MB, DuckDB {versions:.1f} MB"
                        f" (after {time.monotonic() - began:.0f} s)",
                        flush=True,
                    )
            statuses = Counter(run.status.value for run in running.instance.get_runs())
        print(f"runs held: {dict(statuses)}")
        for table, size in tables(home / "dagster").most_common(8):
            print(f"{table}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
