"""Order books, balances and fee rates: stored whole, as they are, and only where they changed."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest

import warehouse
from pipelines.cli import main
from pipelines.exchanges.rights import KeyRights, key_rights
from sandbox import KEYS, Fault, Served
from sandbox.jsontext import NumberStyle
from sandbox.markets import text
from tests.matrix import thinned
from tests.pipelines.ingest.conftest import run, settings_for
from tests.pipelines.ingest.reference_model import files, table

Feeds = Callable[..., Path]
BOOKS = "markets: [BTC-USD, LTC-BTC]\nstart: 2016-01-01\ndatasets: {order_books: {}}"
MONEY = "start: 2016-01-01\ndatasets: {balances: {}}"
FEES = "start: 2016-01-01\ndatasets: {trading_fees: {}}"


def book(home: Path, exchange: str, symbol: str) -> dict[str, list[tuple[object, object]]]:
    """The newest book: (price, amount) by side, in the order of ``level``."""
    rows = table(
        home,
        "SELECT side, level, price, amount FROM order_books"
        f" WHERE exchange = '{exchange}' AND symbol = '{symbol}' AND observed_at ="
        f" (SELECT max(observed_at) FROM order_books WHERE exchange = '{exchange}'"
        f" AND symbol = '{symbol}') ORDER BY side, level",
    )
    found: dict[str, list[tuple[object, object]]] = {"ask": [], "bid": []}
    for side, level, price, amount in rows:
        assert level == len(found[str(side)])
        found[str(side)].append((price, amount))
    return found


def truth(server: Served, symbol: str) -> dict[str, list[tuple[object, object]]]:
    asks, bids = server.world.depth(symbol, server.world.now())
    return {
        side: [(Decimal(text(p)), Decimal(text(a))) for p, a in levels]
        for side, levels in (("ask", asks), ("bid", bids))
    }


@pytest.fixture
def books(feeds: Feeds) -> Path:
    feeds(f"exchange: wex\n{BOOKS}", "wex")
    return feeds(f"exchange: bitexbit\n{BOOKS}", "bitexbit")


def test_a_book_is_stored_with_all_its_levels_and_again_only_when_it_changed(
    exchange: Served, home: Path, books: Path
) -> None:
    settings = settings_for(exchange, home)
    assert run(settings, feeds_root=books).errors == []
    for name in ("bitexbit", "wex"):
        for symbol in ("BTC-USD", "LTC-BTC"):
            assert book(home, name, symbol) == truth(exchange, symbol)
    before = files(home)
    second = run(settings, feeds_root=books)
    assert sum(s.rows_added for s in second.streams) == 0 and files(home) == before
    assert second.notices == []

    exchange.advance(1200)
    run(settings, feeds_root=books)
    for name in ("bitexbit", "wex"):
        assert book(home, name, "BTC-USD") == truth(exchange, "BTC-USD")
    moments = "SELECT count(DISTINCT observed_at) FROM order_books WHERE symbol = 'BTC-USD'"
    assert table(home, f"{moments} GROUP BY exchange") == [(2,), (2,)]


@pytest.mark.parametrize("style", thinned(["text", "number", "exponent", "exponent-text"], 2))
def test_books_and_balances_are_the_same_however_numbers_are_written(
    style: NumberStyle, exchange: Served, home: Path, books: Path, feeds: Feeds
) -> None:
    feeds(f"exchange: wex\n{MONEY}", "wex-money")
    root = feeds(f"exchange: bitexbit\n{MONEY}", "bitexbit-money")
    exchange.switch(numbers=style, wex_numbers=style)
    assert run(settings_for(exchange, home), feeds_root=root).errors == []
    for name in ("bitexbit", "wex"):
        assert book(home, name, "BTC-USD") == truth(exchange, "BTC-USD")
    check_balances(exchange, home)


def check_balances(server: Served, home: Path) -> None:
    """The newest balances of both exchanges are those of the world."""
    newest = (
        "SELECT currency, available, reserved FROM balances b WHERE observed_at ="
        " (SELECT max(observed_at) FROM balances WHERE exchange = b.exchange) AND exchange = '{}'"
        " ORDER BY 1"
    )
    now = server.world.now()
    held = server.world.accounts["alpha"].balances(now)
    assert table(home, newest.format("bitexbit")) == [
        (code, Decimal(text(available)), Decimal(text(reserved)))
        for code, (available, reserved) in sorted(held.items())
    ]
    held = server.world.accounts["beta"].balances(now)
    assert table(home, newest.format("wex")) == [
        (c.code, Decimal(text(held.get(c.code, (0, 0))[0])), None)
        for c in sorted(server.world.currencies, key=lambda c: c.code)
    ]


def checked(home: Path) -> dict[str, int]:
    """When a pull last looked at each account's balances."""
    return {
        str(status.stream): status.state.checked_at or 0
        for status in warehouse.status(home)
        if status.stream.dataset == "balances"
    }


def test_balances_are_stored_when_they_changed(exchange: Served, home: Path, feeds: Feeds) -> None:
    feeds(f"exchange: wex\n{MONEY}", "wex")
    root = feeds(f"exchange: bitexbit\n{MONEY}", "bitexbit")
    settings = settings_for(exchange, home)
    first = run(settings, feeds_root=root)
    assert first.errors == [] and first.notices == []
    check_balances(exchange, home)
    before, looked = files(home), checked(home)
    assert sum(s.rows_added for s in run(settings, feeds_root=root).streams) == 0
    assert files(home) == before
    assert all(checked(home)[stream] > at for stream, at in looked.items())  # nothing new is news
    exchange.advance(7200)
    run(settings, feeds_root=root)
    check_balances(exchange, home)
    moments = "SELECT exchange, count(DISTINCT observed_at) FROM balances GROUP BY 1 ORDER BY 1"
    assert table(home, moments) == [("bitexbit", 2), ("wex", 2)]


def test_a_key_that_may_do_more_than_read_is_reported_with_the_fix(
    exchange: Served,
    home: Path,
    feeds: Feeds,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the pull, by ``status`` and to Dagster's check, until a key has fewer."""
    feeds(f"exchange: bitexbit\n{MONEY}", "bitexbit")  # which reports no rights of keys
    root = feeds(f"exchange: wex\n{MONEY}", "wex")
    settings = settings_for(exchange, home)

    def status() -> list[str]:
        assert main(["status"]) == 0
        lines = capsys.readouterr().out.splitlines()
        return [line for line in lines if line.startswith(("key:", "next:"))]

    monkeypatch.setenv("TIDEMARK_HOME", str(home))
    assert run(settings, feeds_root=root).notices == []
    assert key_rights(settings) == [KeyRights("wex", "main", ("info",))]
    assert status() == []
    key = KEYS["wex:second"]
    more = replace(
        settings,
        variables={**settings.variables, "WEX_API_KEY": key.key, "WEX_API_SECRET": key.secret},
    )
    report = run(more, feeds_root=root)
    assert report.ok
    (notice,) = report.notices
    assert "right to trade" in notice and "tick info and nothing else" in notice
    assert "WEX_API_KEY" in notice and "WEX_API_SECRET" in notice and key.secret not in notice
    (reported,) = key_rights(settings)
    assert reported.excess == ("trade",)
    assert status() == [f"key: {reported.finding}", f"next: {reported.fix}"]
    assert notice == f"{reported.finding}. Fix: {reported.fix}"
    assert run(settings, feeds_root=root).notices == []
    assert key_rights(settings) == [KeyRights("wex", "main", ("info",))]
    assert status() == []


@pytest.mark.parametrize("fee_keys", ["side", "role"])
def test_fee_rates_under_either_name(
    fee_keys: Literal["side", "role"], exchange: Served, home: Path, feeds: Feeds
) -> None:
    root = feeds(f"exchange: bitexbit\n{FEES}")
    exchange.switch(fee_keys=fee_keys)
    settings = settings_for(exchange, home)
    assert run(settings, feeds_root=root).errors == []
    rates = "SELECT symbol, buy_fee_rate, sell_fee_rate FROM trading_fees ORDER BY observed_at, 1"
    usual, special = Decimal("0.002"), Decimal("0.001")
    assert table(home, rates) == [("*", usual, usual), ("ETH-BTC", special, special)]
    assert sum(s.rows_added for s in run(settings, feeds_root=root).streams) == 0
    lower = b'{"sell_fee_rate":"0.002","buy_fee_rate":0.0015,"pair_fee_rates":[]}'
    exchange.faults.add(Fault("body", body=lower, path="/private/trading-fees"))
    run(settings, feeds_root=root)
    assert table(home, rates)[2:] == [("*", Decimal("0.0015"), usual)]
