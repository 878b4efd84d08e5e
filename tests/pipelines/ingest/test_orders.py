"""Orders: every one once, in its newest state, for a bounded number of requests."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox import Fault, Served
from sandbox.book import Order
from sandbox.markets import text
from tests.matrix import thinned
from tests.pipelines.ingest.conftest import run, settings_for
from tests.pipelines.ingest.reference_model import files, table

Feeds = Callable[..., Path]
PUBLIC = "exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2016-01-01\ndatasets: {public_orders: {}}"
OWN = "exchange: bitexbit\nstart: 2016-01-01\ndatasets: {account_orders: {}}"
WEX = "exchange: wex\nstart: 2016-01-01\ndatasets: {account_trades: {}, account_orders: {}}"
COLUMNS = (
    "order_id, epoch_ms(timestamp), symbol, side, type, price, amount, remaining, status, filled,"
    " cost, average, epoch_ms(closed_at)"
)


def exact(value: int) -> Decimal:
    return Decimal(text(value))


def row(order: Order, now: int) -> tuple[object, ...]:
    """What BitexBit's tables should say of ``order``."""
    fills = order.filled(now)
    filled, value = sum(f.amount for f in fills), sum(f.cost for f in fills)
    canceled, left = order.is_canceled(now), order.amount - filled
    is_open = not canceled and left > 0
    closed = order.canceled if canceled else (None if left else fills[-1].ms)
    return (
        *(str(order.id), order.created, order.market.symbol, "buy" if order.buy else "sell"),
        *("limit", exact(order.price), exact(order.amount), exact(left if is_open else 0)),
        "open" if is_open else ("canceled" if canceled else "closed"),
        *(exact(filled), exact(value) if filled else None),
        *(exact(value * 10**8 // filled) if filled else None, closed),
    )


def existing(server: Served, orders: list[Order]) -> list[Order]:
    now = server.world.now()
    return sorted((o for o in orders if o.created <= now), key=lambda o: o.id)


def check(server: Served, home: Path, dataset: str, orders: list[Order]) -> None:
    now = server.world.now()
    found = table(home, f"SELECT {COLUMNS} FROM {dataset} ORDER BY order_id::BIGINT")
    assert found == [row(o, now) for o in existing(server, orders)]


@pytest.mark.parametrize(
    "profile",
    thinned(
        [
            {},
            {"order": "oldest", "page_cap": 70},
            {"limit_keeps": "oldest", "numbers": "exponent"},
            {"since_id_inclusive": False, "until_id_inclusive": False, "dates": "s"},
        ],
        4,
    ),
    ids=str,
)
def test_public_orders_in_their_newest_state(
    profile: dict[str, Any], exchange: Served, home: Path, feeds: Feeds
) -> None:
    exchange.switch(**profile)
    root, settings = feeds(PUBLIC), settings_for(exchange, home)
    everybody = exchange.world.books["BTC-USD"].orders
    assert run(settings, feeds_root=root).errors == []
    check(exchange, home, "public_orders", everybody)
    before = files(home)
    assert sum(s.rows_added + s.rows_replaced for s in run(settings, feeds_root=root).streams) == 0
    assert files(home) == before
    for _ in range(2):
        exchange.advance(6 * 3600)
        report = run(settings, feeds_root=root)
        assert report.errors == [] and sum(s.rows_replaced for s in report.streams) > 0
        check(exchange, home, "public_orders", everybody)


def test_old_open_orders_are_read_again_by_windows(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    exchange.switch(page_cap=50)
    root, settings = feeds(PUBLIC), settings_for(exchange, home)
    run(settings, feeds_root=root)
    still_open = table(home, "SELECT count(*) FROM public_orders WHERE status = 'open'")
    exchange.log.clear()
    run(settings, feeds_root=root)
    assert len(exchange.log.of("/public/orders")) < min(22, int(str(still_open[0][0])))


def test_own_orders_of_bitexbit(exchange: Served, home: Path, feeds: Feeds) -> None:
    root, settings = feeds(OWN), settings_for(exchange, home)
    mine = exchange.world.accounts["alpha"].orders
    assert run(settings, feeds_root=root).errors == []
    check(exchange, home, "account_orders", mine)
    assert sum(s.rows_added + s.rows_replaced for s in run(settings, feeds_root=root).streams) == 0
    exchange.advance(3 * 3600)
    assert run(settings, feeds_root=root).errors == []
    check(exchange, home, "account_orders", mine)
    now = exchange.world.now()
    fees = table(home, "SELECT order_id, fee_amount FROM account_orders")
    assert dict(fees) == {
        str(o.id): exact(sum(f.fee for f in o.filled(now))) if o.filled(now) else None
        for o in existing(exchange, mine)
    }


def wex_row(order: Order, now: int) -> tuple[object, ...]:
    """What can be known from WEX, which reports no cost, average or time of closing."""
    found = row(order, now)
    return (found[0], order.created // 1000 * 1000, *found[2:10], None, None, None)


def named(server: Served) -> list[Order]:
    """Orders of the WEX account that are open, or named by a fill of its own."""
    now = server.world.now()
    mine = server.world.accounts["beta"].orders
    own_fills = {order.id for order, fill in server.world.accounts["beta"].fills(now) if fill.maker}
    return [o for o in existing(server, mine) if o.is_open(now) or o.id in own_fills]


def test_own_orders_of_wex_are_looked_up_until_they_are_settled(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    root = feeds(WEX)
    settings = settings_for(exchange, home)
    settings = replace(settings, variables={**settings.variables, "TIDEMARK_LOOKUPS": "50"})
    every = f"SELECT {COLUMNS} FROM account_orders ORDER BY order_id::BIGINT"
    first = run(settings, feeds_root=root)
    assert first.errors == []
    assert len(exchange.log.of("OrderInfo")) == 50
    (notice,) = first.notices
    assert "a pull looks up 50" in notice
    pulls = 1
    while run(settings, feeds_root=root).notices:
        pulls += 1
    assert pulls < 5
    now = exchange.world.now()
    assert table(home, every) == [wex_row(o, now) for o in named(exchange)]

    exchange.log.clear()
    before = files(home)
    run(settings, feeds_root=root)
    assert files(home) == before
    assert len(exchange.log.of("ActiveOrders")) == 1 and exchange.log.of("OrderInfo") == []

    seen = {o.id for o in named(exchange)}
    exchange.advance(5 * 3600)
    while run(settings, feeds_root=root).notices:
        pass
    # An order once seen open stays, even where it was canceled without a fill.
    now = exchange.world.now()
    seen |= {o.id for o in named(exchange)}
    mine = existing(exchange, exchange.world.accounts["beta"].orders)
    assert table(home, every) == [wex_row(o, now) for o in mine if o.id in seen]
    changed = [o for o in mine if o.is_canceled(now) and o.id in seen]
    assert changed


def test_after_a_lost_ledger_open_orders_are_settled_all_the_same(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    root, settings = feeds(WEX), settings_for(exchange, home)
    run(settings, feeds_root=root)
    for name in home.glob("metastore.sqlite*"):
        name.unlink()
    exchange.advance(5 * 3600)
    assert run(settings, feeds_root=root).errors == []
    now = exchange.world.now()
    truth = {str(o.id): wex_row(o, now) for o in exchange.world.accounts["beta"].orders}
    found = table(home, f"SELECT {COLUMNS} FROM account_orders")
    assert len(found) > 100 and found == [truth[str(row[0])] for row in found]


def test_a_malformed_order_is_asked_for_again(exchange: Served, home: Path, feeds: Feeds) -> None:
    root, settings = feeds(WEX), settings_for(exchange, home)
    spoiled = Fault("malformed", path="OrderInfo", times=1, spoil=("rate", '"n/a"'))
    exchange.faults.add(spoiled)
    assert any("quarantine" in e for e in run(settings, feeds_root=root).errors)
    count = "SELECT count(*) FROM account_orders"
    assert table(home, count) == [(len(named(exchange)) - 1,)]
    assert run(settings, feeds_root=root).ok
    assert table(home, count) == [(len(named(exchange)),)]


def test_an_order_that_wex_does_not_know_is_asked_for_once(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    root, settings = feeds(WEX), settings_for(exchange, home)
    unknown = b'{"success":0,"error":"invalid order"}'
    exchange.faults.add(Fault("body", body=unknown, path="OrderInfo", times=1))
    first = run(settings, feeds_root=root)
    assert first.errors == []
    while run(settings, feeds_root=root).notices:
        pass
    exchange.log.clear()
    report = run(settings, feeds_root=root)
    assert report.notices == [] and len(exchange.log.of("OrderInfo")) <= 1


def test_nothing_is_an_answer_where_no_order_is_open(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    root, settings = feeds(WEX), settings_for(exchange, home)
    nothing = b'{"success":0,"error":"no orders"}'
    exchange.faults.add(Fault("body", body=nothing, path="ActiveOrders", times=None))
    assert run(settings, feeds_root=root).errors == []
