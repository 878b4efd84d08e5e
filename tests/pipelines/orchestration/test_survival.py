"""A real Dagster is killed with all its processes and started again: collection goes on."""

import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from sandbox import Fault, serve
from tests.feeds import write_feed
from tests.ui.tree import Tree, below
from tests.worlds import world_at

FEED = """\
exchange: bitexbit
markets: [BTC-USD]
start: 2016-01-01
datasets:
  tickers: {schedule: "* * * * *"}
"""


@pytest.mark.torture
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
def test_collection_goes_on_after_everything_was_killed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_FEEDS", str(write_feed(tmp_path / "feeds", FEED)))
    tree = Tree(tmp_path)
    with serve(world_at(), limits=False) as exchange:
        for name, value in exchange.env.items():
            monkeypatch.setenv(name, value)
        exchange.faults.add(Fault("hang", seconds=600, times=None))
        try:
            tree.start()
            run_id = tree.launch("bitexbit/tickers")
            tree.eventually(lambda: exchange.faults.log, "the run asks the exchange")
            assert tree.status(run_id) == "STARTED"
            tree.kill()
            killed_at = time.monotonic()
            tree.start()
            assert tree.status(run_id) == "STARTED"
            # its lock is free since it was killed; it counts as dead a little later
            answer: dict[str, Any] = {}

            def healed() -> bool:
                answer.update(tree.tick("collect"))
                return tree.status(run_id) == "FAILURE"

            tree.eventually(healed, "the first tick ends the ghost")
            assert answer["error"] is None
            assert time.monotonic() - killed_at < 120
            started = below(tree.pid)
            assert tree.stop(signal.SIGTERM)  # as an init system stops a service
            tree.eventually(
                lambda: not any(Path(f"/proc/{pid}").exists() for pid in started),
                "SIGTERM ends all of it",
            )
            assert not re.search(r" - (DEBUG|INFO) - ", tree.output)
        finally:
            tree.stop()
