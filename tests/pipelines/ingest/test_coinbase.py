"""Whole pulls of Coinbase's dialect: every trade once, whatever its documentation leaves open."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

import warehouse
from pipelines.cli import main
from pipelines.ingest import PullReport
from pipelines.publishing import publish
from sandbox import ManualClock, PagingProfile, Served, World, serve, tape
from sandbox.coinbase import CoinbaseSwitches
from sandbox.coinbase.ledger import ledger
from sandbox.coinbase.private import balances
from sandbox.coinbase.shape import uuid
from sandbox.marketdata import MarketTape
from sandbox.markets import text
from schemas import timeframe_us
from tests.matrix import combined
from tests.pipelines.ingest.conftest import only_pull, run, settings_for
from tests.pipelines.ingest.reference_model import table
from tests.pipelines.ingest.scene import Scene

MARKETS = "exchange: coinbase\nmarkets: {}\nstart: 2026-01-09\ndatasets: {{{}}}"
HISTORY = MARKETS.format("[BTC-USD]", "trades: {}, candles: {timeframes: [5m, 1h]}")
ACCOUNT = (
    "account_trades: {}, account_orders: {}, account_transactions: {}, balances: {}, "
    "trading_fees: {}"
)
PUBLIC = "markets: {}, currencies: {}, trades: {}, candles: {}, tickers: {}, order_books: {}"
HOUR = 3600

Row = tuple[Any, ...]


def numbered(server: Served, symbol: str = "BTC-USD") -> list[Row]:
    """The trades of a market as Coinbase numbers them."""
    now, rows = server.world.now(), server.world.tapes[symbol].trades()
    return [
        (number, t.timestamp, t.side, Decimal(t.price), Decimal(t.amount))
        for number, t in enumerate(rows, 1)
        if t.timestamp <= now
    ]


def held(home: Path, symbol: str = "BTC-USD") -> list[Row]:
    return table(
        home,
        "SELECT trade_id::BIGINT, epoch_ms(timestamp), side, price, amount FROM trades"
        f" WHERE exchange = 'coinbase' AND symbol = '{symbol}' ORDER BY trade_id::BIGINT",
    )


def not_proved(home: Path) -> list[Row]:
    rows = warehouse.coverage(home).to_pylist()
    return [(r["dataset"], r["stream"], r["state"]) for r in rows if r["state"] != "complete"]


@pytest.mark.slow
def test_the_whole_main_job(
    exchange: Served, home: Path, feeds: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    attributes = MARKETS.format("[BTC-USD, LTC-BTC]", f"{PUBLIC}, {ACCOUNT}")
    root, settings = feeds(attributes), settings_for(exchange, home)
    only_pull_well(settings, root)
    exchange.advance(HOUR)
    only_pull_well(settings, root)
    publish(settings)
    for symbol in ("BTC-USD", "LTC-BTC"):
        assert held(home, symbol) == numbered(exchange, symbol)
    assert not_proved(home) in ([], [("candles", "LTC-BTC:1m", "gap")])

    # Every candle that has ended, in the timeframes that the exchange has.
    now = exchange.world.now()
    for name in ("1m", "15m", "6h"):
        length = timeframe_us(name) // 1000
        candles = exchange.world.candles("BTC-USD", now, length, PagingProfile())
        values = ("open", "high", "low", "close", "volume")
        stored = table(
            home,
            f"SELECT epoch_ms(timestamp), {', '.join(values)} FROM candles"
            f" WHERE symbol = 'BTC-USD' AND timeframe = '{name}' AND is_final ORDER BY 1",
        )
        start = stored[0][0]
        assert stored == [
            (c.time, *(Decimal(text(getattr(c, value))) for value in values))
            for c in candles
            if start <= c.time <= now - length
        ]

    # Own trades of every market between currencies held, with fees of up to 14 decimals.
    account = exchange.world.accounts["alpha"]
    fills = table(
        home,
        "SELECT symbol, trade_id::BIGINT, side, price, amount FROM account_trades ORDER BY ALL",
    )
    assert fills == sorted(
        (o.market.symbol, f.at + 1, "buy" if o.buy else "sell", Decimal(text(f.price)),
         Decimal(text(f.amount)))
        for o, f in account.fills(now)
    )  # fmt: skip
    assert len({row[0] for row in fills}) == 4
    states = dict(table(home, "SELECT status, count(*) FROM account_orders GROUP BY status"))
    assert states["open"] == sum(order.is_open(now) for order in account.orders)

    # What the history makes of the balances is what the exchange says, to the last digit.
    reconciled = table(
        home,
        "SELECT currency, computed, difference FROM reconciliation"
        " QUALIFY observed_at = max(observed_at) OVER (PARTITION BY currency)",
    )
    owned, _ = balances(account, now)
    assert {(c, d) for c, _, d in reconciled} == {(c, 0) for c, *_ in reconciled}
    for currency, computed, _ in reconciled:
        assert computed * 10**16 == owned[currency]
    assert any(computed.normalize().as_tuple().exponent < -12 for _, computed, _ in reconciled)

    monkeypatch.setenv("TIDEMARK_FEEDS", str(root))
    assert main(["verify"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "habits",
    [
        # several at once for `make test`; each alone, for `make torture`, tells which one it is
        {"cb_before_alone": "oldest", "cb_most": 100, "cb_beyond_head": "refuse"},
        {"cb_over_most": "refuse", "page_cap": 70, "gzip": True, "extra_fields": True},
        {"cb_beyond_head": "newest", "cb_surplus_candles": 3, "late_every": 7},
        *(
            pytest.param(habits, marks=pytest.mark.torture)
            for habits in (
                {"cb_before_alone": "oldest"},
                {"cb_most": 100, "cb_over_most": "cut"},
                {"cb_over_most": "refuse"},
                {"page_cap": 70},
                {"cb_beyond_head": "refuse"},
                {"cb_beyond_head": "newest"},
                {"cb_surplus_candles": 3},
                {"late_every": 7},
                {"gzip": True, "extra_fields": True},
            )
        ),
    ],
    ids=str,
)
def test_every_trade_once_whatever_is_unknown(
    exchange: Served, home: Path, feeds: Callable[[str], Path], habits: dict[str, Any]
) -> None:
    root, settings = feeds(HISTORY), settings_for(exchange, home)
    exchange.switch(**habits)
    for _ in range(2):
        assert only_pull_well(settings, root)
        exchange.advance(HOUR)
    exchange.switch()  # what is late is there in the end
    assert only_pull_well(settings, root)
    publish(settings)
    assert held(home) == numbered(exchange)
    assert not_proved(home) == []


def only_pull_well(settings: Any, root: Path) -> PullReport:
    report = only_pull(settings, feeds_root=root)
    assert report.errors == []
    return report


@pytest.mark.slow
def test_servers_of_different_freshness(
    exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    """The head goes back, within a pull and from one pull to the next."""
    root, settings = feeds(HISTORY), settings_for(exchange, home)
    exchange.switch(cb_behind=(0, 3, 40))
    for seconds in (1, 1, 600, 1, 600):
        only_pull_well(settings, root)
        exchange.advance(seconds)
    exchange.switch()
    only_pull_well(settings, root)
    publish(settings)
    assert held(home) == numbered(exchange)
    assert not_proved(home) == []


def test_maintenance_is_a_fault_of_the_moment(
    exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    root, settings = feeds(HISTORY), settings_for(exchange, home)
    only_pull_well(settings, root)
    exchange.advance(HOUR)
    exchange.switch(cb_maintenance=True)
    report = only_pull(settings, feeds_root=root)
    assert report.errors and all("under maintenance" in error for error in report.errors)
    exchange.switch()
    only_pull_well(settings, root)
    publish(settings)
    assert held(home) == numbered(exchange)


@pytest.mark.slow
@pytest.mark.parametrize("hours_ahead", [26])
def test_ids_that_were_never_given_are_lost_in_the_end(
    scene: Scene, home: Path, feeds: Callable[[str], Path]
) -> None:
    """Said for a day, then recorded as lost; all else is complete, and later pulls are well."""
    root, settings = feeds(HISTORY), settings_for(scene.server, home)
    scene.server.switch(cb_skipped=frozenset({300, 1000}))
    report = only_pull(settings, feeds_root=root)
    assert [s.dataset for s in report.streams if s.error] == ["trades"]
    assert set(not_proved(home)) == {("trades", "BTC-USD", "gap")}
    scene.later(25)
    (found,) = only_pull(settings, feeds_root=root).errors
    assert "rows were lost" in found
    assert set(not_proved(home)) == {("trades", "BTC-USD", "lost")}
    scene.later(1)
    assert only_pull(settings, feeds_root=root).errors == []
    publish(settings)
    assert held(home) == [row for row in numbered(scene.server) if row[0] not in (300, 1000)]


@pytest.mark.parametrize("hours_ahead", [26])
def test_candles_that_come_empty_without_a_reason(
    scene: Scene, home: Path, feeds: Callable[[str], Path]
) -> None:
    """An empty answer proves nothing: what it left out is asked for again, and comes."""
    attributes = MARKETS.format("[BTC-USD]", "candles: {timeframes: [1m]}")
    root, settings = feeds(attributes), settings_for(scene.server, home)
    scene.server.switch(cb_empty_candles=4)
    only_pull_well(settings, root)
    assert ("candles", "BTC-USD:1m", "gap") in not_proved(home)
    scene.server.switch()
    scene.later(25)
    only_pull_well(settings, root)
    assert not_proved(home) == []
    publish(settings)
    now = scene.server.world.now()
    candles = scene.server.world.candles("BTC-USD", now, 60_000, PagingProfile())
    first = table(home, "SELECT min(epoch_ms(timestamp)) FROM candles")[0][0]
    stored = table(home, "SELECT epoch_ms(timestamp) FROM candles WHERE is_final ORDER BY 1")
    assert stored == [(c.time,) for c in candles if first <= c.time <= now - 60_000]


@pytest.mark.parametrize("served", [True, False], ids=["served", "refused"])
def test_a_delisted_market_is_no_error(
    exchange: Served, home: Path, feeds: Callable[[str], Path], served: bool
) -> None:
    attributes = MARKETS.format("all", "markets: {}, trades: {}, tickers: {}")
    root, settings = feeds(attributes), settings_for(exchange, home)
    exchange.switch(cb_delisted_trades=served)
    report = only_pull_well(settings, root)
    closed = [s for s in report.streams if s.stream == "DOGE-USD"]
    assert any("listed, but closed" in (s.notice or "") for s in closed)
    publish(settings)
    assert table(home, "SELECT active FROM markets WHERE symbol = 'DOGE-USD'") == [(False,)]
    assert held(home, "ETH-USD") == numbered(exchange, "ETH-USD")


@pytest.mark.slow
@pytest.mark.parametrize(
    "habits",
    combined(
        [
            {"cb_purges": False},
            {"cb_dates_open": True},
            {"cb_fee_included": False},
            {"cb_most": 25},
            {"cb_before_alone": "oldest"},
        ],
        1,
    ),
    ids=str,
)
def test_the_account_whatever_is_unknown(
    exchange: Served, home: Path, feeds: Callable[[str], Path], habits: dict[str, Any]
) -> None:
    root = feeds(MARKETS.format("[BTC-USD]", f"markets: {{}}, {ACCOUNT}"))
    settings = settings_for(exchange, home)
    exchange.switch(**habits)
    for _ in range(2):
        only_pull_well(settings, root)
        exchange.advance(2 * HOUR)
    exchange.advance(-2 * HOUR)
    only_pull_well(settings, root)
    publish(settings)
    now, account = exchange.world.now(), exchange.world.accounts["alpha"]
    assert table(home, "SELECT count(*) FROM account_trades") == [(len(account.fills(now)),)]
    orders = [o for o in account.orders if o.created <= now]
    states = dict(table(home, "SELECT status, count(*) FROM account_orders GROUP BY status"))
    assert states["open"] == sum(o.is_open(now) for o in orders)
    assert states["closed"] == sum(not o.unfilled(now) for o in orders)
    if not habits.get("cb_purges", True):
        assert sum(states.values()) == len(orders)
    transfers = [t for t in account.visible_transactions(now) if t.kind in (1, 2)]
    rows = table(
        home,
        "SELECT amount + coalesce(fee_amount, 0) FROM account_transactions"
        " WHERE type IN ('deposit', 'withdrawal')",
    )
    assert sorted(rows) == sorted((Decimal(text(t.amount)),) for t in transfers)
    assert entries_held(home) == entries_of(exchange)
    assert not_proved(home) == []


OTHERS = ("conversion", "rebate")


def entries_of(exchange: Served) -> list[Row]:
    """What the ledger has and neither fills nor transfers repeat: currency, time, amount."""
    now, account = exchange.world.now(), exchange.world.accounts["alpha"]
    found = [e for e in ledger(account, now) if e.type in OTHERS]
    assert {e.type for e in found} == {*OTHERS}
    return sorted((e.currency, e.ms, Decimal(e.amount) / 10**16) for e in found)


def entries_held(home: Path) -> list[Row]:
    query = (
        "SELECT currency, epoch_ms(timestamp), if(type = 'debit', -amount, amount)"
        " FROM account_transactions WHERE type IN ('debit', 'credit') ORDER BY ALL"
    )
    return table(home, query)


@pytest.mark.slow
def test_a_pull_reads_of_a_ledger_what_is_new(
    scene: Scene, home: Path, feeds: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of currencies of which there is nothing, once a day. Their rows lie in one table."""
    root = feeds(MARKETS.format("[BTC-USD]", "account_transactions: {}, balances: {}"))
    settings = settings_for(scene.server, home)
    scene.server.switch(cb_most=80, cb_one_date="ignored")

    def calls() -> dict[str, int]:
        scene.server.log.clear()
        only_pull_well(settings, root)
        paths = [e.path for e in scene.server.log.entries if e.path.endswith("/ledger")]
        codes = {uuid(1, at): c.code for at, c in enumerate(scene.server.world.currencies, 2)}
        return dict(Counter(codes[path.split("/")[2]] for path in paths))

    first = calls()
    assert first["USD"] > 4 and first["DOGE"] == 1
    again = calls()
    assert "DOGE" not in again and set(again.values()) <= {1, 2, 3, 4, 5}
    assert sum(again.values()) < sum(first.values())
    scene.later(1)
    calls()
    publish(settings)
    assert entries_held(home) == entries_of(scene.server)
    scene.later(25)
    assert calls()["DOGE"] == 1
    publish(settings)
    assert entries_held(home) == entries_of(scene.server)
    # A damaged file gets its own rows back, and none of the other lists.
    (file, *_) = sorted((home / "lake" / "account_transactions").rglob("USD@*.parquet"))
    file.write_bytes(b"PAR1" + file.read_bytes()[9:])
    monkeypatch.setenv("TIDEMARK_FEEDS", str(root))
    assert main(["verify"]) == 0
    assert entries_held(home) == entries_of(scene.server)
    assert len(sorted(home.rglob("damaged/**/USD@*"))) == 1


def test_an_order_that_is_dropped_was_canceled(
    exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    root = feeds(MARKETS.format("[BTC-USD]", "markets: {}, account_orders: {}"))
    settings, orders = settings_for(exchange, home), exchange.world.accounts["alpha"].orders
    order = next(o for o in reversed(orders) if o.canceled is not None and not o.fills)
    assert isinstance(exchange.clock, ManualClock) and order.canceled is not None
    exchange.clock.set(order.created + 1000)
    only_pull_well(settings, root)
    exchange.clock.set(order.canceled + 1000)
    (said,) = [s.notice for s in only_pull_well(settings, root).streams if s.notice]
    assert "canceled before anything was filled" in said
    publish(settings)
    query = (
        "SELECT status, remaining, filled FROM account_orders"
        f" WHERE epoch_ms(timestamp) = {order.created}"
    )
    assert table(home, query) == [("canceled", 0, 0)]
    assert not_proved(home) == []
    assert not any(s.notice for s in only_pull_well(settings, root).streams)


def test_a_fee_that_comes_later(exchange: Served, home: Path, feeds: Callable[[str], Path]) -> None:
    root = feeds(MARKETS.format("[BTC-USD]", "markets: {}, account_trades: {}"))
    settings = settings_for(exchange, home)
    exchange.of(CoinbaseSwitches).cb_settles_ms = 10**12
    run(settings, feeds_root=root)
    unknown = "SELECT count(*), count(fee_amount) FROM account_trades"
    ((count, known),) = table(home, unknown)
    assert count > 50 and known == 0
    exchange.of(CoinbaseSwitches).cb_settles_ms = 0
    run(settings, feeds_root=root)
    assert table(home, unknown) == [(count, count)]


# -- tapes -----------------------------------------------------------------------------------------


def pulled_tape(recorded: MarketTape, home: Path, feeds: Callable[[str], Path]) -> list[Row]:
    """Replay a tape as BTC-USD and pull it twice; what is held then, and nothing is missing."""
    root = feeds(
        "exchange: coinbase\nmarkets: [BTC-USD]\nstart: 2016-01-01\ndatasets: {trades: {}}"
    )
    clock = ManualClock(int(max(recorded.times)) + 1)
    with serve(World.replay({"BTC-USD": recorded}, clock), limits=False) as server:
        server.switch(page_cap=70)
        settings = settings_for(server, home)
        for _ in range(2):
            only_pull(settings, feeds_root=root)
        publish(settings)
    # A recording begins somewhere: what came before it is wanted and not shown.
    first = recorded.ids[0]
    spans = [(r["state"], r["lower"], r["upper"]) for r in warehouse.coverage(home).to_pylist()]
    below = [("gap", 0, first - 1)] if first > 1 else []
    assert sorted(spans) == sorted([*below, ("complete", first if below else 0, recorded.ids[-1])])
    return held(home)


def test_recorded_trades_of_coinbase(
    shared_data: Path, tmp_path: Path, home: Path, feeds: Callable[[str], Path]
) -> None:
    pages = sorted((shared_data / "exchanges" / "coinbase").glob("trades_BTC-USD_page*.json"))
    rows = [row for page in pages for row in json.loads(page.read_text())["body"]]
    path = tmp_path / "tape.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("time", "id", "price", "amount", "side"))
        for row in rows:
            side = {"buy": "sell", "sell": "buy"}[row["side"]]
            writer.writerow((micros(row["time"]), row["trade_id"], row["price"], row["size"], side))
    found = pulled_tape(tape.load(path, "BTC-USD"), home, feeds)
    assert found == sorted(
        (row["trade_id"], micros(row["time"]) // 1000, {"buy": "sell", "sell": "buy"}[row["side"]],
         Decimal(row["price"]), Decimal(row["size"]))
        for row in rows
    )  # fmt: skip


def micros(iso: str) -> int:
    moment = datetime.fromisoformat(iso)
    return round(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


def test_a_tape_of_shared_moments_and_shuffled_ties(
    home: Path, feeds: Callable[[str], Path]
) -> None:
    rng, made = Random(13), MarketTape("BTC-USD")
    ms = 1_700_000_000_000
    moments: list[int] = []
    while len(moments) < 4000:
        ms += rng.choice((0, 1, 250, 4000))
        moments += [ms] * rng.choice((1, 1, 2, 3, 150))
    for at in range(0, len(moments) - 1, 5):  # rows out of order within a moment or the next one
        moments[at], moments[at + 1] = moments[at + 1], moments[at]
    for number, at in enumerate(moments, 1):
        made.add(number, at, 10**8 * (number % 50 + 1), 10**6, number % 3 == 0)
    found = pulled_tape(made, home, feeds)
    assert found == [
        (t.id, t.timestamp, t.side, Decimal(t.price), Decimal(t.amount)) for t in made.trades()
    ]
