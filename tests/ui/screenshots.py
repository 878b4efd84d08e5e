"""The pictures of README and docs: ``python -m tests.ui.screenshots`` writes docs/images.

They show what a first run of ``tidemark ui --demo`` shows, once everything is materialized.
"""

import json
import os
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pipelines.demo.exchange import DEMO_FEEDS
from sandbox import Served, World, serve
from sandbox.clock import running_from
from tests.browser import CHROMIUM, browser
from tests.ui.page import Page
from tests.ui.tree import REPO, Tree

FOLDER: Final = REPO / "docs" / "images"
LARGEST: Final = 300_000
"""Bytes of a picture."""


def main() -> int:
    """Write every picture; the exit code."""
    if CHROMIUM is None:
        print("There is no Chromium. Fix: apt-get install chromium", file=sys.stderr)
        return 1
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidemark-")))
        exchange = stack.enter_context(serve(World(1), limits=False))
        os.environ |= {
            **exchange.env,
            "TIDEMARK_HOME": str(folder / "home"),
            "TIDEMARK_FEEDS": str(DEMO_FEEDS),
            "TIDEMARK_UNPACED": "1",
            "XDG_STATE_HOME": str(folder / "state"),
            "TIDEMARK_LOOKUPS": "8",
        }
        tree = Tree(folder)
        stack.callback(tree.stop)
        tree.start()
        window = stack.enter_context(browser(folder / "profile"))
        FOLDER.mkdir(exist_ok=True)
        _take(Page(window, tree), exchange, folder)
    large = [p.name for p in FOLDER.glob("*.png") if p.stat().st_size > LARGEST]
    if large:
        print(f"larger than {LARGEST:,} bytes: {', '.join(large)}", file=sys.stderr)
    return 1 if large else 0


def _take(page: Page, exchange: Served, folder: Path) -> None:
    page.open("/asset-groups")
    page.shows("marts")
    page.press("Materialize all")
    page.tree.eventually(page.tree.runs, "a run is launched")
    run_id = page.tree.runs()[0]["runId"]
    page.tree.ends(run_id, seconds=300)
    page.open(f"/runs/{run_id}")
    page.shows("RUN_SUCCESS")
    page.still(FOLDER / "run.png", 430)  # without the events, which name the folder
    page.open("/asset-groups", 1600, 700)
    page.shows("12")
    page.still(FOLDER / "asset-graph.png")
    page.open("/assets/warehouse/trades?view=lineage", 1600, 1000)
    page.shows("vwap_daily")
    page.still(FOLDER / "lineage.png")
    page.open("/assets/bitexbit/trades")
    page.shows("Row count")
    page.still(FOLDER / "dataset.png")
    page.window.visit(page.tree.report_url, 1440, 1000)
    page.window.wait("document.documentElement.dataset.drawn === 'all'", "the report is drawn")
    home = json.dumps(str(folder / "home"))
    page.window.run(
        "[...document.querySelectorAll('header *')].filter((one) => !one.children.length"
        f" && one.textContent.trim() === {home}).forEach((one) => {{ one.textContent = 'data'; }})"
    )
    page.still(FOLDER / "report.png")
    # last: five days without a pull are more trades than WEX shows
    exchange.clock = running_from(datetime.now(UTC) + timedelta(days=5))
    page.tree.ends(page.tree.launch("wex/trades"), "FAILURE")
    page.open("/assets/wex/trades?view=checks&checkDetail=nothing_lost", 1600, 700)
    page.press("Execute all")
    page.shows("missed since")
    page.still(FOLDER / "checks.png")


if __name__ == "__main__":
    sys.exit(main())
