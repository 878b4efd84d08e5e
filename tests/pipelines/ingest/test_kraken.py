"""Kraken pulled from its dialect: every trade once, whatever its documentation leaves open."""

import csv
import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import connectors
import warehouse
from sandbox import Fault, ManualClock, Served, World, serve, tape
from sandbox.kraken import KrakenSwitches
from sandbox.kraken.ledger import margin_fills, transfer_id
from sandbox.marketdata import MarketTape
from schemas import StreamId
from schemas.times import to_microseconds
from tests.matrix import TORTURE, crossed, thinned
from tests.pipelines.ingest.conftest import only_pull, run, settings_for
from tests.warehouse.tools import lake
from warehouse.store import Store

DAY = 86_400
UNIT = Decimal("1e-8")
SYMBOL = "BTC-USD"
TRADES = "exchange: kraken\nmarkets: [BTC-USD]\nstart: 2013-01-01\ndatasets: {trades: {}}"
ACCOUNT = (
    "account_trades: {}, account_orders: {}, account_transactions: {}, balances: {},"
    " trading_fees: {}"
)
EVERYTHING = (
    "exchange: kraken\nmarkets: [BTC-USD, LTC-BTC]\nstart: 2013-01-01\ndatasets: {"
    "trades: {}, candles: {timeframes: [1m, 5m, 1h, 2h, 1d]}, tickers: {}, order_books: {},"
    f" markets: {{}}, currencies: {{}}, {ACCOUNT}}}"
)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries do not wait."""
    opened = partial(connectors.open_connector, sleep=lambda _: None)
    monkeypatch.setattr(connectors, "open_connector", opened)


Row = tuple[int, int, Decimal, Decimal, str]
START = to_microseconds(datetime(2013, 1, 1, tzinfo=UTC))


def tape_rows(made: MarketTape, first: int = 1) -> list[Row]:
    """What there is to hold of a tape: ids without holes, times in milliseconds."""
    return [
        (first + n, t.timestamp, Decimal(t.price), Decimal(t.amount), t.side)
        for n, t in enumerate(made.trades())
    ]


def held(home: Path, symbol: str = SYMBOL) -> list[Row]:
    """The trades of a market in the lake."""
    return sorted(
        (
            int(r["trade_id"]),
            to_microseconds(r["timestamp"]) // 1000,
            r["price"],
            r["amount"],
            r["side"],
        )
        for r in lake(home, "trades")
        if r["symbol"] == symbol
    )


def spans(home: Path, dataset: str = "trades") -> list[tuple[str, int, int]]:
    rows = warehouse.coverage(home).to_pylist()
    return [(r["state"], r["lower"], r["upper"]) for r in rows if r["dataset"] == dataset]


def is_near(found: list[Row], wanted: list[Row]) -> bool:
    """Whether all is equal, but for times that are printed up to 119 ns off."""
    same = [(i, p, a, s) for i, _, p, a, s in found] == [(i, p, a, s) for i, _, p, a, s in wanted]
    return same and all(abs(f[1] - w[1]) <= 1 for f, w in zip(found, wanted, strict=True))


@contextmanager
def replayed(made: MarketTape, **switches: Any) -> Iterator[tuple[Served, ManualClock]]:
    clock = ManualClock(int(made.times[-1]) + 1)
    with serve(World.replay({made.symbol: made}, clock), limits=False) as server:
        server.switch(**switches)
        yield server, clock


def crowded(moments: list[int], symbol: str = SYMBOL) -> MarketTape:
    """A tape with so many trades in each of the moments, a second apart."""
    made, number = MarketTape(symbol), 0
    for at, count in enumerate(moments):
        for _ in range(count):
            number += 1
            ms = 1_700_000_000_000 + at * 1000
            made.add(number * 3, ms, 10**12 + number, 10**6 * number, number % 2 > 0)
    return made


@pytest.fixture
def hours_ahead() -> int:
    return 24


HABITS: list[dict[str, Any]] = [
    {},
    {"kraken_since_inclusive": False},
    {"kraken_since_inclusive": False, "kraken_ns_step": 0, "sorts_by": "time"},
    {"kraken_ns_step": 0, "kraken_last": "never", "sorts_by": "time"},
    {"kraken_last": "sometimes", "page_cap": 130},
    {"kraken_since_inclusive": False, "page_cap": 130, "sorts_by": "time"},
    {"kraken_first_id": 3, "kraken_stale_head": 7},
    {"extra_fields": True, "kraken_numbers": "number"},
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "habit", thinned(HABITS, 5), ids=lambda h: " ".join(f"{k}={v}" for k, v in h.items())
)
def test_every_trade_once_and_a_day_later_too(
    habit: dict[str, Any], exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    root = feeds(TRADES)
    exchange.switch(**habit)
    first = habit.get("kraken_first_id", 1)
    for hours in (0, 24, 0):
        exchange.advance(hours * 3600)
        report = only_pull(settings_for(exchange, home), feeds_root=root)
        assert report.errors == []
        now = exchange.world.now()
        wanted = [row for row in tape_rows(exchange.world.tapes[SYMBOL], first) if row[1] <= now]
        rows, stale = held(home), habit.get("kraken_stale_head", 0)
        wanted = wanted[: len(rows)] if len(wanted) - len(rows) <= stale else wanted
        assert is_near(rows, wanted)
        assert spans(home) == [("complete", 0, wanted[-1][0])]


@pytest.mark.parametrize(("inclusive", "step"), crossed([True, False], [0, 1, 300]))
def test_shared_moments_and_shuffled_ties(
    inclusive: bool, step: int, home: Path, feeds: Callable[[str], Path]
) -> None:
    """Crowds of up to a page in one nanosecond, of three pages in less than a millisecond."""
    made = crowded([5, 400, 1, 999, 2, 40, 3000 if step else 700, 3, 998, 1])
    switches = {"kraken_since_inclusive": inclusive, "kraken_ns_step": step, "sorts_by": "time"}
    root = feeds(TRADES)
    with replayed(made, **switches) as (server, clock):
        end = clock()
        for until in (int(made.times[1000]), end, end):
            clock.set(until)
            report = only_pull(settings_for(server, home), feeds_root=root)
            assert report.errors == []
    assert is_near(held(home), tape_rows(made))
    assert spans(home) == [("complete", 0, len(made))]


def test_more_than_a_page_in_one_nanosecond_is_no_whole(
    home: Path, feeds: Callable[[str], Path]
) -> None:
    """Nothing can name what lies between: a gap, said, and everything around it is held."""
    made = crowded([5, 2500, 5, 1200])
    root = feeds(TRADES)
    with replayed(made, kraken_ns_step=0) as (server, _):
        for _ in range(2):
            report = only_pull(settings_for(server, home), feeds_root=root)
            assert len(report.errors) == 1
    rows = held(home)
    assert len(rows) == len({row[0] for row in rows}) < len(made)
    for state, low, high in spans(home):
        if state == "complete":
            assert {row[0] for row in rows} >= {*range(max(1, low), high + 1)}
    assert "gap" in {state for state, *_ in spans(home)}


@pytest.mark.slow
def test_recorded_trades_where_two_thirds_share_a_millisecond(
    shared_data: Path, home: Path, feeds: Callable[[str], Path]
) -> None:
    path = shared_data / "binance_spot_btcusdt_trades_2024-08-08_09.csv.gz"
    made = tape.load(path, "BTC-USDT")
    root = feeds(TRADES.replace("BTC-USD", "BTC-USDT"))
    with replayed(made, kraken_since_inclusive=False, sorts_by="time") as (server, _):
        for _ in range(2):
            assert only_pull(settings_for(server, home), feeds_root=root).errors == []
        asked = {e.params["pair"] for e in server.log.of("/0/public/Trades")}
    assert asked == {"XBTUSDT"}
    with gzip.open(path, "rt") as file:
        assert len(list(csv.DictReader(file))) == len(made)
    assert is_near(held(home, "BTC-USDT"), tape_rows(made))


def test_rows_with_id_0_go_to_quarantine(home: Path, feeds: Callable[[str], Path]) -> None:
    made = crowded([1] * 4000)
    root = feeds(TRADES)
    with replayed(made, kraken_zero_ids=(1500, 2700)) as (server, _):
        only_pull(settings_for(server, home), feeds_root=root)
        assert only_pull(settings_for(server, home), feeds_root=root).errors
        assert [row[0] for row in held(home)] == [*range(1, 1500), *range(2701, 4001)]
        assert len(lake(home, "quarantine")) == 1201
        states = [state for state, *_ in spans(home)]
        assert states == ["complete", "gap", "complete"]
        server.switch()
        assert only_pull(settings_for(server, home), feeds_root=root).errors == []
    assert spans(home) == [("complete", 0, 4000)]


def test_maintenance_with_status_200_is_a_fault_of_the_moment(
    exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    root = feeds(TRADES)
    settings = settings_for(exchange, home)
    exchange.faults.add(Fault("refusal", text="EService:Unavailable", times=2))
    assert only_pull(settings, feeds_root=root).errors == []
    whole = held(home)
    exchange.of(KrakenSwitches).kraken_maintenance = True
    stream = StreamId("kraken", "trades", SYMBOL)
    before = Store(home).state(stream).complete
    exchange.faults.add(Fault("status", status=520, times=None))
    assert only_pull(settings, feeds_root=root).errors
    assert Store(home).state(stream).complete == before and held(home) == whole


def test_a_market_that_is_renamed_is_another_one_and_said(
    exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    """The old one keeps its rows and its symbol; whether they are one is a person's to say."""
    every = TRADES.replace("[BTC-USD]", "all").replace("datasets: {", "datasets: {markets: {}, ")
    assert only_pull(settings_for(exchange, home), feeds_root=feeds(every)).errors == []
    before = held(home)
    exchange.switch(kraken_renamed={SYMBOL: "NEWBTCUSD"})
    (error,) = only_pull(settings_for(exchange, home), feeds_root=feeds(TRADES)).errors
    assert "does not list the market BTC-USD" in error and "NEWBTCUSD" in error
    assert only_pull(settings_for(exchange, home), feeds_root=feeds(every)).errors == []
    assert held(home) == before
    (symbol,) = [r["symbol"] for r in lake(home, "markets") if r["native_symbol"] == "NEWBTCUSD"]
    assert symbol.startswith("BTC-USD-") and is_near(held(home, symbol), before)


# -- the whole job ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("days", [0.5, pytest.param(1, marks=TORTURE)])
def test_the_whole_job(exchange: Served, home: Path, feeds: Callable[[str], Path]) -> None:
    root = feeds(EVERYTHING)
    settings = settings_for(exchange, home)
    for hours in (0, 24):
        exchange.advance(hours * 3600)
        assert run(settings, feeds_root=root).errors == []
    assert warehouse.verify(home).findings == []
    tables = {
        name: warehouse.sql(f"SELECT * FROM {name} WHERE exchange = 'kraken'", home=home)
        for name in (
            *("trades", "candles", "tickers", "order_books", "markets", "currencies"),
            *("account_trades", "account_orders", "account_transactions", "balances"),
            "trading_fees",
        )
    }
    assert {name for name, table in tables.items() if not table.num_rows} == set()
    natives = {r["symbol"]: r["native_symbol"] for r in tables["markets"].to_pylist()}
    assert (natives["BTC-USD"], natives["DOGE-USD"]) == ("XXBTZUSD", "XXDGZUSD")
    codes = {r["currency"] for r in tables["currencies"].to_pylist()}
    assert codes >= {"BTC", "USD", "ETH", "LTC", "DOGE"}
    frames = {r["timeframe"] for r in tables["candles"].to_pylist()}
    assert frames == {"1m", "5m", "1h", "2h", "1d"}


# -- the account -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "habit",
    [
        {"kraken_shuffled_keys": True, "kraken_count": "missing"},
        {"kraken_transfers": "denied"},
        {"kraken_rewards": True, "kraken_margin": True},
        pytest.param({}, marks=pytest.mark.torture),
        pytest.param(
            {"kraken_shuffled_keys": True, "kraken_count": "text", "page_cap": 7},
            marks=pytest.mark.torture,
        ),
        pytest.param(
            {"kraken_count": "missing", "kraken_numbers": "number", "kraken_transfers": "cursor"},
            marks=pytest.mark.torture,
        ),
        pytest.param({"kraken_transfers": "unknown"}, marks=pytest.mark.torture),
    ],
    ids=[
        "shuffled, no count",
        "no right to transfers",
        "rewards and margin",
        "usual",
        "shuffled, small pages",
        "no count",
        "no such call",
    ],
)
def test_the_ledger_is_the_balance_to_the_last_digit(
    habit: dict[str, Any], exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    root = feeds(f"exchange: kraken\nstart: 2013-01-01\ndatasets: {{{ACCOUNT}}}")
    settings = settings_for(exchange, home)
    exchange.switch(**habit)
    account = exchange.world.accounts["beta"]
    histories = ("*/account_trades", "*/account_orders", "*/account_transactions")
    refused = habit.get("kraken_transfers") in ("denied", "unknown")
    for seconds in (0, 31_377):
        exchange.advance(seconds)
        report = only_pull(settings, *histories, feeds_root=root)
        assert report.errors == []
        assert [("Status" in notice) for notice in report.notices] == [True] * refused
    assert run(settings, feeds_root=root).errors == []  # balances too: the clock stands
    now = exchange.world.now()
    expected = {fill.trade_id: (order, fill) for order, fill in account.fills(now)}
    query = "SELECT * FROM account_fills ORDER BY is_on_margin, trade_id"
    fills = warehouse.sql(query, home=home).to_pylist()
    on_margin = [f for f in fills if f["is_on_margin"]]
    del fills[len(fills) - len(on_margin) :]
    made = margin_fills(account, now) if habit.get("kraken_margin") else []
    assert [f["trade_id"] for f in on_margin] == sorted(fill.id for fill in made)
    assert len(fills) == len({f["trade_id"] for f in fills}) == len(expected) > 100
    assert sorted((f["cost"], f["fee"], f["fee_currency"]) for f in fills if f["fee"]) == sorted(
        (f.cost * UNIT, f.fee * UNIT, o.market.base if o.buy else o.market.quote)
        for o, f in expected.values()
        if f.fee
    )
    rows = warehouse.sql("SELECT * FROM reconciliation", home=home).to_pylist()
    assert len(rows) == (8 if habit.get("kraken_rewards") else 4)
    wrong = [r for r in rows if not r["explained"] or r["difference"]]
    assert wrong == []
    _check_transfers(exchange, home, is_shown=not refused)
    orders = warehouse.sql("SELECT * FROM account_orders", home=home).to_pylist()
    assert len(orders) == sum(o.created <= now for o in account.orders)
    assert sum(o["status"] == "open" for o in orders) == sum(o.is_open(now) for o in account.orders)


def _check_transfers(exchange: Served, home: Path, *, is_shown: bool) -> None:
    """Every transfer by its state, with the entry of the ledger that booked it, if any."""
    query = """
        SELECT s.transaction_id AS id, s.status, s.description, l.transaction_id AS booked
        FROM account_transactions s LEFT JOIN account_transactions l
            ON s.transaction_id = 'transfer:' || split_part(l.description, ' ', -1)
            AND l.type = s.type
        WHERE s.transaction_id LIKE 'transfer:%'"""
    found = {row["id"]: row for row in warehouse.sql(query, home=home).to_pylist()}
    now = exchange.world.now()
    transactions = exchange.world.accounts["beta"].visible_transactions(now)
    wanted = {f"transfer:{transfer_id(t)}": t for t in transactions if t.kind in (1, 2)}
    assert found.keys() == (wanted.keys() if is_shown else set())
    assert not is_shown or {"unconfirmed", "failed", "ok"} <= {
        row["status"] for row in found.values()
    }
    for name, row in found.items():
        status = wanted[name].status(now)
        assert row["status"] == status
        assert ("transaction X" in row["description"]) == (status == "ok")
        assert (row["booked"] is not None) == (wanted[name].kind == 2 or status == "ok")
    assert all(s == "complete" for s, *_ in spans(home, "account_transactions"))


def test_transfers_that_cannot_be_had_for_now_come_later(
    exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    root = feeds("exchange: kraken\nstart: 2013-01-01\ndatasets: {account_transactions: {}}")
    for state, shown in (("down", False), ("list", True)):
        exchange.switch(kraken_transfers=state)
        assert only_pull(settings_for(exchange, home), feeds_root=root).errors == []
        ids = [row["transaction_id"] for row in lake(home, "account_transactions")]
        assert len(ids) == len(set(ids)) and any(i.startswith("transfer:") for i in ids) == shown
        assert [state for state, *_ in spans(home, "account_transactions")] == ["complete"]


@pytest.mark.slow
def test_transfers_that_are_shown_no_more_stand_for_no_entry_of_the_ledger(
    exchange: Served, tmp_path: Path, feeds: Callable[[str], Path]
) -> None:
    """Held states of transfers are not counted: else a walk would end before all is read."""
    root = feeds("exchange: kraken\nstart: 2013-01-01\ndatasets: {account_transactions: {}}")
    old, fresh = tmp_path / "old", tmp_path / "fresh"

    def pull(home: Path, seconds: int = 0, **habits: Any) -> list[dict[str, Any]]:
        exchange.advance(seconds)
        exchange.world.now()
        # transfers alone: then all that Kraken counts is held
        exchange.world.accounts["beta"].orders.clear()
        exchange.switch(page_cap=1, **habits)
        assert only_pull(settings_for(exchange, home), feeds_root=root).errors == []
        return lake(home, "account_transactions")

    while any(row["status"] in ("pending", "unconfirmed") for row in pull(old, 300)):
        pass  # a state that may still change is waited for
    states = [r for r in pull(old) if r["transaction_id"].startswith("transfer:")]
    rows = pull(old, 43_200, kraken_transfers="denied")
    assert 0 < len(states) < len(rows) - len(states)
    held = {row["transaction_id"] for row in rows if row not in states}
    assert held == {row["transaction_id"] for row in pull(fresh, kraken_transfers="denied")}


@pytest.mark.slow
def test_pulls_of_an_account_read_what_is_new_and_no_more(
    exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    root = feeds(f"exchange: kraken\nstart: 2013-01-01\ndatasets: {{{ACCOUNT}}}")
    settings = settings_for(exchange, home)
    pages = []
    for seconds in (86_400, 60, 60, 3600):
        exchange.advance(seconds)
        exchange.log.clear()
        assert only_pull(settings, feeds_root=root).errors == []
        names = ("TradesHistory", "Ledgers", "ClosedOrders")
        pages.append([len(exchange.log.of(f"/0/private/{name}")) for name in names])
    first, *later = pages
    assert min(first) > 5
    assert all(count <= 2 for asked in later for count in asked), pages


def test_a_count_that_no_page_keeps_ends_the_pull_and_proves_nothing(
    exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    root = feeds("exchange: kraken\nstart: 2013-01-01\ndatasets: {account_trades: {}}")
    exchange.switch(kraken_count_extra=3)
    report = only_pull(settings_for(exchange, home), feeds_root=root)
    (error,) = report.errors
    assert "the exchange counts" in error and spans(home, "account_trades") == []
    now = exchange.world.now()
    fills = exchange.world.accounts["beta"].fills(now)
    assert len(lake(home, "account_trades")) == len(fills)
    exchange.switch()
    assert only_pull(settings_for(exchange, home), feeds_root=root).errors == []
    assert [state for state, *_ in spans(home, "account_trades")] == ["complete"]


@pytest.mark.slow
def test_candles_no_longer_shown_are_built_from_trades(
    exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    """1m: the newest twelve hours come from Kraken, those before from its trades, once each."""
    root = feeds(
        "exchange: kraken\nmarkets: [BTC-USD]\nstart: 2013-01-01\n"
        "datasets: {trades: {}, candles: {timeframes: [1m, 1h]}}"
    )
    settings = settings_for(exchange, home)
    for hours in (1, 30, 0):
        exchange.advance(hours * 3600)
        report = run(settings, feeds_root=root)
        assert report.errors == []
    query = """
        WITH built AS (
            SELECT time_bucket(INTERVAL 1 MINUTE, timestamp) AS at, max(price) AS high,
                min(price) AS low, sum(amount) AS volume
            FROM trades GROUP BY 1
        )
        SELECT count(*) AS n, count(c.timestamp) AS held, bool_and(
            c.high = b.high AND c.low = b.low AND c.volume = b.volume) AS equal
        FROM built b LEFT JOIN candles c ON c.timestamp = b.at AND c.timeframe = '1m'
    """
    (found,) = warehouse.sql(query, home=home).to_pylist()
    assert found["n"] - found["held"] <= 1 and found["equal"] and found["n"] > 500
    # back to the first trade of the market, and before it there is nothing
    assert {(state, lower) for state, lower, _ in spans(home, "candles")} == {("complete", START)}
    assert warehouse.verify(home).findings == []
