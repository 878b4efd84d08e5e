"""A check that fails: red on its page, with its rows, and reported to the webhook."""

from sandbox import Served
from sandbox.clock import wall_clock
from tests.pipelines.orchestration.receiving import Received
from tests.ui.page import Page
from tests.ui.tree import Tree


def test_lost_rows_are_red_and_reported(
    page: Page, tree: Tree, exchange: Served, webhook: Received
) -> None:
    tree.ends(tree.launch("wex/trades"))
    exchange.clock = wall_clock  # four days later: more trades than WEX shows
    tree.ends(tree.launch("wex/trades"), "FAILURE")
    page.open("/assets/wex/trades?view=checks&checkDetail=nothing_lost")
    page.press("Execute all")
    page.shows("Failed")
    red = "[...document.querySelectorAll('[role=img]')].map((icon) => icon.outerHTML)"
    page.window.wait(f"{red}.some((html) => html.includes('accent-red'))", "it is red")
    for shown in ("stretch", "missed since", "BTC-USD", "ETH-USD", "Fix: pull more often"):
        page.shows(shown)
    tree.eventually(
        lambda: any("wex/trades:nothing_lost" in body["text"] for body in webhook.bodies),
        "the check is reported",
    )
    assert webhook.paths[0] == "/hook"
    assert "alerts are on" in webhook.bodies[0]["text"]
