"""An account that has to be asked market by market: which ones, and that its rows are the same."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import connectors
import warehouse
from connectors.base import Connection, Connector, Page, Paging, Window
from connectors.local import NoLimits
from pipelines.feeds import load_feeds, select_jobs
from pipelines.ingest import pull
from pipelines.ingest.account_markets import account_markets
from pipelines.ingest.report import StreamProgress
from sandbox import Served
from schemas import ConfigError, StreamId
from tests.feeds import write_feed
from tests.pipelines.ingest.conftest import only_pull, run, settings_for
from tests.warehouse.tools import assert_each_once, bag, lake
from warehouse.store import Store

FEED = """\
exchange: bitexbit
account: main
markets: [BTC-USD]
start: 2016-01-01
{more}datasets:
  account_trades: {{}}
  {balances}
"""
_real_open, _real_offers = connectors.open_connector, connectors.offers


class ByMarket:
    """A connector whose account's fills are given market by market only."""

    def __init__(self, whole: Connector) -> None:
        self._whole = whole
        self.asked: list[str] = []
        self._pages: list[Page] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    @property
    def offers(self) -> Mapping[str, Paging]:
        return by_market(self._whole.offers)

    def fetch(self, stream: StreamId, window: Window) -> Page:
        if stream.dataset != "account_trades":
            return self._whole.fetch(stream, window)
        assert stream.symbol and stream.account
        self.asked.append(stream.symbol)
        pages = self._pages = self._pages or [*self._every_page(stream)]
        table = pa.concat_tables(page.table for page in pages)
        low, high = window.lower or 0, 2**62 if window.upper is None else window.upper
        symbols, ids = table["symbol"].to_pylist(), map(int, table["trade_id"].to_pylist())
        mine = sorted(
            (i, n) for n, i in enumerate(ids) if symbols[n] == stream.symbol and low <= i <= high
        )
        newest = mine[-window.limit :]  # of this market only
        positions = pa.array([i for i, _ in newest], pa.int64())
        shown = pa.array([n for _, n in newest], pa.int64())
        return replace(pages[0], table=table.take(shown), positions=positions)

    def _every_page(self, stream: StreamId) -> Iterator[Page]:
        """Of the whole account, newest first; the exchange's clock stands still meanwhile."""
        window = Window()
        while (page := self._whole.fetch(replace(stream, symbol=None), window)).received:
            yield page
            window = Window(upper=min(page.positions.to_pylist()) - 1)
        yield page


def by_market(offers: Mapping[str, Paging]) -> Mapping[str, Paging]:
    return {**offers, "account_trades": replace(offers["account_trades"], per_market=True)}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[ByMarket]:
    made: list[ByMarket] = []

    def open_(name: str, connection: Connection, **more: Any) -> Connector:
        made.append(ByMarket(_real_open(name, connection, **more)))
        return made[-1]  # type: ignore[return-value]

    monkeypatch.setattr(connectors, "open_connector", open_)
    monkeypatch.setattr(connectors, "offers", lambda name: by_market(_real_offers(name)))
    return made


Feeds = Callable[..., Path]


@pytest.fixture
def feeds(tmp_path: Path) -> Feeds:
    def written(more: str = "", balances: str = "balances: {}") -> Path:
        text = FEED.format(more=more, balances=balances)
        write_feed(tmp_path / "feeds", text, "bitexbit")
        return tmp_path / "feeds"

    return written


def labels(home: Path) -> set[str]:
    return {s.label for s in Store(home).streams("bitexbit", "account_trades")}


@pytest.fixture
def whole(standing: Served, feeds: Feeds, tmp_path: Path) -> Path:
    """The home of an account that was asked as a whole."""
    home = tmp_path / "whole"
    assert only_pull(settings_for(standing, home), feeds_root=feeds()).errors == []
    return home


def test_every_market_between_currencies_that_were_held_is_asked(
    whole: Path, standing: Served, feeds: Feeds, home: Path, opened: list[ByMarket]
) -> None:
    settings = settings_for(standing, home)
    report = run(settings, feeds_root=feeds())
    assert report.errors == [] and {s.stream for s in report.streams} > {"main/BTC-USD"}
    assert bag(lake(home, "account_trades")) == bag(lake(whole, "account_trades"))
    traded = {row["symbol"] for row in lake(whole, "account_trades")}
    assert len(traded) > 1 and labels(home) >= {f"main/{symbol}" for symbol in traded}
    assert_each_once(home)
    covered = warehouse.coverage(home).to_pylist()
    streams = {r["stream"] for r in covered if r["dataset"] == "account_trades"}
    assert streams >= {f"main/{symbol}" for symbol in traded}
    assert warehouse.verify(home).findings == []
    again = run(settings, feeds_root=feeds())
    assert again.errors == [] and sum(s.rows_added for s in again.streams) == 0
    held = warehouse.sql("SELECT stream, rows FROM marts.health", home=home).to_pylist()
    assert {r["stream"] for r in held if r["rows"]} >= {f"main/{symbol}" for symbol in traded}


@pytest.mark.parametrize(
    ("chosen", "asked"),
    [("[ETH-USD]", {"ETH-USD"}), ("[ETH_USD, BTC_USD]", {"ETH-USD", "BTC-USD"}), ("all", None)],
)
def test_a_feed_can_name_them(
    chosen: str,
    asked: set[str] | None,
    standing: Served,
    feeds: Feeds,
    home: Path,
    opened: list[ByMarket],
) -> None:
    root = feeds(f"account_markets: {chosen}\n")
    assert only_pull(settings_for(standing, home), feeds_root=root).errors == []
    listed = {m.symbol for m in opened[0].markets()}
    assert set(opened[0].asked) == (listed if asked is None else asked)


def test_without_stored_balances_those_of_now_are_asked_for(
    standing: Served, feeds: Feeds, home: Path, opened: list[ByMarket]
) -> None:
    root = feeds(balances="tickers: {}")
    assert only_pull(settings_for(standing, home), feeds_root=root).errors == []
    assert {"BTC-USD", "ETH-USD"} <= set(opened[0].asked)


def test_streams_of_another_exchange_are_not_waited_for(
    standing: Served, home: Path, tmp_path: Path
) -> None:
    """A long history of one exchange goes on while another's account is asked market by market."""
    root = tmp_path / "feeds"
    for exchange, dataset in (("kraken", "trades"), ("binance", "account_trades")):
        text = f"exchange: {exchange}\nmarkets: [BTC-USD]\nstart: 2016-01-01\n"
        write_feed(root, f"{text}datasets: {{{dataset}: {{}}}}", exchange)
    asked = threading.Event()
    in_time: list[bool] = []

    def listener(progress: StreamProgress) -> None:
        if progress.exchange == "binance":
            asked.set()
        elif not in_time:
            in_time.append(asked.wait(20))

    jobs = select_jobs(load_feeds(root), [])
    report = pull(jobs, settings_for(standing, home), listener, limits=NoLimits())
    assert report.errors == [] and in_time == [True]
    assert [s.exchange for s in report.streams][:1] == ["binance"]  # in the order of the feeds


def test_a_market_that_is_not_listed_is_named(
    standing: Served, feeds: Feeds, home: Path, opened: list[ByMarket]
) -> None:
    root = feeds("account_markets: [BTC-USD, ETH-USDX]\n")
    (error,) = only_pull(settings_for(standing, home), feeds_root=root).errors
    assert "does not list the market ETH-USDX" in error
    assert set(opened[0].asked) == {"BTC-USD"}


def test_an_exchange_that_gives_all_at_once_has_no_such_choice(feeds: Feeds) -> None:
    with pytest.raises(ConfigError, match=r"7: bitexbit gives account data of all markets at once"):
        load_feeds(feeds("account_markets: [BTC-USD]\n"))


def test_what_was_held_is_read_from_the_lake(
    whole: Path, standing: Served, opened: list[ByMarket]
) -> None:
    settings = settings_for(standing, whole)
    from pipelines.exchanges.connect import open_exchange

    with closing(open_exchange(settings, "bitexbit", "main")) as connector:
        found = account_markets(Store(whole), connector, "main")
        assert found and account_markets(Store(whole), connector, "other") != []
        held = {row["currency"] for row in lake(whole, "balances") if row["available"]}
        named: Sequence[Any] = [m for m in connector.markets() if m.symbol in found]
        assert {m.base for m in named} | {m.quote for m in named} <= held
