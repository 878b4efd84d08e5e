"""What the tests of several processes run in the others: ``python -m`` this module.

Every command says ``ready`` and begins when its standard input has a line or ends.
"""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import connectors
from connectors.base import Connection, Window
from connectors.pace import Allowance
from pipelines.exchanges.limits import SharedLimits
from pipelines.exchanges.nonces import HomeNonces
from pipelines.exchanges.state_dir import limits_folder, place_name, state_folder
from pipelines.settings import load_settings
from schemas import StreamId


def start() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def calls(exchange: str, public: str, private: str) -> None:
    """So many public and private calls from two threads."""
    settings = load_settings(None, None)
    credentials = settings.credentials(exchange, "main")
    assert credentials is not None
    shared = state_folder()
    assert shared is not None
    url = settings.base_url(exchange)
    name = place_name(exchange, url, credentials.key)
    connector = connectors.open_connector(
        exchange,
        Connection(
            base_url=url,
            nonces=HomeNonces(settings.home, name, shared),
            limits=SharedLimits([limits_folder(shared)]),
            credentials=credentials,
            retries=2,
        ),
    )
    fills = StreamId(exchange, "account_trades", account="main")
    start()
    with ThreadPoolExecutor(2) as threads:
        work = [threads.submit(connector.fetch, fills, Window()) for _ in range(int(private))]
        work += [
            threads.submit(connector.snapshot, "tickers", ["BTC-USD"]) for _ in range(int(public))
        ]
        for done in work:
            done.result()
    connector.close()


def nonces(home: str, shared: str, count: str) -> None:
    """Take nonces under a clock that stands still; print them."""
    mine = HomeNonces(Path(home), "key", Path(shared) if shared else None)
    start()
    taken = []
    for _ in range(int(count)):
        with mine.next(100) as nonce:
            taken.append(nonce)
    print(json.dumps(taken))


def hold(kind: str, home: str) -> None:
    """Take a lock and keep it until killed."""
    if kind == "nonce":
        with HomeNonces(Path(home), "key", Path(home) / "shared").next(1):
            start()
    elif kind == "limit":

        def now() -> int:  # is asked under the lock
            start()
            return 0

        SharedLimits([Path(home)], now=now).wait("bucket", Allowance(1000))


def read(how: str, home: str) -> None:
    """Read trades over and over until the input ends; print what was wrong as JSON."""
    seen: dict[str, object] = {"reads": 0, "errors": [], "wrong": []}
    errors: list[str] = []
    wrong: list[str] = []
    reader = READERS[how](Path(home))
    before, _ = next(reader)  # with what it imports, so that reading goes on while pulls run
    ended = threading.Event()
    start()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    reads = 0
    while not (reads and ended.is_set()):
        try:
            rows, keys = next(reader)
        except Exception as error:
            errors.append(f"{type(error).__name__}: {str(error)[:300]}")
            reader = READERS[how](Path(home))
            continue
        reads += 1
        if rows != keys:
            wrong.append(f"{rows} rows, {keys} keys")
        if rows < before:
            wrong.append(f"{before} rows, then {rows}")
        before = max(before, rows)
    seen.update(reads=reads, errors=errors, wrong=wrong, rows=before)
    print(json.dumps(seen))


COUNT = "SELECT count(*), count(DISTINCT (exchange, symbol, trade_id)) FROM "
GLOB = "read_parquet('{}/lake/trades/**/*.parquet', hive_partitioning = true)"


def _counted(db: Any, source: str) -> tuple[int, int]:
    ((rows, keys),) = db.execute(COUNT + source).fetchall()
    return rows, keys


def _open_session(home: Path) -> Iterator[tuple[int, int]]:
    import duckdb

    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as db:
        while True:
            yield _counted(db, "trades")


def _new_sessions(home: Path) -> Iterator[tuple[int, int]]:
    import duckdb

    while True:
        with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as db:
            yield _counted(db, "trades")


def _glob(home: Path) -> Iterator[tuple[int, int]]:
    import duckdb

    db = duckdb.connect()
    while True:
        yield _counted(db, GLOB.format(home))


def _pandas(home: Path) -> Iterator[tuple[int, int]]:
    import pandas as pd

    while True:
        frame = pd.read_parquet(home / "lake" / "trades")
        yield len(frame), len(frame[["exchange", "symbol", "trade_id"]].drop_duplicates())


def _polars(home: Path) -> Iterator[tuple[int, int]]:
    import polars as pl

    key = ["exchange", "symbol", "trade_id"]
    while True:
        # by pattern: of a bare folder Polars wants every file to be Parquet, also one being written
        lake = home / "lake" / "trades" / "**" / "*.parquet"
        frame = pl.scan_parquet(lake, hive_partitioning=True).select(
            pl.len().alias("rows"), pl.struct(key).n_unique().alias("keys")
        )
        yield frame.collect().row(0)


def _polars_by_pyarrow(home: Path) -> Iterator[tuple[int, int]]:
    import polars as pl
    import pyarrow.dataset as ds

    key = ["exchange", "symbol", "trade_id"]
    while True:
        lake = ds.dataset(home / "lake" / "trades", partitioning="hive")
        frame = pl.from_arrow(lake.to_table(columns=key))
        assert isinstance(frame, pl.DataFrame)
        yield len(frame), frame.n_unique(key)


READERS: dict[str, Callable[[Path], Iterator[tuple[int, int]]]] = {
    "an open session": _open_session,
    "new sessions": _new_sessions,
    "duckdb on the lake": _glob,
    "pandas on the lake": _pandas,
    "polars on the lake": _polars,
    "polars through pyarrow": _polars_by_pyarrow,
}

COMMANDS: dict[str, Callable[..., None]] = {
    "calls": calls,
    "nonces": nonces,
    "hold": hold,
    "read": read,
}

if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    with suppress(KeyboardInterrupt):
        COMMANDS[command](*arguments)
