"""The pictures of README and docs: ``python -m tests.ui.screenshots`` writes docs/images.

They show what a first run of ``tidemark ui --demo`` shows, once everything is materialized.
"""

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from sandbox import World, serve
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
            "TIDEMARK_FEEDS": str(REPO / "pipelines" / "defs"),
            "XDG_STATE_HOME": str(folder / "state"),
            "TIDEMARK_LOOKUPS": "8",
        }
        tree = Tree(folder)
        stack.callback(tree.stop)
        tree.start()
        window = stack.enter_context(browser(folder / "profile"))
        FOLDER.mkdir(exist_ok=True)
        _take(Page(window, tree))
    large = [p.name for p in FOLDER.glob("*.png") if p.stat().st_size > LARGEST]
    if large:
        print(f"larger than {LARGEST:,} bytes: {', '.join(large)}", file=sys.stderr)
    return 1 if large else 0


def _take(page: Page) -> None:
    page.open("/asset-groups")
    page.shows("marts")
    page.press("Materialize all")
    page.tree.eventually(page.tree.runs, "a run is launched")
    run_id = page.tree.runs()[0]["runId"]
    page.tree.ends(run_id, seconds=300)
    page.open(f"/runs/{run_id}")
    page.shows("RUN_SUCCESS")
    page.still(FOLDER / "run.png")
    page.open("/asset-groups", 1600, 700)
    page.shows("12")
    page.still(FOLDER / "asset-graph.png")
    page.open("/assets/warehouse/trades?view=lineage")
    page.shows("vwap_daily")
    page.still(FOLDER / "lineage.png")
    page.open("/assets/bitexbit/trades")
    page.shows("Row count")
    page.still(FOLDER / "dataset.png")
    page.open("/assets/bitexbit/candles?view=checks&checkDetail=candles_match_trades")
    page.shows("Evaluation result")
    page.still(FOLDER / "checks.png")
    page.window.visit(page.tree.report_url, 1280, 1000)
    page.window.wait("document.documentElement.dataset.drawn === 'all'", "the report is drawn")
    page.still(FOLDER / "report.png")


if __name__ == "__main__":
    sys.exit(main())
