"""Queries on a large table of DuckDB, and on a view on the lake: ``python -m bench.large``.

The same trades of one market, published both ways (``TIDEMARK_VIEWS_ABOVE_ROWS``). A query is
measured in a session that has run it once: medians of five. Then what publishing them as an Iceberg
table takes. ``--rows 50000000`` takes some 5 GB of disk.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import warehouse
from bench.homes import STREAM, older
from bench.tape import LAST_ID, LAST_MS
from warehouse.iceberg import IcebergTarget, publish_iceberg
from warehouse.state import StreamState
from warehouse.store import Store

_ROUNDS: Final = 5
_NEWS: Final = 1_000
QUERIES: Final = {
    "rows of the table": "SELECT count(*) FROM trades",
    "one day: vwap": (
        "SELECT sum(price * amount) / sum(amount) FROM trades WHERE timestamp >= $day"
        " AND timestamp < $day + INTERVAL 1 DAY"
    ),
    "one day: minutes": (
        "SELECT time_bucket(INTERVAL 1 MINUTE, timestamp) AS minute, min(price), max(price),"
        " sum(amount) FROM trades WHERE symbol = 'BTC-USD' AND timestamp >= $day"
        " AND timestamp < $day + INTERVAL 1 DAY GROUP BY minute"
    ),
    "one trade by its id": "SELECT * FROM trades WHERE trade_id = $id",
    "the whole history: by month and side": (
        "SELECT date_trunc('month', timestamp) AS month, side, count(*), sum(price * amount)"
        " FROM trades GROUP BY ALL"
    ),
    "the whole history: the largest ten": "FROM trades ORDER BY amount DESC LIMIT 10",
}


@dataclass(frozen=True)
class Figure:
    """One thing both ways, in seconds where its name says nothing else."""

    name: str
    table: float
    view: float


def measure(rows: int, home: Path) -> list[Figure]:
    """Fill ``home``, publish it both ways, and ask both."""
    store = Store(home)
    with store.open_stream(STREAM) as writer:
        for chunk in older(rows, LAST_ID, LAST_MS * 1000):
            writer.put(chunk, StreamState())
    found: dict[str, list[float]] = {}
    below = LAST_ID - rows - 1_000_000
    for number, above in enumerate((0, 1)):
        began = time.perf_counter()
        warehouse.publish(home, rebuild=True, views_above=above)
        _add(found, "publish all of it", time.perf_counter() - began)
        _add(found, "DuckDB file, MB", (home / warehouse.LINK).stat().st_size / 1e6)
        for _ in range(3):  # so that there are versions to bring up to date
            below -= 10 * _NEWS
            _put(store, below)
            warehouse.publish(home, views_above=above)
        times = []
        for _ in range(_ROUNDS):
            below -= 10 * _NEWS
            _put(store, below)
            times.append(_timed(lambda: warehouse.publish(home, views_above=above)))  # noqa: B023
        _add(found, f"publish {_NEWS:,} new trades", median(times))
        with warehouse.connect(home) as db:
            newest = "SELECT date_trunc('day', max(timestamp)) - INTERVAL 2 DAY FROM trades"
            values = {"day": db.execute(newest).fetchall()[0][0], "id": str(LAST_ID - rows // 2)}
            for name, query in QUERIES.items():
                mine = {key: value for key, value in values.items() if f"${key}" in query}
                times = [_timed(lambda: db.execute(query, mine).fetchall())  # noqa: B023
                         for _ in range(1 + _ROUNDS)]  # fmt: skip
                _add(found, name, median(times[1:]))
        assert len(next(iter(found.values()))) == number + 1
    store.close()
    return [Figure(name, *both) for name, both in found.items()]


def iceberg(home: Path) -> dict[str, float]:
    """Seconds that publishing the trades of ``home`` as an Iceberg table takes."""
    folder = home.absolute() / "iceberg"
    target = IcebergTarget(f"sqlite:///{folder}/catalog.sqlite", f"file://{folder}/warehouse")

    def publish() -> float:
        return _timed(lambda: publish_iceberg(home, target))

    found, store, times = {"publish all of it": publish()}, Store(home), []
    for number in range(_ROUNDS):
        _put(store, LAST_ID - 2_000_000_000 - number * 10 * _NEWS)
        times.append(publish())
    store.close()
    found[f"publish {_NEWS:,} new trades"] = median(times)
    found["publish with nothing new"] = median(publish() for _ in range(_ROUNDS))
    return found


def _put(store: Store, below: int) -> None:
    with store.open_stream(STREAM) as writer:
        for chunk in older(_NEWS, below, LAST_MS * 1000 + 60_000_000):
            writer.put(chunk, StreamState())


def _add(found: dict[str, list[float]], name: str, value: float) -> None:
    found.setdefault(name, []).append(value)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Print a table of Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.large", description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--home", type=Path, help="an empty folder; else a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tidemark-bench-") as folder:
        home = options.home or Path(folder) / "home"
        figures, published = measure(options.rows, home), iceberg(home)
    print(f"| {options.rows:,} trades, seconds | table | view |\n|---|---|---|")
    for figure in figures:
        print(f"| {figure.name} | {figure.table:.3f} | {figure.view:.3f} |")
    print(f"\n| {options.rows:,} trades as an Iceberg table | seconds |\n|---|---|")
    for name, seconds in published.items():
        print(f"| {name} | {seconds:.3f} |")


if __name__ == "__main__":
    main()
