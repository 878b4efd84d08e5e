"""A home that holds everything the sandbox exchange has, and that exchange's own books."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

import warehouse
from sandbox import World, serve
from sandbox.marketdata import Trade
from tests.pipelines.ingest.conftest import run, settings_for
from tests.worlds import world_at

EPOCH = "2026-01-12T00:00:00"
"""The history is of the three days before: the README asks for one of them."""


@dataclass(frozen=True)
class Pulled:
    """Tests share it and must not write to it."""

    home: Path
    world: World

    def rows(self, query: str) -> list[dict[str, Any]]:
        return list(warehouse.sql(query, home=self.home).to_pylist())

    def trades(self, symbol: str) -> list[Trade]:
        now = self.world.now()
        return [t for t in self.world.tapes[symbol].trades() if t.timestamp <= now]


def its_world() -> World:
    """The exchange that was pulled, as it was."""
    return world_at(EPOCH, seed=11, days=3)


def pull_everything(home: Path) -> Pulled:
    """One pull of all feeds, made by the first process that asks for ``home``."""
    world = its_world()
    with FileLock(f"{home}.lock"):
        if not home.exists():
            unfinished = home.with_name(f"{home.name}.unfinished")
            with serve(world, limits=False) as server:
                assert run(settings_for(server, unfinished)).errors == []
            unfinished.rename(home)
    return Pulled(home, world)
