"""Collecting from the pages: a schedule that ticks, and a stretch that is fetched again."""

import json

from tests.ui.page import Page, element
from tests.ui.tree import Tree

CONFIG = """\
ops:
  pull_bitexbit:
    config:
      markets: [BTC-USD]
      from: "2000-01-01"
      to: "2100-01-01"
"""
EDITOR = "document.querySelector('.CodeMirror').CodeMirror"


def test_a_schedule_that_is_switched_on_ticks(page: Page, tree: Tree) -> None:
    page.switch_on("collect")
    tree.eventually(
        lambda: any(r["tags"].get("dagster/schedule_name") == "collect" for r in tree.runs()),
        "a tick launches a run",
    )
    run = next(r for r in tree.runs() if r["tags"].get("dagster/schedule_name") == "collect")
    tree.ends(run["runId"])
    page.open("/runs")
    page.shows(run["runId"][:8])
    page.shows("collect")
    tree.eventually(lambda: _is_fresh(tree), "the daemon looked at the freshness policy", 180)
    page.open("/assets/warehouse/tickers")
    page.shows("Passing")


def _is_fresh(tree: Tree) -> bool:
    node = tree.ask(
        '{ assetNodeOrError(assetKey: {path: ["warehouse", "tickers"]}) { ... on AssetNode'
        " { freshnessStatusInfo { freshnessStatus } } } }"
    )["assetNodeOrError"]
    return bool(node["freshnessStatusInfo"]["freshnessStatus"] == "HEALTHY")


def test_a_stretch_is_fetched_again_from_the_launchpad(page: Page, tree: Tree) -> None:
    tree.ends(tree.launch("bitexbit/trades"))
    page.open("/assets/bitexbit/trades")
    button = element("Materialize", "button")
    page.window.click(
        f"{button}.parentElement.parentElement.querySelectorAll('button')[1]",
        "the arrow beside Materialize",
    )
    page.press("Open launchpad")
    page.window.wait(f"{EDITOR}.getValue()", "the editor holds the defaults")
    page.window.run(f"{EDITOR}.setValue({json.dumps(CONFIG)})")
    # it can be pressed once the text, which names not all fields, was checked
    page.window.wait(f"!!{element('Scaffold all default config')}", "the text is checked")
    page.shows("No errors")
    page.window.click(f"{button.removesuffix('[0]')}.at(-1)", "Materialize in the launchpad")
    path = page.window.wait("location.pathname.match('^/runs/.*')?.[0]", "the page of the run")
    tree.ends(str(path).removeprefix("/runs/"))
    page.open("/assets/bitexbit/trades?view=events")
    page.shows("rows_refetched")
    page.shows("rows_different")
