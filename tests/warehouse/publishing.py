"""Streams of every kind, rows for them, and a publish."""

from pathlib import Path

import warehouse
from schemas import RejectedRow, StreamId
from tests.warehouse.tools import DAY, HOURLY, NOON, STREAMS, TRANSFERS, ids, row, store

OTHER = StreamId("y", "trades", "BTC-USD")
SAVINGS = StreamId("x", "account_trades", account="savings")
MANY = (*STREAMS, HOURLY, OTHER, SAVINGS)
STEP = 3_600_000_000


def versions(home: Path) -> list[str]:
    return sorted(p.name for p in (home / "versions").iterdir())


def publish(home: Path) -> warehouse.Published:
    return warehouse.publish(home)


def commit(home: Path, stream: StreamId, keys: list[tuple[int, int]], bad: int) -> None:
    """Rows ``(key, state)``; keys beyond 9 lie 40 days later; ``bad`` names a rejected row."""
    rows = [row(stream, k, NOON + k * STEP + (k > 9) * 40 * DAY) for k, _ in keys]
    for one, (_, state) in zip(rows, keys, strict=True):
        name = {"candles": "close", "tickers": "last", "account_transactions": "status"}
        one[name.get(stream.dataset, "price")] = (
            ["pending", "ok"][state] if stream is TRANSFERS else state + 1
        )
    rejected = [RejectedRow("bad", f"{{{bad}}}")] if bad else []
    store(home, stream, rows, state=ids((0, 1 + max((k for k, _ in keys), default=0))),
          rejected=rejected)  # fmt: skip


def all_streams(home: Path) -> None:
    for stream in MANY:
        commit(home, stream, [(1, 0), (11, 0)], 1)
