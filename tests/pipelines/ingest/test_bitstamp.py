"""Whole pulls of Bitstamp's dialect: what it shows is held, once; what it does not show is said."""

import csv
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

import warehouse
from pipelines.cli import main
from pipelines.ingest import PullReport
from pipelines.publishing import publish
from sandbox import Fault, ManualClock, PagingProfile, Served, World, serve, tape
from sandbox.bitstamp.ledger import Entry, ledger
from sandbox.bitstamp.private import balances
from sandbox.bitstamp.public import _with_quiet_ones
from sandbox.marketdata import MarketTape
from sandbox.markets import text
from schemas import timeframe_us
from tests.matrix import combined, named, thinned
from tests.pipelines.ingest.conftest import only_pull, settings_for
from tests.pipelines.ingest.reference_model import table
from tests.pipelines.ingest.scene import Scene

FEED = "exchange: bitstamp\nmarkets: {}\nstart: 2026-01-09\ndatasets: {{{}}}"
TRADES = FEED.format("[BTC-USD]", "trades: {}")
ACCOUNT = (
    "account_trades: {}, account_orders: {}, account_transactions: {}, balances: {}, "
    "trading_fees: {}"
)
PUBLIC = (
    "markets: {}, currencies: {}, trades: {}, candles: {timeframes: [1m, 1h]}, tickers: {}, "
    "order_books: {}"
)
HOUR = 3600
DAY_MS = 86_400_000
HISTORY_CALL = "/api/v2/user_transactions/"

Row = tuple[Any, ...]
Feeds = Callable[[str], Path]


def only_pull_well(settings: Any, root: Path) -> PullReport:
    report = only_pull(settings, feeds_root=root)
    assert report.errors == []
    return report


def shown(server: Served, since: int, symbol: str = "BTC-USD") -> list[Row]:
    """The trades of a market from a moment (ms) on, as Bitstamp numbers and dates them."""
    now = server.world.now()
    return [
        (t.id * 1000, t.timestamp // 1000, t.side, Decimal(t.price), Decimal(t.amount))
        for t in server.world.tapes[symbol].trades()
        if since <= t.timestamp <= now
    ]


def held(home: Path, symbol: str = "BTC-USD") -> list[Row]:
    return table(
        home,
        "SELECT trade_id::BIGINT, epoch_ms(timestamp) // 1000, side, price, amount FROM trades"
        f" WHERE symbol = '{symbol}' ORDER BY trade_id::BIGINT",
    )


def spans(home: Path, dataset: str = "trades") -> list[tuple[str, int, int]]:
    rows = warehouse.coverage(home).to_pylist()
    found = [(r["lower"], r["state"], r["upper"]) for r in rows if r["dataset"] == dataset]
    return [(state, lower, upper) for lower, state, upper in sorted(found)]


def check_claims(home: Path, wanted: list[Row]) -> None:
    """Of what is called complete, every trade is held."""
    ids = {row[0] for row in held(home)}
    for state, lower, upper in spans(home):
        if state == "complete":
            assert ids >= {row[0] for row in wanted if lower <= row[0] <= upper}


@pytest.mark.slow
def test_the_whole_main_job(
    exchange: Served, home: Path, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = feeds(FEED.format("[BTC-USD, LTC-BTC]", f"{PUBLIC}, {ACCOUNT}"))
    settings = settings_for(exchange, home)
    first = exchange.world.now()
    only_pull_well(settings, root)
    exchange.advance(HOUR)
    only_pull_well(settings, root)
    publish(settings)
    for symbol in ("BTC-USD", "LTC-BTC"):
        assert held(home, symbol) == shown(exchange, first - DAY_MS, symbol)
    # What was gone before the first contact is no error, and not called complete.
    trades = [r for r in warehouse.coverage(home).to_pylist() if r["dataset"] == "trades"]
    assert sorted((r["stream"], r["state"]) for r in trades) == [
        ("BTC-USD", "complete"),
        ("BTC-USD", "lost"),
        ("LTC-BTC", "complete"),
        ("LTC-BTC", "lost"),
    ]
    for name in ("1m", "1h"):
        assert candles_held(home, name) == candles_of(exchange, home, name)
    check_account(exchange, home)
    check_orders(exchange, home)
    monkeypatch.setenv("TIDEMARK_FEEDS", str(root))
    assert main(["verify"]) == 0


# -- trades: the last minute, hour or day ----------------------------------------------------------


@pytest.mark.parametrize(
    "habits",
    combined(
        [
            {},
            {"bs_order": "oldest"},
            {"bs_edge": False},
            {"bs_window_cap": 2500},
            {"bs_behind_ms": 9_000},
            {"sorts_by": "time"},
            {"late_every": 7, "late_ms": 5_000},
            {"gzip": True, "extra_fields": True, "bs_numbers": "number"},
        ],
        2,
    ),
    ids=named,
)
def test_windows_that_overlap_leave_nothing_out(
    exchange: Served, home: Path, feeds: Feeds, habits: dict[str, Any]
) -> None:
    root, settings = feeds(TRADES), settings_for(exchange, home)
    exchange.switch(**habits)
    for minutes in (20, 50, 300, 1):
        only_pull_well(settings, root)
        exchange.advance(minutes * 60)
    exchange.switch()  # what is late is there in the end
    only_pull_well(settings, root)
    publish(settings)
    found = held(home)
    wanted = [row for row in shown(exchange, 0) if row[0] >= found[0][0]]
    assert found == wanted and len(found) > 1000
    (lost, complete) = spans(home)
    assert lost[0] == "lost" and complete[0] == "complete" and complete[2] == found[-1][0]
    asked = {entry.params["time"] for entry in exchange.log.of("/transactions/")}
    assert asked == {"hour", "day"}


def test_an_hour_is_asked_for_and_a_day_where_that_is_not_enough(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    root, settings = feeds(TRADES), settings_for(exchange, home)

    def asked() -> list[str]:
        exchange.log.clear()
        only_pull_well(settings, root)
        return [entry.params["time"] for entry in exchange.log.of("/transactions/")]

    assert asked() == ["day"]
    exchange.advance(600)
    assert asked() == ["hour"]
    exchange.advance(3 * HOUR)
    assert asked() == ["hour", "day"]


def test_what_came_between_two_days_is_lost_and_said_once(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    root, settings = feeds(TRADES), settings_for(exchange, home)
    only_pull_well(settings, root)
    publish(settings)
    top = held(home)[-1][0]
    exchange.advance(30 * HOUR)
    (error,) = only_pull(settings, feeds_root=root).errors
    assert "lost" in error
    only_pull_well(settings, root)
    publish(settings)
    before, complete, lost, again = spans(home)
    assert (before[0], complete[0], lost[0], again[0]) == ("lost", "complete", "lost", "complete")
    assert complete[2] == top and lost[1] == top + 1
    check_claims(home, shown(exchange, 0))


def test_a_day_that_is_cut_is_no_whole_day(exchange: Served, home: Path, feeds: Feeds) -> None:
    """Nothing is documented about a most of rows: what is below the answer is not claimed."""
    root, settings = feeds(TRADES), settings_for(exchange, home)
    exchange.switch(bs_window_cap=100)
    only_pull_well(settings, root)
    publish(settings)
    (_, complete) = spans(home)
    assert len(held(home)) == 100 and complete[1] > held(home)[0][0]
    exchange.advance(10 * HOUR)
    assert len(only_pull(settings, feeds_root=root).errors) == 1
    publish(settings)
    assert [state for state, *_ in spans(home)] == ["lost", "complete", "lost", "complete"]
    check_claims(home, shown(exchange, 0))


def test_an_old_list_takes_nothing_away(exchange: Served, home: Path, feeds: Feeds) -> None:
    root, settings = feeds(TRADES), settings_for(exchange, home)
    only_pull_well(settings, root)
    before = spans(home)
    exchange.switch(bs_behind_ms=600_000)
    only_pull_well(settings, root)
    assert spans(home) == before
    exchange.switch()
    exchange.advance(HOUR)
    only_pull_well(settings, root)
    assert [state for state, *_ in spans(home)] == ["lost", "complete"]


def tape_of(moments: list[int]) -> MarketTape:
    """A tape with a trade at each of the moments (ms); ids have holes."""
    made = MarketTape("BTC-USD")
    for number, ms in enumerate(moments, 1):
        made.add(number * 7, ms, 10**8 * (number % 50 + 1), 10**6, number % 3 == 0)
    return made


def test_a_quiet_market_is_no_error(home: Path, feeds: Feeds) -> None:
    """An answer of a day without a row says so; it is not known whether there was none before."""
    start, root = 1_767_960_000_000, feeds(TRADES)
    made = tape_of([*range(start, start + 600_000, 1000), start + 60 * HOUR * 1000])
    clock = ManualClock(start + 700_000)
    with serve(World.replay({"BTC-USD": made}, clock), limits=False) as server:
        settings = settings_for(server, home)
        only_pull_well(settings, root)
        before = spans(home)
        for _ in range(5):
            server.advance(10 * HOUR)
            only_pull_well(settings, root)
        assert spans(home) == before
        server.log.clear()
        server.advance(10 * HOUR)
        (error,) = only_pull(settings, feeds_root=root).errors
        assert "lost" in error
        assert [e.params["time"] for e in server.log.of("/transactions/")] == ["hour", "day"]
        only_pull_well(settings, root)
    publish(settings)
    assert [row[0] for row in held(home)] == [*made.ids]
    assert [state for state, *_ in spans(home)][-3:] == ["complete", "lost", "complete"]


@pytest.mark.parametrize("order", thinned(["newest", "oldest"], 2))
def test_a_recorded_hour_and_a_tape_of_shuffled_ties(
    shared_data: Path, tmp_path: Path, home: Path, feeds: Feeds, order: str
) -> None:
    recorded = shared_data / "exchanges" / "bitstamp" / "transactions_ltcusd_2020-08-31.json"
    rows = json.loads(recorded.read_text())
    path = tmp_path / "tape.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("time", "id", "price", "amount", "side"))
        for row in rows:
            side = {"0": "buy", "1": "sell"}[row["type"]]
            writer.writerow((row["date"], row["tid"], row["price"], row["amount"], side))
    real = tape.load(path, "BTC-USD")
    rng, ms = Random(5), 1_767_960_000_000
    moments: list[int] = []
    while len(moments) < 3000:
        ms += rng.choice((0, 1000, 9000, 40_000))
        moments += [ms] * rng.choice((1, 1, 2, 30))
    for at in range(0, len(moments) - 1, 5):
        moments[at], moments[at + 1] = moments[at + 1], moments[at]
    for made in (real, tape_of(moments)):
        clock = ManualClock(int(made.times[len(made) // 2]) + 1)
        root = feeds(TRADES.replace("2026-01-09", "2016-01-01"))
        with serve(World.replay({"BTC-USD": made}, clock), limits=False) as server:
            server.switch(bs_order=order, sorts_by="time")
            settings = settings_for(server, home / str(len(made)))
            only_pull_well(settings, root)
            clock.set(int(max(made.times)) + 1)
            only_pull_well(settings, root)
            publish(settings)
            wanted = [row for row in shown_as_recorded(made) if row[1] * 1000 > clock() - DAY_MS]
            assert held(home / str(len(made)))[-len(wanted) :] == wanted
        check_claims(home / str(len(made)), shown_as_recorded(made))


def shown_as_recorded(made: MarketTape) -> list[Row]:
    return [
        (t.id, t.timestamp // 1000, t.side, Decimal(t.price), Decimal(t.amount))
        for t in made.trades()
    ]


# -- candles ---------------------------------------------------------------------------------------

VALUES = ("open", "high", "low", "close", "volume")


def candles_held(home: Path, name: str) -> list[Row]:
    return table(
        home,
        f"SELECT epoch_ms(timestamp), {', '.join(VALUES)} FROM candles"
        f" WHERE symbol = 'BTC-USD' AND timeframe = '{name}' AND is_final ORDER BY 1",
    )


def candles_of(exchange: Served, home: Path, name: str) -> list[Row]:
    """Every candle from the first one held on that has ended, quiet ones too."""
    now, length = exchange.world.now(), timeframe_us(name) // 1000
    made = exchange.world.candles("BTC-USD", now, length, PagingProfile())
    market = next(m for m in exchange.exchange.markets() if m.symbol == "BTC-USD")
    first = candles_held(home, name)[0][0]
    assert first <= 1_767_916_800_000  # the feed's start
    return [
        (c.time, *(Decimal(text(getattr(c, value))) for value in VALUES))
        for c in _with_quiet_ones(made, length, now, market)
        if first <= c.time <= now - length
    ]


CANDLES = FEED.format("[BTC-USD]", "candles: {timeframes: [1m, 1h]}")


@pytest.mark.parametrize(
    "habits",
    combined(
        [
            {"page_cap": 300},
            {"bs_twice": frozenset({1767952800, 1767956400, 1767960000})},
            {"bs_numbers": "number", "extra_fields": True},
        ],
        1,
    ),
    ids=named,
)
def test_every_candle_whatever_is_unknown(
    exchange: Served, home: Path, feeds: Feeds, habits: dict[str, Any]
) -> None:
    root, settings = feeds(CANDLES), settings_for(exchange, home)
    exchange.switch(**habits)
    for _ in range(2):
        only_pull_well(settings, root)
        exchange.advance(HOUR)
    only_pull_well(settings, root)
    publish(settings)
    for name in ("1m", "1h"):
        assert candles_held(home, name) == candles_of(exchange, home, name)
    assert {state for state, *_ in spans(home, "candles")} == {"complete"}
    assert table(home, "SELECT count(*) FROM quarantine") == [(0,)]


def test_a_candle_that_comes_twice_even_alone_is_not_taken(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    """Nobody knows which one is right: both are in quarantine, and all others are held."""
    twice = 1767956400
    root, settings = feeds(CANDLES), settings_for(exchange, home)
    exchange.switch(bs_twice=frozenset({twice}), bs_twice_alone=True)
    report = only_pull(settings, feeds_root=root)
    assert report.errors
    publish(settings)
    for name in ("1m", "1h"):
        wanted = [row for row in candles_of(exchange, home, name) if row[0] != twice * 1000]
        assert candles_held(home, name) == wanted
    assert table(home, "SELECT count(*) FROM quarantine") == [(4,)]
    exchange.switch()
    only_pull_well(settings, root)


# -- the account -----------------------------------------------------------------------------------


def entries(exchange: Served) -> list[Entry]:
    account = exchange.world.accounts["beta"]
    return ledger(exchange.exchange, account, exchange.world.now())


def check_account(exchange: Served, home: Path) -> None:
    """Everything of the history is there once, and adds up to what is held, to the last digit."""
    found = entries(exchange)
    trades = [
        (
            e.order.market.symbol,
            e.id,
            "buy" if e.order.buy else "sell",
            Decimal(text(e.fill.price)),
            Decimal(text(e.fill.amount)),
            Decimal(text(e.fee)),
            e.paid_in,
            str(e.order.id),
        )
        for e in found
        if e.order is not None and e.fill is not None
    ]
    columns = "symbol, trade_id::BIGINT, side, price, amount, fee_amount, fee_currency, order_id"
    assert table(home, f"SELECT {columns} FROM account_trades ORDER BY 2") == trades
    assert table(
        home,
        "SELECT transaction_id::BIGINT, type, currency, amount, coalesce(fee_amount, 0)"
        " FROM account_transactions WHERE description NOT LIKE 'rounding%' ORDER BY 1",
    ) == [
        (
            e.id,
            {0: "deposit", 1: "withdrawal"}.get(e.type, "credit"),
            next(iter(e.amounts)),
            Decimal(text(abs(next(iter(e.amounts.values()))))),
            Decimal(text(e.fee)),
        )
        for e in found
        if e.fill is None
    ]
    assert {e.type for e in found} == {0, 1, 2, 27}
    reconciled = table(
        home,
        "SELECT currency, computed, difference FROM reconciliation"
        " QUALIFY observed_at = max(observed_at) OVER (PARTITION BY currency)",
    )
    account = exchange.world.accounts["beta"]
    owned, _ = balances(exchange.exchange, account, exchange.world.now())
    assert {difference for *_, difference in reconciled} == {0} and len(reconciled) > 3
    for currency, computed, _ in reconciled:
        assert computed * 10**8 == owned[currency]


def check_orders(exchange: Served, home: Path) -> None:
    account = exchange.world.accounts["beta"]
    orders = [o for o in account.orders if o.created <= exchange.world.now()]
    states = dict(table(home, "SELECT status, count(*) FROM account_orders GROUP BY status"))
    assert states.get("open", 0) == sum(o.is_open(exchange.world.now()) for o in orders)
    assert states["closed"] == sum(not o.unfilled(exchange.world.now()) for o in orders)


@pytest.mark.slow
@pytest.mark.parametrize(
    "habits",
    combined(
        [
            {"bs_since_inclusive": False},
            {"ignored": frozenset({"since_id"})},
            {"ignored": frozenset({"sort"}), "page_cap": 50},
            {"ignored": frozenset({"since_id", "sort"})},
            {"page_cap": 37},
            {"bs_micros": False, "bs_type_text": False},
            {"bs_numbers": "number", "extra_fields": True, "bs_old_markets": True},
        ],
        2,
    ),
    ids=named,
)
def test_the_account_whatever_is_unknown(
    exchange: Served, home: Path, feeds: Feeds, habits: dict[str, Any]
) -> None:
    datasets = "markets: {}, account_trades: {}, account_transactions: {}, balances: {}"
    root = feeds(FEED.format("[BTC-USD]", datasets))
    settings = settings_for(exchange, home)
    exchange.switch(**habits)
    for _ in range(2):
        only_pull_well(settings, root)
        exchange.advance(2 * HOUR)
    only_pull_well(settings, root)
    publish(settings)
    check_account(exchange, home)
    for dataset in ("account_trades", "account_transactions"):
        assert [state for state, *_ in spans(home, dataset)] == ["complete"]


def test_a_pull_reads_of_a_history_its_last_pages(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    root = feeds(FEED.format("[BTC-USD]", "account_transactions: {}"))
    settings = settings_for(exchange, home)
    exchange.switch(page_cap=30)

    def since() -> list[int]:
        exchange.log.clear()
        only_pull_well(settings, root)
        return [int(e.params["since_id"]) for e in exchange.log.of(HISTORY_CALL)]

    first = since()
    assert first[0] == 1 and first == sorted(first) and len(first) > 10
    again = since()
    assert again == first[-2:]
    exchange.advance(2 * HOUR)
    later = since()
    assert later[0] == again[0] and len(later) < 10
    # Where the row from which it goes on is gone, it begins anew.
    exchange.faults.add(Fault("body", path=HISTORY_CALL, body=b"[]"))
    assert since()[1] == 1
    publish(settings)
    wanted = [(str(e.id),) for e in entries(exchange) if e.fill is None]
    found = table(home, "SELECT transaction_id FROM account_transactions")
    assert sorted(row for row in found if row[0].isdecimal()) == sorted(wanted)


def test_once_a_day_a_history_is_read_from_its_first_page(
    scene: Scene, home: Path, feeds: Feeds
) -> None:
    root = feeds(FEED.format("[BTC-USD]", "account_transactions: {}"))
    settings = settings_for(scene.server, home)
    scene.server.switch(page_cap=30)
    begins = []
    for hours in (0, 1, 25, 1):
        scene.later(hours)
        scene.server.log.clear()
        only_pull_well(settings, root)
        begins.append(scene.server.log.of(HISTORY_CALL)[0].params["since_id"] == "1")
    assert begins == [True, False, True, False]


def test_rows_that_were_lost_here_are_read_again(
    exchange: Served, home: Path, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = feeds(FEED.format("[BTC-USD]", "account_trades: {}"))
    monkeypatch.setenv("TIDEMARK_FEEDS", str(root))
    for name, value in exchange.env.items():
        monkeypatch.setenv(name, value)
    settings = settings_for(exchange, home)
    exchange.switch(page_cap=30)
    only_pull_well(settings, root)
    for path in (home / "lake" / "account_trades").rglob("*.parquet"):
        path.unlink()
    exchange.log.clear()
    only_pull_well(settings, root)
    assert exchange.log.of(HISTORY_CALL)[0].params["since_id"] == "1"
    publish(settings)
    trades = [e for e in entries(exchange) if e.fill is not None]
    assert table(home, "SELECT count(*) FROM account_trades") == [(len(trades),)]
    exchange.log.clear()
    start, end = "2026-01-09T00:00:00+00:00", "2026-01-09T06:00:00+00:00"
    assert main(["pull", "bitstamp", "--from", start, "--to", end]) == 0
    assert exchange.log.of(HISTORY_CALL)[0].params["since_id"] == "1"


def test_rows_that_are_missing_from_a_history_are_no_end(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    """An answer without the row from which it was asked: nothing is called complete."""
    root = feeds(FEED.format("[BTC-USD]", "account_trades: {}"))
    settings = settings_for(exchange, home)
    exchange.switch(page_cap=30)
    exchange.faults.add(Fault("body", path=HISTORY_CALL, body=b"[]", after=2))
    (error,) = only_pull(settings, feeds_root=root).errors
    assert "which was shown before, is not there" in error
    assert spans(home, "account_trades") == []
    only_pull_well(settings, root)
    assert [state for state, *_ in spans(home, "account_trades")] == ["complete"]


def test_orders_that_are_too_old_to_be_asked_for(
    exchange: Served, home: Path, feeds: Feeds
) -> None:
    root = feeds(FEED.format("[BTC-USD]", "account_trades: {}, account_orders: {}"))
    settings = settings_for(exchange, home)
    exchange.switch(bs_orders_ms=6 * HOUR * 1000)
    report = only_pull_well(settings, root)
    assert any("Order not found" in (s.notice or "") for s in report.streams)
    publish(settings)
    ((count,),) = table(home, "SELECT count(*) FROM account_orders")
    assert count > 0
    exchange.log.clear()
    only_pull_well(settings, root)
    assert len(exchange.log.of("/order_status/")) < 5  # none is asked for twice in vain
