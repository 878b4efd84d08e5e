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
    page.window.wait("document.body.innerText.includes('missed since')", "its rows")
    tree.eventually(
        lambda: any("nothing_lost" in body["text"] for body in webhook.bodies), "an alert"
    )
