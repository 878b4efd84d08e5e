"""A small home of one exchange day, to be written by an older commit and read by this one.

``older_homes.tar.xz`` holds two, each written in the top folder of a checkout of its commit::

    python .../tests/deploy/older_home.py home-4ec71b1
    rm -r home-4ec71b1/locks home-4ec71b1/nonces
    tar --format=posix -cf - home-4ec71b1 home-ccaa1a6 | xz -9e > older_homes.tar.xz

===========  ====================================================================
``4ec71b1``  metastore of version 2, ``ledger.sqlite``: coverage on weaker evidence
``ccaa1a6``  metastore of version 3
===========  ====================================================================

It imports nothing of this commit but the standard library until ``main`` runs.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

EPOCH = "2026-01-10T06:00:00"
SEED = 7
HOURS = 6
FEEDS = {
    "bitexbit": """
  exchange: bitexbit
  account: main
  markets: [BTC-USD]
  start: 2016-01-01
  datasets:
    trades: {}
    candles: {timeframes: [1h]}
    tickers: {}
    markets: {}
    account_trades: {}
    account_orders: {}
    balances: {}
""",
    "wex": """
  exchange: wex
  account: main
  markets: [BTC-USD]
  start: 2016-01-01
  datasets:
    trades: {}
    candles: {timeframes: [1h]}
    account_transactions: {}
""",
}


def write_feeds(folder: Path) -> Path:
    """The feeds of these homes, below ``folder``."""
    for name, text in FEEDS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        body = f"type: pipelines.components.ExchangeFeed\nattributes:{text}"
        (folder / name / "defs.yaml").write_text(body)
    return folder


@contextmanager
def exchange() -> Iterator[dict[str, str]]:
    """The sandbox with the history of these homes; the settings that point to it."""
    from sandbox import ManualClock, World, serve

    with patch("sandbox.engine.HISTORY", HOURS * 3600 * 1000):
        world = World(SEED, EPOCH, ManualClock(EPOCH))
        with serve(world, limits=False) as server:
            yield dict(server.env)


def main(home: Path) -> int:
    """Pull into ``home`` with the Tidemark of the working folder; the exit code of the pull."""
    sys.path.insert(0, os.getcwd())
    feeds = write_feeds(home.with_name(f"{home.name}-feeds"))
    with exchange() as variables:
        os.environ.update(variables, TIDEMARK_HOME=str(home), TIDEMARK_FEEDS=str(feeds))
        from pipelines.cli import main as run

        return run(["pull"])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
