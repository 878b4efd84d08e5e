"""What a home holds and what the exchange has, to be compared.

``false_claims`` is the promise of the project as a function: whatever ``coverage`` calls complete
is held, row for row and value for value, as the sandbox's own books have it.
"""

import os
import re
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pyarrow.compute as pc
import pyarrow.parquet as pq

import warehouse
from sandbox import PagingProfile, Served
from sandbox.marketdata import MarketTape
from schemas import StreamId, timeframe_us
from schemas.times import to_microseconds
from tests.warehouse.tools import hive, lake
from warehouse.metastore import Metastore

ACCOUNTS = {"bitexbit": "alpha", "wex": "beta"}
"""Whose account the key of account ``main`` opens."""
COLUMNS = {
    "trades": ("trade_id", "side", "price", "amount"),
    "candles": ("timestamp", "open", "high", "low", "close", "volume"),
    "public_orders": ("order_id", "price"),
    "account_orders": ("order_id", "price"),
    "account_trades": ("trade_id", "price", "amount"),
    "account_transactions": ("timestamp", "transaction_id", "currency", "amount"),
}
"""Of each dataset: the column of the positions, and those of the values."""
WEX_LEDGER = ("transaction_id", "currency", "amount")

Values = tuple[Any, ...]
_tapes: WeakKeyDictionary[MarketTape, list[Values]] = WeakKeyDictionary()
"""The rows of :func:`tape_of` so far: to a tape rows are only ever added."""
Rows = dict[int, Values]
"""Rows by id, or by time in microseconds where the stream's coverage counts time."""


def table(home: Path, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in warehouse.sql(query, home=home).to_pylist()]


def files(home: Path) -> dict[str, tuple[int, int]]:
    """Every file of the lake with its inode and time: of a file written again they are others."""
    found = {p: os.stat(p) for p in (home / "lake").rglob("*.parquet")}
    return {str(p): (stat.st_ino, stat.st_mtime_ns) for p, stat in found.items()}


def tape_of(server: Served, symbol: str = "BTC-USD") -> list[tuple[Any, ...]]:
    now, tape = server.world.now(), server.world.tapes[symbol]
    rows = _tapes.setdefault(tape, [])
    for at in range(len(rows), len(tape)):
        side = "buy" if tape.buys[at] else "sell"
        values = side, _exact(tape.prices[at]), _exact(tape.amounts[at])
        rows.append((str(tape.ids[at]), tape.times[at], *values))
    return [row for row in rows if row[1] <= now]


def trades_of(
    home: Path, exchange: str = "bitexbit", symbol: str = "BTC-USD"
) -> list[tuple[Any, ...]]:
    return table(
        home,
        "SELECT trade_id, epoch_ms(timestamp), side, price, amount FROM trades"
        f" WHERE exchange = '{exchange}' AND symbol = '{symbol}' ORDER BY trade_id::BIGINT",
    )


def rows_of(server: Served, stream: StreamId) -> Rows:
    """Every row that the exchange has of ``stream``, whatever its switches hide."""
    world, now = server.world, server.world.now()
    if stream.dataset == "trades":
        return {
            int(trade_id): (side, price, amount)
            for trade_id, _, side, price, amount in tape_of(server, stream.symbol or "")
        }
    if stream.dataset == "candles":
        length = timeframe_us(stream.timeframe or "") // 1000
        candles = world.candles(stream.symbol or "", now, length, PagingProfile())
        return {
            c.time * 1000: tuple(map(_exact, (c.open, c.high, c.low, c.close, c.volume)))
            for c in candles
        }
    if stream.dataset == "public_orders":
        orders = world.books[stream.symbol or ""].orders
        return {o.id: (_exact(o.price),) for o in orders if o.created <= now}
    account = world.accounts[ACCOUNTS[stream.exchange]]
    if stream.dataset == "account_trades":
        return {f.trade_id: (_exact(f.price), _exact(f.amount)) for _, f in account.fills(now)}
    if stream.dataset == "account_orders":
        return {o.id: (_exact(o.price),) for o in account.orders if o.created <= now}
    if stream.exchange == "wex":
        return {t.id: (t.currency, _exact(t.amount)) for t in account.visible_transactions(now)}
    found: Rows = {}
    for t in account.visible_transactions(now):
        if t.kind in (1, 2):  # several may share a moment
            position = t.ms * 1000 + 7  # as the sandbox writes times
            values = (str(t.id), t.currency, _exact(t.amount))
            found[position] = tuple(sorted((*found.get(position, ()), values)))
    return found


def held_of(home: Path, stream: StreamId) -> Rows:
    """The rows of ``stream`` in the lake, in the shape of :func:`rows_of`; each at most once."""
    found: Rows = {}
    names = ("exchange", "symbol", "account", "timeframe")
    wanted = {n: value for n in names if (value := getattr(stream, n)) is not None}
    for position, values in _stored(home, stream.dataset, frozenset(wanted.items())):
        if stream.dataset == "account_transactions" and stream.exchange == "bitexbit":
            assert values not in found.get(position, ()), f"{stream}: {values} is stored twice"
            found[position] = tuple(sorted((*found.get(position, ()), values)))
            continue
        assert position not in found, f"{stream}: row {position} is stored twice"
        found[position] = values
    return found


def _stored(
    home: Path, dataset: str, wanted: frozenset[tuple[str, str]]
) -> Iterator[tuple[int, Values]]:
    """Position and values of the rows of a dataset that have what is wanted."""
    for path in sorted((home / "lake" / dataset).rglob("*.parquet")):
        if all(hive(path).get(name, value) == value for name, value in wanted):
            stat = path.stat()
            written = stat.st_ino, stat.st_mtime_ns, stat.st_size
            yield from _stored_in(path, written, dataset, wanted)


@lru_cache(maxsize=100)
def _stored_in(
    path: Path, written: tuple[int, int, int], dataset: str, wanted: frozenset[tuple[str, str]]
) -> list[tuple[int, Values]]:
    """Of one file, which is read again only where it was ``written`` again."""
    folders = hive(path)
    of_wex = (dataset, folders["exchange"]) == ("account_transactions", "wex")
    key, *names = WEX_LEDGER if of_wex else COLUMNS[dataset]
    filters = [(name, value) for name, value in sorted(wanted) if name not in folders]
    columns = [key, *names, *(name for name, _ in filters)]
    with path.open("rb") as source:
        read = pq.read_table(source, columns=columns)
    for name, value in filters:
        read = read.filter(pc.equal(read[name], value))
    keys = read[key].to_pylist()
    positions = map(to_microseconds, keys) if key == "timestamp" else map(int, keys)
    values = zip(*(read[name].to_pylist() for name in names), strict=True)
    return list(zip(positions, values, strict=True))


def false_claims(server: Served, home: Path) -> list[str]:
    """Every stream of which ``coverage`` calls something complete that is not held."""
    wrong = []
    claims = [c for c in warehouse.coverage(home).to_pylist() if c["state"] == "complete"]
    with closing(Metastore(home)) as metastore:
        streams = [s for s in metastore.streams() if s.source is None]
    for stream in streams:
        name = (stream.exchange, stream.dataset, stream.label)
        mine = [c for c in claims if (c["exchange"], c["dataset"], c["stream"]) == name]
        if not mine:
            continue
        there, held = rows_of(server, stream), held_of(home, stream)
        for claim in mine:
            end = claim["upper"] + (1 if claim["unit"] == "id" else 0)
            inside = {k: v for k, v in there.items() if claim["lower"] <= k < end}
            missing = [k for k, v in inside.items() if held.get(k) != v]
            if missing:
                quarantined = _quarantined(home, stream)
                missing = [k for k in missing if not _is_in(quarantined, inside[k])]
            if missing:
                wrong.append(
                    f"{stream}: {claim['lower']}..{end} is called complete, {len(missing)} of "
                    f"{len(inside)} rows are not held (as they are): {missing[:3]}"
                )
    return wrong


def _quarantined(home: Path, stream: StreamId) -> list[set[Decimal]]:
    """The numbers in each row of ``stream`` that was kept as received."""
    rows = [r for r in lake(home, "quarantine") if r["exchange"] == stream.exchange]
    payloads = [r["payload"] for r in rows if r["dataset"] == stream.dataset]
    return [{Decimal(n) for n in re.findall(r"[0-9]+(?:\.[0-9]+)?", p)} for p in payloads]


def _is_in(quarantined: list[set[Decimal]], values: Values) -> bool:
    """Whether a row of these values lies in quarantine: a malformed row counts as covered."""
    numbers = {value for value in values if isinstance(value, Decimal)}
    return any(numbers <= found for found in quarantined)


def _exact(value: int) -> Decimal:
    return Decimal(value).scaleb(-8)
