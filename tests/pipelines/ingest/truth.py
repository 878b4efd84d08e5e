"""What a home holds and what the exchange has, to be compared."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import warehouse
from sandbox import Served


def table(home: Path, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in warehouse.sql(query, home=home).to_pylist()]


def files(home: Path) -> dict[str, tuple[int, int]]:
    """Every file of the lake with its inode and time: of a file written again they are others."""
    found = {p: os.stat(p) for p in (home / "lake").rglob("*.parquet")}
    return {str(p): (stat.st_ino, stat.st_mtime_ns) for p, stat in found.items()}


def tape_of(server: Served, symbol: str = "BTC-USD") -> list[tuple[Any, ...]]:
    now = server.world.now()
    return [
        (str(t.id), t.timestamp, t.side, Decimal(t.price), Decimal(t.amount))
        for t in server.world.tapes[symbol].trades()
        if t.timestamp <= now
    ]


def trades_of(
    home: Path, exchange: str = "bitexbit", symbol: str = "BTC-USD"
) -> list[tuple[Any, ...]]:
    return table(
        home,
        "SELECT trade_id, epoch_ms(timestamp), side, price, amount FROM trades"
        f" WHERE exchange = '{exchange}' AND symbol = '{symbol}' ORDER BY trade_id::BIGINT",
    )
