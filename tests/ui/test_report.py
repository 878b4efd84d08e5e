"""The report opens from its asset: by a link that the browser follows."""

from tests.ui.page import Page
from tests.ui.tree import Tree


def test_the_report_opens_from_its_asset(page: Page, tree: Tree) -> None:
    tree.ends(tree.launch("bitexbit/trades"))
    tree.ends(tree.launch("marts/report"))
    page.open("/assets/marts/report")
    page.press("Open the report")
    page.window.wait("document.documentElement.dataset.drawn === 'all'", "the report is drawn")
    assert page.window.run("location.href") == tree.report_url
