"""Bytes that a stored trade takes: ``python -m bench.storage``.

The same trades in the lake, in the published DuckDB file, and as others keep them. What is exact
keeps every digit that the exchange sent; floats do not.
"""

import argparse
import gzip
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq

import warehouse
from bench.homes import STREAM, older
from bench.measure import ROOT
from bench.tape import LAST_ID, LAST_MS
from warehouse.state import StreamState
from warehouse.store import Store

_FLOATS: Final = ("price", "amount", "cost")


@dataclass(frozen=True)
class Size:
    """``is_exact``: every digit is kept. ``per_trade``: bytes."""

    name: str
    is_exact: bool
    per_trade: float


def sizes(rows: int, folder: Path) -> list[Size]:
    """Every way of keeping ``rows`` trades of one market, smallest first."""
    tables = list(older(rows, LAST_ID, LAST_MS * 1000))
    home = folder / "home"
    with Store(home).open_stream(STREAM) as writer:
        for table in tables:
            writer.put(table, StreamState())
    lake = sum(path.stat().st_size for path in (home / "lake").rglob("*.parquet"))
    empty = warehouse.publish(folder / "empty").path.stat().st_size
    database = warehouse.publish(home).path.stat().st_size - empty
    trades = pa.concat_tables(tables).drop_columns(["ingested_at"])
    exact = pa.concat_tables(tables)
    floats = trades
    for name in _FLOATS:
        place = floats.schema.get_field_index(name)
        floats = floats.set_column(place, name, pc.cast(floats.column(name), pa.float64()))
    # freqtrade: integers of milliseconds, feather as pandas writes it
    milliseconds = pc.divide(pc.cast(trades.column("timestamp"), pa.int64()), 1000)
    feather = floats.set_column(
        floats.schema.get_field_index("timestamp"), "timestamp", milliseconds
    )
    pq.write_table(exact, folder / "exact.parquet")
    pq.write_table(floats, folder / "floats.parquet")
    pyarrow.feather.write_feather(feather, str(folder / "trades.feather"), compression="lz4")
    with gzip.open(folder / "trades.csv.gz", "wb") as sink:
        pyarrow.csv.write_csv(trades, sink)
    found = [
        Size("Tidemark's lake", True, lake / rows),
        Size("Tidemark's DuckDB file", True, database / rows),
    ]
    for name, is_exact, file in (
        ("Parquet as pyarrow writes it by default, decimals", True, "exact.parquet"),
        ("Parquet as pandas writes it by default, floats", False, "floats.parquet"),
        ("Feather, floats (freqtrade)", False, "trades.feather"),
        ("CSV, gzip", True, "trades.csv.gz"),
    ):
        found.append(Size(name, is_exact, (folder / file).stat().st_size / rows))
    return sorted(found, key=lambda size: size.per_trade)


def main() -> int:
    """Print the table, and save it."""
    parser = argparse.ArgumentParser(prog="python -m bench.storage", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path, default=ROOT / "data" / "bench" / "storage.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        found = sizes(options.rows, Path(folder))
    for size in found:
        note = "" if size.is_exact else "  (not exact)"
        print(f"{size.name:52} {size.per_trade:6.1f} bytes a trade{note}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps([asdict(s) for s in found], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
