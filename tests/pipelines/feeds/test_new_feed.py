"""The file of a new feed: it holds all that its exchange offers, and can be read as it is."""

from pathlib import Path

import pytest

import connectors
from pipelines.feeds import FEEDS_ROOT, Feed, load_feed, load_feeds, new_feed
from schemas import DATASETS, ConfigError


def written(path: Path, text: str) -> Feed:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    feed = load_feed(path)
    assert feed is not None
    return feed


@pytest.mark.parametrize("exchange", [*connectors.names(), "ccxt:okx", "ccxt:bybit"])
def test_everything_that_an_exchange_offers(exchange: str, tmp_path: Path) -> None:
    path = tmp_path / exchange / "defs.yaml"
    text = new_feed(path, exchange, [], ["BTC-USD", "1INCH_USD", "btcusd"], "2017-09-01", "desk")
    feed = written(path, text)
    assert set(feed.datasets) == set(connectors.offers(exchange)) & set(DATASETS)
    assert (feed.exchange, feed.account) == (exchange, "desk")
    assert feed.markets == ("BTC-USD", "1INCH_USD", "btcusd")
    assert feed.start.isoformat() == "2017-09-01T00:00:00+00:00"
    assert all(spec.schedule for spec in feed.datasets.values())
    assert connectors.key_settings(exchange, "desk") in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("exchange", ["bitexbit", "wex"])
def test_the_shipped_feeds_are_what_is_written(exchange: str, tmp_path: Path) -> None:
    path = tmp_path / exchange / "defs.yaml"
    feed = written(path, new_feed(path, exchange, [], ["BTC-USD", "ETH-USD"]))
    (shipped,) = (feed for feed in load_feeds(FEEDS_ROOT) if feed.exchange == exchange)
    assert (feed.markets, feed.start, feed.account) == (
        shipped.markets,
        shipped.start,
        shipped.account,
    )
    assert {name: spec.schedule for name, spec in feed.datasets.items()} == {
        name: spec.schedule for name, spec in shipped.datasets.items()
    }
    assert feed.datasets["candles"].timeframes == shipped.datasets["candles"].timeframes


def test_what_another_feed_collects_is_left_out(tmp_path: Path) -> None:
    first = tmp_path / "wex" / "defs.yaml"
    others = [written(first, new_feed(first, "wex", []))]
    second = tmp_path / "more" / "defs.yaml"
    text = new_feed(second, "wex", others, ["LTC-USD"])
    feed = written(second, text)
    assert set(feed.datasets) == {"trades", "candles", "tickers", "order_books"}
    assert "# Collected already by the feed wex.\n    # balances:" in text
    assert [f.name for f in load_feeds(tmp_path)] == ["more", "wex"]
    with pytest.raises(ConfigError, match="all of this is collected already by wex"):
        new_feed(second, "wex", others)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"exchange": "wexx"}, "unknown exchange 'wexx'; did you mean 'wex'?"),
        ({"markets": []}, "markets is empty"),
        ({"markets": ["BTC-USD", "BTC-USD"]}, "appears twice"),
        ({"start": "yesterday"}, "start 'yesterday' is not a date"),
        ({"start": "2999-01-01"}, "is in the future"),
        ({"account": "../up"}, "account '../up' is not a label"),
    ],
)
def test_values_that_no_feed_can_have(values: dict[str, object], message: str) -> None:
    given = {"exchange": "wex", "others": [], **values}
    with pytest.raises(ConfigError) as caught:
        new_feed(Path("feeds/x/defs.yaml"), **given)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "defs.yaml" not in str(caught.value)  # there is no such file
