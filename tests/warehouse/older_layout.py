"""A lake as versions before the present layout left it: a folder for each market's snapshots."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas import DATASETS, StreamId
from warehouse import files, paths
from warehouse.metastore import FileRecord, Metastore
from warehouse.metastore_file import FILE_NAME
from warehouse.metastore_tables import key, put
from warehouse.state import StreamState


def ungroup(home: Path) -> None:
    """Give each market's tickers and books a folder, a file a month, and a state of its own."""
    metastore = Metastore(home)
    for stream in sorted(metastore.all_streams(), key=str):
        if not DATASETS[stream.dataset].holds_markets:
            continue
        state = metastore.state(stream)
        folder = home / paths.stream_folder(stream)
        held = [pq.read_table(p, partitioning=None) for p in sorted(folder.glob("*.parquet"))]
        metastore.forget(stream, is_moved=True)
        for path in folder.glob("*.parquet"):
            path.unlink()
        if held:
            _write(home, metastore, stream, pa.concat_tables(held), state)
    metastore.close()
    with closing(sqlite3.connect(home / FILE_NAME)) as db, db:
        put(db, "counters", [("version", 5)])
        db.execute("DELETE FROM counters WHERE name = 'lake_layout'")
        db.execute("PRAGMA user_version = 5")


def _write(
    home: Path, metastore: Metastore, stream: StreamId, table: pa.Table, state: StreamState
) -> None:
    declared = DATASETS[stream.dataset]
    months = pc.strftime(table.column(declared.time_column), "%Y-%m")
    for symbol in table.column("symbol").unique().to_pylist():
        market = replace(stream, symbol=symbol)
        records: list[FileRecord] = []
        for month in months.unique().to_pylist():
            mine = pc.and_(pc.equal(table.column("symbol"), symbol), pc.equal(months, month))
            rows = table.filter(mine)
            if not rows.num_rows:
                continue
            path = f"{paths.stream_folder(stream)}/symbol={quote(symbol, safe='')}/{month}.parquet"
            digest = files.write(declared, home, path, rows.drop_columns(["symbol"]))
            records.append(files.describe(declared, home, path, month, rows, digest))
        metastore.record(market, replace(state, checkpoint=""), records)


def market_rows(metastore: Metastore, stream: StreamId) -> list[FileRecord]:
    """The records of the older layout, of whatever market of ``stream``."""
    every = (s for s in metastore.all_streams() if s.symbol and key(s)[:2] == key(stream)[:2])
    return [f for s in every for f in metastore.files(s)]
