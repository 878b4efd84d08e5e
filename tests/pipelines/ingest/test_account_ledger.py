"""The account proves itself: pulled over HTTP, the ledger is what the exchange says, to the last
digit, at every step of its clock."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

import warehouse
from pipelines.publishing import publish, reconcile
from sandbox import Served, serve
from sandbox.account import Account
from schemas import StreamId, dataset
from tests.matrix import thinned
from tests.pipelines.ingest.conftest import only_pull, run, settings_for
from tests.warehouse.tools import store
from tests.worlds import world_at

ACCOUNTS = {"bitexbit": "alpha", "wex": "beta"}
STEPS = (0, 431, 3600, 59, 7777, 20_000, 3)
UNIT = Decimal("1e-8")

Truth = dict[tuple[str, str, datetime], tuple[Decimal, Decimal]]
"""Available and reserved by exchange, currency and time."""


@pytest.fixture(params=[7, pytest.param(11, marks=pytest.mark.torture)])
def world(request: pytest.FixtureRequest) -> Iterator[Served]:
    with serve(world_at(seed=request.param), limits=False) as server:
        yield server


def observe(server: Served, home: Path) -> Truth:
    """Store what the exchange would say now; returns available and reserved by observation."""
    now = server.world.now()
    when = datetime.fromtimestamp(now / 1000, UTC)
    truth: Truth = {}
    for exchange, name in ACCOUNTS.items():
        rows = []
        for currency, (free, held) in server.world.accounts[name].balances(now).items():
            truth[exchange, currency, when] = free * UNIT, held * UNIT
            row = {"currency": currency, "observed_at": when, "available": free * UNIT}
            # WEX's funds leave out what lies in open orders
            rows.append(row | {"reserved": None if exchange == "wex" else held * UNIT})
        stream = StreamId(exchange, "balances", account="main")
        assert store(home, stream, rows).added == len(rows)
    return truth


def under_way(account: Account, when: datetime) -> dict[int, str]:
    """What the ledger, which knows the end, has otherwise than the exchange had it then."""
    ms = round(when.timestamp() * 1000)
    return {
        t.id: t.currency
        for t in account.transactions
        if t.ms <= ms < t.states[-1][0] and (t.kind, t.states[-1][1]) in ((1, "ok"), (2, "failed"))
    }


@pytest.mark.slow
@pytest.mark.parametrize("digits", thinned([None, 6], 2), ids=["exact", "rounded TradeHistory"])
def test_the_history_is_the_balance_at_every_step(
    digits: int | None, world: Served, home: Path
) -> None:
    world.switch(wex_trade_digits=digits)
    settings = settings_for(world, home)
    truth: Truth = {}
    for step in STEPS:
        world.advance(step)
        report = only_pull(settings, "*/account_trades", "*/account_transactions")
        assert report.errors == []
        truth |= observe(world, home)
    publish(settings)

    found = warehouse.sql("SELECT * FROM reconciliation", home=home).to_pylist()
    assert len(found) == len(truth) > 50
    named = 0
    for row in found:
        free, held = truth[row["exchange"], row["currency"], row["observed_at"]]
        assert row["difference"] == 0 and row["explained"], row
        assert row["computed"] == row["reported"] == free + held
        assert row["exchange"] == "bitexbit" or row["held"] == held
        # where a transfer had to be read otherwise, it was the one that was under way
        account = world.world.accounts[ACCOUNTS[row["exchange"]]]
        ids = {int(text) for text in re.findall(r"\d+", row["cause"] or "")}
        waiting = under_way(account, row["observed_at"])
        newest_known = {i for i in ids if waiting.get(i) == row["currency"]}
        assert ids == newest_known, row
        named += len(ids)
    assert named >= 4


def test_every_event_once_and_in_double_entry(world: Served, home: Path) -> None:
    world.switch(wex_trade_digits=6)
    run(settings_for(world, home), "*/account_trades", "*/account_transactions")
    now = world.world.now()
    fills = warehouse.sql("SELECT * FROM account_fills", home=home).to_pylist()
    for exchange, name in ACCOUNTS.items():
        reported = {r["trade_id"]: r for r in fills if r["exchange"] == exchange}
        expected = world.world.accounts[name].fills(now)
        assert len(reported) == len(expected) > 150
        for order, fill in expected:
            row = reported[str(fill.trade_id)]
            assert row["base_amount"] == fill.amount * UNIT
            assert row["price"] == fill.price * UNIT
            assert row["cost"] == fill.cost * UNIT
            assert row["fee"] == fill.fee * UNIT
            received = order.market.base if order.buy else order.market.quote
            assert row["fee_currency"] == received
    unbalanced = (
        "SELECT exchange, account, event, currency FROM ledger GROUP BY ALL HAVING sum(amount) <> 0"
    )
    assert warehouse.sql(unbalanced, home=home).num_rows == 0
    kinds = {
        (row["kind"], row["book"])
        for row in warehouse.sql("SELECT DISTINCT kind, book FROM ledger", home=home).to_pylist()
    }
    others = {"trade": "market", "fee": "fees", "deposit": "external", "withdrawal": "external"}
    assert kinds == {(k, b) for k, other in others.items() for b in ("account", other)}


def test_a_wrong_trade_is_seen(world: Served, home: Path) -> None:
    """The proof proves something: one figure changed, and the account does not add up."""
    settings = settings_for(world, home)
    run(settings, "bitexbit/account_*")
    observe(world, home)
    publish(settings)
    query = "SELECT * FROM reconciliation WHERE exchange = 'bitexbit' AND NOT explained"
    assert warehouse.sql(query, home=home).num_rows == 0
    stream = StreamId("bitexbit", "account_trades", account="main")
    names = dataset("account_trades").connector_schema.names
    newest = "SELECT * FROM account_trades ORDER BY timestamp DESC LIMIT 1"
    (row,) = warehouse.sql(newest, home=home).to_pylist()
    changed = row | {"amount": row["amount"] + Decimal("0.0001"), "cost": None}
    store(home, stream, [{name: changed[name] for name in names}])
    publish(settings)
    red = warehouse.sql(query, home=home).to_pylist()
    assert {r["currency"] for r in red} == set(row["symbol"].split("-"))


@pytest.mark.slow
def test_balances_and_orders_as_pulled(
    world: Served, home: Path, feeds: Callable[[str, str], Path]
) -> None:
    """The whole way over HTTP: what is observed is what the histories give, open orders too."""
    datasets = "balances: {}, account_trades: {}, account_transactions: {}"
    feeds(f"exchange: wex\nmarkets: [BTC-USD]\nstart: 2016-01-01\ndatasets: {{{datasets}}}", "wex")
    datasets += ", account_orders: {}"
    root = feeds(
        f"exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2016-01-01\ndatasets: {{{datasets}}}",
        "bitexbit",
    )
    settings = settings_for(world, home)
    report = run(settings, feeds_root=root)
    assert report.errors == []
    found = reconcile(settings)
    assert found.compared >= 8
    assert found.unexplained == found.explained == found.waiting == ()
    rows = warehouse.sql("SELECT * FROM reconciliation", home=home).to_pylist()
    now = world.world.now()
    for row in rows:
        balances = world.world.accounts[ACCOUNTS[row["exchange"]]].balances(now)
        free, held = balances.get(row["currency"], (0, 0))
        assert row["difference"] == 0 and row["cause"] is None
        assert row["computed"] == (free + held) * UNIT
        assert row["held"] == held * UNIT  # BitexBit: from its orders; WEX: from its statement
