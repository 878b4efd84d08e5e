"""The feeds that come with Tidemark."""

import re
from datetime import UTC, datetime

import pytest

import connectors
from pipelines.demo.exchange import DEMO_FEEDS
from pipelines.feeds import FEEDS_ROOT, load_feeds
from sandbox.markets import MARKETS
from tests.conftest import REPO

ONLY_BITEXBIT = {
    "public_orders": "0 * * * *",
    "currencies": "0 0 * * *",
    "trading_fees": "0 0 * * *",
}


def test_the_shipped_feeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    feeds = load_feeds(FEEDS_ROOT)
    assert [feed.name for feed in feeds] == ["bitexbit", "wex"]
    for feed in feeds:
        assert feed.markets == ("BTC-USD", "ETH-USD")
        assert feed.start == datetime(2016, 1, 1, tzinfo=UTC)
        assert {name: spec.schedule for name, spec in feed.datasets.items()} == {
            "trades": "*/5 * * * *",
            "candles": "*/5 * * * *",
            "tickers": "* * * * *",
            "account_trades": "*/15 * * * *",
            "account_transactions": "*/15 * * * *",
            "account_orders": "*/15 * * * *",
            "balances": "0 * * * *",
            "order_books": "*/15 * * * *",
            "markets": "0 0 * * *",
            **(ONLY_BITEXBIT if feed.name == "bitexbit" else {}),
        }


def test_the_feeds_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are apart from those of a clone, which call only what is configured there."""
    monkeypatch.undo()
    feeds = load_feeds(DEMO_FEEDS)
    assert [feed.name for feed in feeds] == ["bitexbit", "kraken", "wex"]
    for feed in feeds:
        assert {*feed.datasets} == {*connectors.offers(feed.exchange)}
        assert all(spec.schedule for spec in feed.datasets.values())


def test_the_examples_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECT_MARKETS", "BTC-USD,LTC-USD")
    feeds = {feed.name: feed for feed in load_feeds(REPO / "examples" / "feeds")}
    shipped = {feed.exchange for feed in load_feeds(FEEDS_ROOT)}
    of_exchanges = {*connectors.names()} - shipped  # each that has no feed yet
    others = {"every-market", "from-the-environment", "second-account", "okx"}
    assert {*feeds} == of_exchanges | others
    assert feeds["okx"].exchange == "ccxt:okx"
    assert feeds["from-the-environment"].markets == ("BTC-USD", "LTC-USD")
    assert feeds["every-market"].markets is None
    assert feeds["second-account"].account == "desk"
    for name in (*of_exchanges, "okx"):
        assert {*feeds[name].datasets} == {*connectors.offers(feeds[name].exchange)}
        in_sandbox = {*(feeds[name].markets or ())} <= {m.symbol for m in MARKETS if m.enabled}
        said = re.search(
            r"# `tidemark sandbox` lists others: \[(.*)\]", feeds[name].path.read_text()
        )
        assert in_sandbox or (said and {*said[1].split(", ")} <= {m.symbol for m in MARKETS})
