"""Markets and currencies: the newest state of each, and their history where something changed."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.feeds import load_feeds
from pipelines.ingest import PullReport
from sandbox import Fault, Served
from sandbox.bitexbit.params import native as bitexbit_name
from sandbox.markets import text
from sandbox.wex.public import native as wex_name
from schemas import ConfigError
from tests.pipelines.ingest.conftest import run, settings_for
from tests.pipelines.ingest.reference_model import files, table

Feeds = Callable[..., Path]
WHOLE = "markets: all\nstart: 2016-01-01\ndatasets: {{{}}}"


@pytest.fixture
def root(feeds: Feeds) -> Path:
    feeds("exchange: wex\n" + WHOLE.format("markets: {}"), "wex")
    return feeds("exchange: bitexbit\n" + WHOLE.format("markets: {}, currencies: {}"), "bitexbit")


def markets(home: Path, exchange: str) -> list[tuple[object, ...]]:
    return table(
        home,
        "SELECT symbol, native_symbol, base, quote, price_precision, amount_precision, min_amount,"
        " max_amount, min_value, min_price, max_price, fee_rate, active FROM markets"
        f" WHERE exchange = '{exchange}' ORDER BY symbol",
    )


def test_markets_are_the_exchanges(exchange: Served, home: Path, root: Path) -> None:
    report = run(settings_for(exchange, home), feeds_root=root)
    assert report.errors == [] and report.notices == []
    listed = sorted(exchange.world.markets, key=lambda m: m.symbol)
    assert markets(home, "bitexbit") == [
        (
            *(m.symbol, bitexbit_name(m), m.base, m.quote, m.price_digits, m.amount_digits),
            *(Decimal(text(m.lot)), Decimal(100_000_000), Decimal("0.00001")),
            *(None, None, None, m.enabled),
        )
        for m in listed
    ]
    assert markets(home, "wex") == [
        (
            *(m.symbol, wex_name(m), m.base, m.quote, m.price_digits, None, Decimal(text(m.lot))),
            *(None, None, Decimal(text(m.tick)), Decimal(10_000_000)),
            *(Decimal(m.fee_ppm) / 1_000_000, True),
        )
        for m in listed
        if m.enabled
    ]
    found = table(home, "SELECT currency, name, precision, active FROM currencies ORDER BY 1")
    known = sorted(exchange.world.currencies, key=lambda c: c.code)
    assert found == [(c.code, c.name, c.precision, c.enabled) for c in known]


def without(server: Served, symbol: str) -> None:
    server.world.markets = tuple(m for m in server.world.markets if m.symbol != symbol)


def test_history_grows_only_where_something_changed(
    exchange: Served, home: Path, root: Path
) -> None:
    settings = settings_for(exchange, home)
    run(settings, feeds_root=root)
    before = files(home)
    exchange.log.clear()
    second = run(settings, feeds_root=root)
    assert sum(s.rows_added + s.rows_replaced for s in second.streams) == 0
    assert files(home) == before
    assert {s.requests for s in second.streams} == {1}
    count = "SELECT exchange, count(*) FROM markets_history GROUP BY 1 ORDER BY 1"
    assert table(home, count) == [("bitexbit", 5), ("wex", 4)]

    world = exchange.world
    world.markets = tuple(
        replace(m, amount_digits=5, fee_ppm=3_000) if m.symbol == "BTC-USD" else m
        for m in world.markets
    )
    third = run(settings, feeds_root=root)
    assert {(s.exchange, s.rows_replaced) for s in third.streams if s.dataset == "markets"} == {
        ("bitexbit", 1),
        ("wex", 1),
    }
    states = table(
        home,
        "SELECT exchange, symbol, amount_precision, fee_rate, valid_to IS NULL,"
        " valid_to = lead(valid_from) OVER (PARTITION BY exchange, symbol ORDER BY valid_from)"
        " FROM markets_history WHERE symbol = 'BTC-USD' ORDER BY exchange, valid_from",
    )
    assert states == [
        ("bitexbit", "BTC-USD", 6, None, False, True),
        ("bitexbit", "BTC-USD", 5, None, True, None),
        ("wex", "BTC-USD", None, Decimal("0.002"), False, True),
        ("wex", "BTC-USD", None, Decimal("0.003"), True, None),
    ]
    assert table(home, count) == [("bitexbit", 6), ("wex", 5)]
    now = table(home, "SELECT exchange, symbol FROM markets")
    assert len(now) == len(set(now)) == 9


def test_a_vanished_market_stays_and_is_not_active(
    exchange: Served, home: Path, root: Path
) -> None:
    settings = settings_for(exchange, home)
    run(settings, feeds_root=root)
    without(exchange, "LTC-BTC")
    exchange.log.clear()
    assert run(settings, feeds_root=root).errors == []
    # BitexBit is asked for the pair by name before it is called gone, once.
    assert len(exchange.log.of("/public/pairs/LTC_BTC")) == 1
    active = "SELECT exchange, active FROM markets WHERE symbol = 'LTC-BTC' ORDER BY 1"
    assert table(home, active) == [("bitexbit", False), ("wex", False)]
    run(settings, feeds_root=root)
    assert len(exchange.log.of("/public/pairs/LTC_BTC")) == 1
    states = "SELECT active, count(*) FROM markets_history WHERE symbol = 'LTC-BTC' GROUP BY 1"
    assert dict(table(home, states)) == {True: 2, False: 2}


def test_a_market_that_is_only_missing_in_the_list_keeps_what_its_detail_says(
    exchange: Served, home: Path, root: Path
) -> None:
    settings = settings_for(exchange, home)
    run(settings, feeds_root=root)
    whole = exchange.world.markets

    def script(request: object) -> Fault | None:
        listing = getattr(request, "path", "") == "/api/v2/public/pairs"
        exchange.world.markets = tuple(whole[1:]) if listing else whole
        return None

    exchange.faults.script = script
    report = run(settings, "bitexbit/markets", feeds_root=root)
    assert report.errors == []
    found = table(home, "SELECT active FROM markets WHERE symbol = 'BTC-USD'")
    assert found == [(True,), (True,)]


def test_an_empty_list_is_not_believed(exchange: Served, home: Path, root: Path) -> None:
    settings = settings_for(exchange, home)
    run(settings, feeds_root=root)
    exchange.faults.add(Fault("body", body=b"[]", path="/public/pairs", times=None))
    report: PullReport = run(settings, "bitexbit/markets", feeds_root=root)
    assert any("lists nothing at all" in e for e in report.errors)
    assert len(markets(home, "bitexbit")) == 5


def test_an_unreadable_row_makes_nothing_vanish(exchange: Served, home: Path, root: Path) -> None:
    settings = settings_for(exchange, home)
    run(settings, feeds_root=root)
    exchange.faults.add(
        Fault("malformed", path="/public/pairs", times=None, spoil=("is_enabled", '"perhaps"'))
    )
    report = run(settings, "bitexbit/markets", feeds_root=root)
    assert any("quarantine" in e for e in report.errors)
    active = "SELECT count(*) FROM markets WHERE active AND exchange = 'bitexbit'"
    assert table(home, active) == [(4,)]


def test_a_currency_that_only_markets_name_is_asked_for(
    exchange: Served, home: Path, root: Path
) -> None:
    settings = settings_for(exchange, home)
    whole = exchange.world.currencies

    def script(request: object) -> Fault | None:
        listing = getattr(request, "path", "") == "/api/v2/public/currencies"
        exchange.world.currencies = tuple(whole[:-1]) if listing else whole
        return None

    exchange.faults.script = script
    assert run(settings, "bitexbit/currencies", feeds_root=root).errors == []
    assert len(exchange.log.of("/public/currency/DOGE")) == 1
    found = table(home, "SELECT currency, active FROM currencies WHERE currency = 'DOGE'")
    assert found == [("DOGE", False)]


def test_all_follows_listings_and_delistings(exchange: Served, home: Path, feeds: Feeds) -> None:
    root = feeds("exchange: wex\n" + WHOLE.format("trades: {}, tickers: {}, markets: {}"))
    settings = settings_for(exchange, home)
    whole = exchange.world.markets
    without(exchange, "ETH-BTC")
    run(settings, feeds_root=root)
    symbols = "SELECT DISTINCT symbol FROM trades ORDER BY 1"
    assert table(home, symbols) == [("BTC-USD",), ("ETH-USD",), ("LTC-BTC",)]

    exchange.world.markets = whole
    without(exchange, "LTC-BTC")
    second = run(settings, feeds_root=root)
    assert second.errors == []
    assert len([n for n in second.notices if "LTC-BTC" in n and "no longer" in n]) == 2
    assert len(table(home, symbols)) == 4
    active = "SELECT symbol, active FROM markets WHERE symbol IN ('LTC-BTC', 'ETH-BTC') ORDER BY 1"
    assert table(home, active) == [("ETH-BTC", True), ("LTC-BTC", False)]
    assert run(settings, feeds_root=root).notices == []  # said once

    exchange.world.markets = whole
    exchange.advance(600)
    assert run(settings, feeds_root=root).errors == []
    assert table(home, active) == [("ETH-BTC", True), ("LTC-BTC", True)]


def test_a_list_that_can_be_read_in_part_ends_no_market(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    root = feeds("exchange: wex\n" + WHOLE.format("trades: {}"))
    settings = settings_for(exchange, home)
    whole = exchange.world.markets
    without(exchange, "LTC-BTC")
    assert run(settings, feeds_root=root).errors == []
    exchange.world.markets = whole
    swap = (b'"eth_btc":{', b'"eth_btc":null,"x_":{')
    exchange.faults.add(Fault("swap", path="/api/3/info", times=None, swap=swap))
    report = run(settings, feeds_root=root)
    (error,) = report.errors
    assert "2 of the 5 markets listed cannot be read: the row is not as documented" in error
    assert report.notices == []  # none is said to be listed no longer
    assert '"eth_btc"' in error  # held, so it is pulled all the same
    symbols = "SELECT DISTINCT symbol FROM trades ORDER BY 1"
    held = [("BTC-USD",), ("ETH-BTC",), ("ETH-USD",), ("LTC-BTC",)]
    assert table(home, symbols) == held
    assert {s.stream for s in report.streams if s.requests} == {symbol for (symbol,) in held}


def test_lists_are_of_the_whole_exchange(feeds: Feeds) -> None:
    feeds("exchange: bitexbit\nstart: 2016-01-01\ndatasets: {markets: {}}", "one")
    root = feeds("exchange: bitexbit\nstart: 2016-01-01\ndatasets: {currencies: {}}", "two")
    assert [feed.markets for feed in load_feeds(root)] == [(), ()]
    feeds("exchange: bitexbit\nstart: 2016-01-01\ndatasets: {markets: {}}", "two")
    with pytest.raises(ConfigError, match="markets of all there is on bitexbit is collected"):
        load_feeds(root)


def test_all_markets_of_an_exchange_that_lists_none(
    exchange: Served, home: Path, feeds: Callable[..., Path]
) -> None:
    root = feeds("exchange: bitexbit\n" + WHOLE.format("trades: {}, tickers: {}"))
    exchange.faults.add(Fault("body", body=b"[]", path="/public/pairs", times=None))
    report: PullReport = run(settings_for(exchange, home), feeds_root=root)
    assert not report.ok and len(report.errors) == 2
    assert all("bitexbit lists no market at all" in e and "\nFix: " not in e for e in report.errors)
    assert all("Fix: pull again later" in e for e in report.errors)
