"""The machine stops in the middle of a run: the run is ended, and collection goes on."""

import time

from sandbox import Fault, Faults, Served
from tests.ui.page import Page
from tests.ui.tree import Tree


def test_a_run_whose_process_was_killed_is_ended_by_the_next_tick(
    page: Page, tree: Tree, exchange: Served
) -> None:
    page.switch_on("collect")
    exchange.faults.add(Fault("hang", seconds=600, path="/public/depth", times=None))
    run_id = tree.launch("bitexbit/order_books")
    tree.eventually(lambda: exchange.faults.log, "the run asks the exchange")
    tree.kill()
    killed_at = time.monotonic()
    exchange.faults = Faults()
    tree.start()
    page.open(f"/runs/{run_id}")
    page.shows("Started")
    tree.ends(run_id, "FAILURE")
    assert time.monotonic() - killed_at < 120
    page.shows("The process of this run is gone")
    page.shows("Failure")
    before = {run["runId"] for run in tree.runs()}
    tree.ends(tree.launch("bitexbit/order_books"))
    tree.eventually(lambda: {r["runId"] for r in tree.runs()} - before, "ticks go on")
