"""One Dagster on a sandbox exchange, and one browser, for all tests of this folder."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.demo.exchange import DEMO_FEEDS
from sandbox import Served, serve
from sandbox.clock import running_from
from tests.browser import CHROMIUM, Browser, browser
from tests.pipelines.orchestration.receiving import Received, webhook_server
from tests.ui.page import Page
from tests.ui.tree import Tree
from tests.worlds import world_at

BEHIND = timedelta(days=4)
"""So far the exchange's clock is behind at first: a test lets it catch up, and rows are lost."""


@pytest.fixture(scope="session")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("there is no Chromium. Fix: apt-get install chromium", pytrace=False)
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="session")
def exchange() -> Iterator[Served]:
    then = datetime.now(UTC) - BEHIND
    world = world_at(then.replace(hour=0, minute=0, second=0, microsecond=0).isoformat(), days=1)
    with serve(world, limits=False) as served:
        served.clock = running_from(then)
        yield served


@pytest.fixture(scope="session")
def webhook() -> Iterator[Received]:
    with webhook_server() as received:
        yield received


@pytest.fixture(scope="session")
def tree(
    window: Browser,  # a missing browser is told before Dagster starts
    exchange: Served,
    webhook: Received,
    clean_environment: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Tree]:
    folder = tmp_path_factory.mktemp("ui")
    variables = {
        **exchange.env,
        "TIDEMARK_HOME": str(folder / "home"),
        "TIDEMARK_FEEDS": str(DEMO_FEEDS),
        "TIDEMARK_UNPACED": "1",
        "TIDEMARK_ALERT_WEBHOOK": f"http://127.0.0.1:{webhook.port}/hook",
        "TIDEMARK_LOOKUPS": "8",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        running = Tree(folder)
        running.start()
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture
def page(window: Browser, tree: Tree) -> Page:
    return Page(window, tree)
