"""Rows that an exchange shows late, below ids that are there already, over real HTTP."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import warehouse
from sandbox import Served
from tests.matrix import thinned
from tests.pipelines.ingest.conftest import only_pull, run, settings_for
from tests.warehouse.tools import lake

LATE_MS = 600_000
SPEC = "markets: [BTC-USD]\nstart: 2016-01-01\ndatasets: {trades: {}, candles: {timeframes: [5m]}}"


def shown(server: Served) -> set[str]:
    """The trades that the exchange shows now."""
    world = server.world
    tape = world.tapes["BTC-USD"]
    return {str(tape.ids[i]) for i in world.visible("BTC-USD", world.now(), server.paging)}


def held(home: Path, exchange: str) -> list[str]:
    return [row["trade_id"] for row in lake(home, "trades") if row["exchange"] == exchange]


@pytest.mark.parametrize(
    "profile",
    thinned(
        [
            {"limit_keeps": "oldest", "page_cap": 200, "since_id_inclusive": False},
            {},
        ],
        2,
    ),
    ids=["oldest", "newest"],
)
def test_the_next_pull_finds_them(
    profile: dict[str, Any], exchange: Served, home: Path, feeds: Callable[[str, str], Path]
) -> None:
    exchange.switch(late_every=3, late_ms=LATE_MS, retention=700, **profile)
    feeds(f"exchange: wex\n{SPEC}", "wex")
    root = feeds(f"exchange: bitexbit\n{SPEC}", "bitexbit")
    settings = settings_for(exchange, home)
    late = 0
    for _ in range(3):
        assert only_pull(settings, feeds_root=root).errors == []
        now = shown(exchange)
        for name in ("bitexbit", "wex"):
            rows = held(home, name)
            assert len(rows) == len(set(rows))
            assert now <= set(rows)
        exchange.advance(LATE_MS / 1000)
        late += sum(int(row) < max(map(int, now)) for row in shown(exchange) - now)
    assert late >= 5
    exchange.paging.late_every = 0  # all that was held back is there
    assert run(settings, feeds_root=root).errors == []
    assert shown(exchange) <= set(held(home, "wex"))
    report = warehouse.verify(home)
    assert report.ok
    # candles built from trades are built again; BitexBit shows no trades of its first one
    assert not [f for f in report.findings if f.where.startswith("wex")]
