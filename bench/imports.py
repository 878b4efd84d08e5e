"""``python -m bench.imports``: rows a second and peak memory of ``tidemark import``.

A made-up file of trades, as Binance Vision has them, is written, imported into an empty home in a
process of its own, and counted.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from bench.measure import ROOT

_BLOCK: Final = 1_000_000
FIRST_ID: Final = 3_735_683_259
_EXCHANGE: Final = ("--exchange", "binance", "--market", "BTC-USDT")


def make(rows: int, path: Path) -> None:
    """Write ``rows`` trades without a hole in their ids, a million at a time."""
    chance = np.random.default_rng(1)
    time_ms = 1_600_000_000_000
    with path.open("wb") as file:
        for start in range(0, rows, _BLOCK):
            size = min(_BLOCK, rows - start)
            times = time_ms + np.cumsum(chance.integers(0, 60, size))
            time_ms = int(times[-1])
            price = 6_000_000 + np.cumsum(chance.integers(-50, 51, size)) % 1_000_000
            amount = chance.integers(1, 10**8, size)
            maker = pa.array(chance.integers(0, 2, size).astype(bool))
            flags = pa.array(["True"] * size)
            columns = [
                pa.array(FIRST_ID + start + np.arange(size)),
                pa.array(price).cast(pa.decimal128(38, 0)).view(pa.decimal128(38, 2)),
                pa.array(amount).cast(pa.decimal128(38, 0)).view(pa.decimal128(38, 8)),
                pa.array(price * amount // 10**2).cast(pa.decimal128(38, 0)),
                pa.array(times),
                pa.array(["True", "False"]).take(maker.cast(pa.int8())),
                flags,
            ]
            options = pa_csv.WriteOptions(include_header=False, quoting_style="none")
            table = pa.table(columns, names=[str(n) for n in range(len(columns))])
            pa_csv.write_csv(table, file, options)


def measure(path: Path, home: Path) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak MiB of one import of ``path`` into ``home``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pipelines", "import", str(path), *_EXCHANGE],
        cwd=ROOT,
        env={**os.environ, "TIDEMARK_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, after.ru_maxrss / 1024


def stored(home: Path) -> tuple[int, int]:
    """Rows, and the sum of their ids."""
    query = "SELECT count(*) AS rows, sum(trade_id::BIGINT)::VARCHAR AS ids FROM trades"
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "sql", query, "--format", "json"],
        cwd=ROOT,
        env={**os.environ, "TIDEMARK_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    (row,) = json.loads(done.stdout)
    return int(row["rows"]), int(row["ids"])


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 where every row was stored once."""
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="trades (%(default)s)")
    parser.add_argument("--again", action="store_true", help="import the same file once more")
    options = parser.parse_args(argv)
    rows: int = options.rows
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path, home = Path(folder) / "BTCUSDT-trades-2020-09.csv", Path(folder) / "home"
        make(rows, path)
        size = path.stat().st_size / 1e6
        for what in ("import", *(["again"] if options.again else [])):
            seconds, cpu, peak = measure(path, home)
            print(
                f"{what}: {rows:,} rows ({size:,.0f} MB) in {seconds:.2f} s "
                f"({rows / seconds:,.0f} rows/s), CPU {cpu:.2f} s, peak {peak:.0f} MiB",
                flush=True,
            )
        found = stored(home)
    wanted = rows, rows * FIRST_ID + rows * (rows - 1) // 2
    print(f"stored: {found[0]:,} rows" + ("" if found == wanted else f"; expected {wanted}"))
    return 0 if found == wanted else 1


if __name__ == "__main__":
    sys.exit(main())
