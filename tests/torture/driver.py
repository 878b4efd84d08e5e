"""The torture itself: pull, kill, move the clock, break the exchange, kill again, compare."""

import json
import multiprocessing
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import connectors
import warehouse
from connectors.base import Cursor
from connectors.local import NoLimits
from pipelines.feeds import load_feeds, select_jobs
from pipelines.ingest import pull
from pipelines.publishing import periodic_publish, publish
from pipelines.settings import load_settings
from sandbox import Fault, ManualClock, Served, World, serve
from schemas import StreamId
from tests.connectors.cases import EXCHANGES, case
from tests.feeds import write_feed
from warehouse.metastore import Metastore

EPOCH = "2026-01-10T00:00:00"
START = "2025-12-01"
"""Windows of candles before the first trade are asked for one by one: ten years take a minute."""
DATASETS = ("trades", "candles", "tickers", "account_trades", "account_transactions")
COMPARED = {
    "trades": "exchange, symbol, trade_id, timestamp, side, price, amount, cost",
    "candles": "exchange, symbol, timeframe, timestamp, open, high, low, close, volume",
    "account_trades": "exchange, account, symbol, trade_id, timestamp, side, price, amount, cost,"
    " order_id, taker_or_maker, fee_amount, fee_rate, fee_currency",
    "account_transactions": "exchange, account, transaction_id, timestamp, type, currency, amount,"
    " status, description",
}
_LONGEST = 5.0
"""Seconds after which a pull is killed at the latest, until one has finished."""
FAULTS = [
    Fault("status", status=502),
    Fault("status", status=429, retry_after=0),
    Fault("html", status=200),
    Fault("truncate"),
    Fault("cut"),
    Fault("reset"),
    Fault("stale"),
    Fault("duplicate"),
    Fault("shuffle"),
]


@dataclass
class Figures:
    """What was done, and how many differences it left (0, or the torture has failed)."""

    kills: int = 0
    finished: int = 0
    faults: int = 0
    checks: int = 0
    rows_compared: int = 0
    differences: list[str] = field(default_factory=list)


def one_pull(env: dict[str, str], feeds: Path) -> None:
    """A pull that loads meanwhile, in a process of its own that may be killed at any moment."""
    settings = load_settings(env, None)
    with periodic_publish(lambda: publish(settings), pause=0.3):
        pull(select_jobs(load_feeds(feeds), []), settings, limits=NoLimits())
    publish(settings)


def torture(
    folder: Path,
    kills: int,
    seed: int,
    report: Callable[[str], None] = lambda _: None,
    exchanges: Sequence[str] = EXCHANGES,
) -> Figures:
    """Kill ``kills`` pulls of one home, then let it converge and compare it with a fresh one."""
    rng = random.Random(seed)
    figures = Figures()
    feeds = folder / "feeds"
    for name in exchanges:
        datasets: dict[str, object] = {d: {} for d in DATASETS if d in connectors.offers(name)}
        datasets["candles"] = {"timeframes": ["5m", "1d"]}
        write_feed(
            feeds,
            f"exchange: {name}\nstart: {START}\nmarkets: [BTC-USD, ETH-USD]\n"
            f"datasets: {json.dumps(datasets)}",
            name.replace(":", "_"),
        )
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.torture.driver"])
    world = World(seed=seed, epoch=EPOCH, clock=ManualClock(EPOCH))
    with serve(world, limits=False) as server:
        server.paging.page_cap = 300
        env = dict(server.env, TIDEMARK_HOME=str(folder / "home"))
        longest = _LONGEST
        while figures.kills < kills:
            if rng.random() < 0.3:
                server.faults.add(rng.choice(FAULTS))
                figures.faults += 1
            process = context.Process(target=one_pull, args=(env, feeds))
            began = time.monotonic()
            process.start()
            process.join(rng.uniform(0, longest))
            if process.is_alive():
                process.kill()
                figures.kills += 1
                longest *= 1.1  # in the end one of them finishes
            else:
                figures.finished += 1
                longest = max(0.3, (time.monotonic() - began) * 1.1)
            process.join()
            if process.exitcode not in (0, -9):
                figures.differences.append(f"a pull ended with {process.exitcode}")
            if rng.random() < 0.3:
                server.advance(rng.randint(1, 600))
                longest = _LONGEST
            if (figures.kills + figures.finished) % 10 == 0:
                figures.differences += broken(folder / "home", server)
                figures.checks += 1
                report(
                    f"{figures.kills} kills, {figures.finished} finished, faults {figures.faults}"
                )
            if figures.differences:
                return figures
        server.faults.clear()
        one_pull(env, feeds)
        one_pull(dict(env, TIDEMARK_HOME=str(folder / "fresh")), feeds)
        figures.differences += broken(folder / "home", server)
        compare(folder, server, figures)
    return figures


def broken(home: Path, server: Served) -> list[str]:
    """What must hold at any moment: files whole, keys once, nothing claimed that is not held."""
    found: list[str] = []
    ids: dict[str, set[int]] = {}
    for path in sorted((home / "lake" / "trades").rglob("*.parquet")):
        symbol = path.parent.name if "bitexbit" in str(path) else ""
        keys = [int(k) for k in pq.ParquetFile(path).read(["trade_id"]).column(0).to_pylist()]
        if len(set(keys)) < len(keys) or (symbol and ids.setdefault(symbol, set()) & set(keys)):
            found.append(f"a row twice in {path}")
        ids.setdefault(symbol, set()).update(keys)
    now = server.world.now()
    for symbol in ("BTC-USD", "ETH-USD"):
        state = Metastore(home).state(StreamId("bitexbit", "trades", symbol))
        truth = [t.id for t in server.world.tapes[symbol].trades() if t.timestamp <= now]
        held = ids.get(f"symbol={symbol}", set())
        claimed = [i for i in truth if any(i in c for c in state.complete)]
        missing = [i for i in claimed if i not in held]
        if missing:
            found.append(f"{symbol}: {len(missing)} rows are claimed and not held")
    return found


def compare(folder: Path, server: Served, figures: Figures) -> None:
    """Every row of the fresh home is in the tortured one, value for value, and nothing else is.

    And no more is missing of what is claimed than in the fresh home: what lies before the first
    rows of some lists is asked for over a day.
    """
    query = "SELECT exchange, dataset, stream, state FROM coverage WHERE state <> 'complete'"
    uncovered, usual = (
        {tuple(r.values()) for r in warehouse.sql(query, home=folder / home).to_pylist()}
        for home in ("home", "fresh")
    )
    figures.differences += [
        f"not covered in the end: {one}"
        for one in sorted(uncovered - usual)
        if connectors.offers(one[0])[one[1]].cursor is not Cursor.NEWEST
    ]
    truth = {
        (name, symbol, str(case(name).trade_id(tape, at))): (Decimal(t.price), t.side)
        for name in EXCHANGES
        if connectors.offers(name)["trades"].cursor is Cursor.NEWEST
        for symbol, tape in server.world.tapes.items()
        for at, t in enumerate(tape.trades())
    }
    for table, columns in COMPARED.items():
        query = f"SELECT {columns} FROM {table}"
        tortured, fresh = (
            [tuple(r.values()) for r in warehouse.sql(query, home=folder / home).to_pylist()]
            for home in ("home", "fresh")
        )
        if len(set(tortured)) != len(tortured):
            figures.differences.append(f"{table}: rows twice")
        missing = set(fresh) - set(tortured)
        extra = {r for r in set(tortured) - set(fresh) if not _shown_once(truth, table, r, fresh)}
        figures.rows_compared += len(fresh)
        for name, rows in (("missing", missing), ("not in the fresh home", extra)):
            if rows:
                sample = sorted(map(str, rows))[:2]
                figures.differences.append(f"{table}: {len(rows)} rows {name}: {sample}")


def _shown_once(
    truth: dict[tuple[str, str, str], tuple[Decimal, str]],
    table: str,
    row: tuple[Any, ...],
    fresh: list[tuple[Any, ...]],
) -> bool:
    """Of an exchange that shows only its newest trades, older ones, and candles that are built of
    them, only the tortured saw. Of one that shows only its newest candles, those without trades:
    older candles are built of trades, and there are none.
    """
    offers = connectors.offers(row[0])
    if table == "candles" and row[-1] == 0 and offers["candles"].cursor is Cursor.NEWEST:
        return all(r[:4] != row[:4] for r in fresh)
    if offers["trades"].cursor is not Cursor.NEWEST:
        return False
    if table == "candles":
        return all(r[3] > row[3] for r in fresh if r[:3] == row[:3])
    return table == "trades" and truth.get((row[0], row[1], row[2])) == (row[5], row[4])
