"""Whole pulls of YoBit's dialect: what it shows is held, once; what it ignores is said."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import warehouse
from pipelines.ingest import PullReport
from pipelines.publishing import publish
from sandbox import Served
from sandbox.markets import text
from tests.matrix import combined
from tests.pipelines.ingest.conftest import only_pull, settings_for
from tests.pipelines.ingest.reference_model import table

FEED = "exchange: yobit\nmarkets: {}\nstart: 2026-01-09\ndatasets: {{{}}}"
PUBLIC = "markets: {}, trades: {}, candles: {timeframes: [5m]}, tickers: {}, order_books: {}"
ACCOUNT = "account_trades: {}, account_orders: {}, balances: {}"
HOUR = 3600

Feeds = Callable[[str], Path]


def only_pull_well(settings: Any, root: Path) -> PullReport:
    report = only_pull(settings, feeds_root=root)
    assert report.errors == []
    return report


def held(home: Path) -> list[tuple[Any, ...]]:
    return table(
        home,
        "SELECT trade_id::BIGINT, epoch_ms(timestamp) // 1000, side, price, amount FROM trades"
        " WHERE symbol = 'BTC-USD' ORDER BY 1",
    )


def shown(server: Served) -> list[tuple[Any, ...]]:
    now = server.world.now()
    return [
        (t.id, t.timestamp // 1000, t.side, Decimal(t.price), Decimal(t.amount))
        for t in server.world.tapes["BTC-USD"].trades()
        if t.timestamp <= now
    ]


def test_the_whole_main_job(exchange: Served, home: Path, feeds: Feeds) -> None:
    root = feeds(FEED.format("[BTC-USD, LTC-BTC]", f"{PUBLIC}, {ACCOUNT}"))
    settings = settings_for(exchange, home)
    for _ in range(2):  # of the orders that fills name, in the second
        only_pull_well(settings, root)
    publish(settings)
    check_account(exchange, home)
    check_orders(exchange, home)
    found = held(home)
    assert found == [row for row in shown(exchange) if row[0] >= found[0][0]]
    ((books, candles),) = table(
        home, "SELECT (SELECT count(*) FROM order_books), (SELECT count(*) FROM candles)"
    )
    assert books > 10 and candles > 10


@pytest.mark.parametrize(
    "habits",
    combined(
        [
            {"wex_order": "oldest", "sorts_by": "time"},
            {"wex_numbers": "text", "wex_success": "1", "wex_empty": "array"},
            {"wex_trades_max": 700},
            {"page_cap": 60},
            {"from_id_inclusive": False, "end_id_inclusive": False},
            {"gzip": True, "extra_fields": True},
        ],
        2,
    ),
    ids=str,
)
def test_every_row_once_whatever_is_unknown(
    exchange: Served, home: Path, feeds: Feeds, habits: dict[str, Any]
) -> None:
    datasets = "markets: {}, trades: {}, account_trades: {}, balances: {}"
    root = feeds(FEED.format("[BTC-USD]", datasets))
    settings = settings_for(exchange, home)
    exchange.switch(**habits)
    for _ in range(3):
        only_pull_well(settings, root)
        exchange.advance(HOUR)
    exchange.advance(-HOUR)
    only_pull_well(settings, root)
    publish(settings)
    found = held(home)
    assert found == [row for row in shown(exchange) if row[0] >= found[0][0]]
    spans = [r for r in warehouse.coverage(home).to_pylist() if r["dataset"] == "trades"]
    assert sorted((r["stream"], r["state"]) for r in spans if r["stream"] == "BTC-USD") == [
        ("BTC-USD", "complete"),
        ("BTC-USD", "lost"),
    ]
    check_account(exchange, home)


def check_account(exchange: Served, home: Path) -> None:
    now, account = exchange.world.now(), exchange.world.accounts["beta"]
    fills = table(
        home,
        "SELECT symbol, trade_id::BIGINT, side, price, amount, fee_amount FROM account_trades"
        " ORDER BY 2",
    )
    assert fills == [
        (o.market.symbol, f.trade_id, "buy" if o.buy else "sell", Decimal(text(f.price)),
         Decimal(text(f.amount)), None)
        for o, f in account.fills(now)
    ]  # fmt: skip
    assert len({row[0] for row in fills}) == 4
    rows = table(
        home,
        "SELECT currency, available, reserved FROM balances"
        " QUALIFY observed_at = max(observed_at) OVER () ORDER BY 1",
    )
    assert rows == [
        (code, Decimal(text(free)), Decimal(text(reserved)))
        for code, (free, reserved) in sorted(account.balances(now).items())
    ]


def check_orders(exchange: Served, home: Path) -> None:
    now, account = exchange.world.now(), exchange.world.accounts["beta"]
    is_open = {str(o.id) for o in account.orders if o.is_open(now)}
    query = "SELECT order_id FROM account_orders WHERE status = 'open'"
    assert {row[0] for row in table(home, query)} == is_open
    own = {str(o.id) for o, f in account.fills(now) if f.maker}
    stored = {row[0] for row in table(home, "SELECT order_id FROM account_orders")}
    assert own <= stored
    names = table(home, "SELECT DISTINCT symbol, order_id FROM account_orders")
    assert len(names) == len(stored)


def test_a_history_that_ignores_its_parameters_is_not_called_complete(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    """Rows of all pairs, the newest first: those of the pair asked for are kept, once."""
    root = feeds(FEED.format("[BTC-USD]", "account_trades: {}"))
    settings = settings_for(exchange, home)
    exchange.switch(ignored=frozenset({"pair", "from_id", "end_id"}), page_cap=60)
    report = only_pull(settings, feeds_root=root)
    assert report.errors
    publish(settings)
    now, account = exchange.world.now(), exchange.world.accounts["beta"]
    newest = account.fills(now)[-60:]
    found = table(home, "SELECT symbol, trade_id::BIGINT FROM account_trades ORDER BY 2")
    assert found == [(o.market.symbol, f.trade_id) for o, f in newest]
    for row in warehouse.coverage(home).to_pylist():
        if row["state"] == "complete":
            symbol = row["stream"].partition("/")[2]
            inside = {
                f.trade_id
                for o, f in account.fills(now)
                if o.market.symbol == symbol and row["lower"] <= f.trade_id <= row["upper"]
            }
            assert inside <= {id_ for _, id_ in found}


def test_more_than_the_newest_2000_trades_between_two_pulls_are_lost_and_said(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    root = feeds(FEED.format("[BTC-USD]", "trades: {}"))
    settings = settings_for(exchange, home)
    only_pull_well(settings, root)
    exchange.advance(20 * HOUR)
    (error,) = only_pull(settings, feeds_root=root).errors
    assert "lost" in error
    only_pull_well(settings, root)
    spans = [(r["lower"], r["state"]) for r in warehouse.coverage(home).to_pylist()]
    assert [state for _, state in sorted(spans)] == ["lost", "complete", "lost", "complete"]
