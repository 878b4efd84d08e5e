"""Binance, whole: what the exchange has is held once, whichever way its open questions turn out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import warehouse
from connectors.local import NoLimits
from pipelines.cli import main
from pipelines.feeds import load_feeds, select_jobs
from pipelines.ingest import PullReport, pull
from pipelines.publishing import publish
from pipelines.publishing.reconciliation import reconcile
from sandbox import ManualClock, Served, World, serve, tape
from sandbox.account import Transaction
from sandbox.binance import BinanceSwitches, wallet
from sandbox.marketdata import MarketTape
from sandbox.markets import UNIT
from tests.matrix import thinned
from tests.pipelines.ingest.conftest import settings_for
from tests.pipelines.ingest.reference_model import table
from tests.pipelines.ingest.scene import Scene
from tests.pipelines.ingest.test_recorded import recorded, rows_of

DAY = 26
"""Hours: a day, and a little."""
EARLY = 1_767_225_600_000
"""1 January 2026."""
ACCOUNT = "account_trades: {}, account_orders: {}, account_transactions: {}, balances: {}"
CANDLES_WRONG = """
SELECT symbol, timeframe, timestamp, verdict FROM marts.candles_compared
WHERE verdict NOT IN ('equal', 'empty', 'unproved')
"""
Feeds = Callable[[str], Path]


@pytest.fixture
def hours_ahead() -> int:
    return 31


def feed(datasets: str, markets: str = "[BTC-USD]", account: str = "[BTC-USD]") -> str:
    return (
        f"exchange: binance\nmarkets: {markets}\naccount_markets: {account}\n"
        f"start: 2025-12-20\ndatasets: {{{datasets}}}\n"
    )


def pulled(scene: Scene, root: Path, *, last: bool = True) -> PullReport:
    """One pull; the last one is published, and what is called complete is all there."""
    settings = settings_for(scene.server, scene.home)
    report = pull(select_jobs(load_feeds(root), []), settings, limits=NoLimits())
    if last:
        publish(settings)
        assert false_claims(scene) == []
    return report


def text(value: int) -> Decimal:
    return Decimal(value) / UNIT


def trades(world: World, symbol: str = "BTC-USD") -> dict[int, tuple[Any, ...]]:
    """Time, side, price and amount of each trade that the exchange has, by its id."""
    return {
        number: (t.timestamp, t.side, Decimal(t.price), Decimal(t.amount))
        for number, t in enumerate(world.tapes[symbol].trades(), 1)
        if t.timestamp <= world.now()
    }


def held_trades(home: Path, symbol: str = "BTC-USD") -> dict[int, tuple[Any, ...]]:
    query = (
        "SELECT trade_id::BIGINT, epoch_ms(timestamp), side, price, amount FROM trades "
        f"WHERE symbol = '{symbol}'"
    )
    rows = table(home, query)
    found = {row[0]: row[1:] for row in rows}
    assert len(found) == len(rows), "a trade is stored twice"
    return found


def fills(world: World, symbol: str = "BTC-USD") -> dict[int, tuple[Any, ...]]:
    found = {}
    for order, fill in world.accounts["alpha"].fills(world.now()):
        if order.market.symbol == symbol:
            side = "buy" if order.buy else "sell"
            amounts = tuple(map(text, (fill.price, fill.amount, fill.fee)))
            role = "maker" if fill.maker else "taker"
            found[fill.at + 1] = (str(order.id), side, *amounts, role)
    return found


def held_fills(home: Path, symbol: str = "BTC-USD") -> dict[int, tuple[Any, ...]]:
    query = (
        "SELECT trade_id::BIGINT, order_id, side, price, amount, fee_amount, taker_or_maker "
        f"FROM account_trades WHERE symbol = '{symbol}'"
    )
    rows = table(home, query)
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: row[1:] for row in rows}


def orders(world: World, symbol: str = "BTC-USD") -> set[int]:
    now = world.now()
    return {
        o.id
        for o in world.accounts["alpha"].orders
        if o.created <= now and o.market.symbol == symbol
    }


def transfers(world: World) -> list[tuple[Any, ...]]:
    """Time, kind, currency, amount and whether it is settled; a withdrawal's in whole seconds."""
    now, found = world.now(), []
    for t in world.accounts["alpha"].visible_transactions(now):
        if t.kind in (1, 2):
            kind = ("deposit", "withdrawal")[t.kind - 1]
            at = t.ms if t.kind == 1 else t.ms // 1000 * 1000
            settled = t.status(now) in ("ok", "failed")
            found.append((at, kind, t.currency, text(t.amount), settled))
    return sorted(found)


def held_transfers(home: Path) -> list[tuple[Any, ...]]:
    query = (
        "SELECT epoch_ms(timestamp), type, currency, amount, status IN ('ok', 'failed') "
        "FROM account_transactions WHERE NOT regexp_matches(transaction_id, "
        "'^(fiat|dividend|convert|dust|payment)-')"
    )
    return sorted(table(home, query))


def changes(world: World) -> dict[tuple[str, str], tuple[int, Decimal]]:
    """What else changed the account: how often and by how much in all, by currency and kind."""
    found: dict[tuple[str, str], tuple[int, Decimal]] = {}

    def add(kind: str, currency: str, amount: Decimal) -> None:
        count, total = found.get((kind, currency), (0, Decimal(0)))
        found[kind, currency] = count + 1, total + amount

    kinds = {"deposit": "fiat", "withdrawal": "fiat", "buy": "payment", "sell": "payment"}
    for c in wallet.changes(world.accounts["alpha"], world.now()):
        kind = kinds.get(c.kind, c.kind)
        if c.taken[0] and (c.in_wallet or c.kind != "buy"):
            add(kind, c.taken[0], -text(c.taken[1] + c.fee))
        if c.given[0] and (c.in_wallet or c.kind != "sell"):
            add(kind, c.given[0], text(c.given[1]))
    return found


def held_changes(home: Path) -> dict[tuple[str, str], tuple[int, Decimal]]:
    rows = table(
        home,
        "SELECT split_part(transaction_id, '-', 1), currency, count(*), sum(if(type IN ('credit',"
        " 'deposit'), amount, -amount - coalesce(fee_amount, 0)))"
        " FROM account_transactions WHERE status = 'ok' AND regexp_matches(transaction_id,"
        " '^(fiat|dividend|convert|dust|payment)-') GROUP BY ALL",
    )
    return {(kind, currency): (count, total) for kind, currency, count, total in rows}


def false_claims(scene: Scene) -> list[tuple[str, int]]:
    """Rows of the exchange that lie in what is called complete, and are not held."""
    world, found = scene.server.world, []
    there: dict[str, tuple[Callable[[str], set[int]], str]] = {
        "trades": (lambda symbol: {*trades(world, symbol)}, "trade_id"),
        "account_trades": (lambda symbol: {*fills(world, symbol)}, "trade_id"),
        "account_orders": (lambda symbol: orders(world, symbol), "order_id"),
    }
    held = {
        name: {*table(scene.home, f"SELECT symbol, {column}::BIGINT FROM {name}")}
        for name, (_, column) in there.items()
    }
    for row in warehouse.coverage(scene.home).to_pylist():
        if row["dataset"] not in there or row["state"] != "complete":
            continue
        ids, _ = there[row["dataset"]]
        symbol = row["stream"].rpartition("/")[2]
        claimed = {key for key in ids(symbol) if row["lower"] <= key <= row["upper"]}
        found += [(symbol, key) for key in claimed if (symbol, key) not in held[row["dataset"]]]
    return found


def states(home: Path) -> set[str]:
    return {row["state"] for row in warehouse.coverage(home).to_pylist()}


@pytest.mark.slow
def test_all_of_it_is_held_once_and_adds_up(scene: Scene, feeds: Feeds) -> None:
    """Market and account data, two days pass, the second into another week: complete, exact, and
    the account agrees."""
    root = feeds(
        feed(
            "trades: {}, candles: {timeframes: [5m, 1d, 1w]}, tickers: {},"
            f"order_books: {{}}, markets: {{}}, trading_fees: {{}}, {ACCOUNT}",
            "[BTC-USD]",
            "all",
        )
    )
    world = scene.server.world
    for hours in (0, DAY, DAY):
        scene.later(hours)
        assert pulled(scene, root, last=hours > 0).errors == []
    assert held_trades(scene.home) == trades(world)
    assert held_fills(scene.home) == fills(world)
    assert held_transfers(scene.home) == transfers(world)
    assert held_changes(scene.home) == changes(world)
    assert {kind for kind, _ in changes(world)} == {
        "fiat",
        "dividend",
        "convert",
        "dust",
        "payment",
    }
    assert states(scene.home) == {"complete"}
    settings = settings_for(scene.server, scene.home)
    found = reconcile(settings)
    assert found.compared >= 8 and found.unexplained == ()
    assert table(scene.home, CANDLES_WRONG) == []
    assert main(["verify"]) == 0


def test_markets_of_the_account_are_found(scene: Scene, feeds: Feeds) -> None:
    """Markets between currencies that it held, beside those of the feed; each is named."""
    chosen = "account_markets: [BTC-USD]\n"
    root = feeds(feed("account_trades: {}, balances: {}").replace(chosen, ""))
    assert pulled(scene, root).errors == []
    named = {
        row["stream"] for row in warehouse.coverage(scene.home).to_pylist() if row["unit"] == "id"
    }
    assert named >= {"main/BTC-USD", "main/ETH-USD", "main/LTC-BTC", "main/ETH-BTC"}


UNKNOWN: dict[str, dict[str, Any]] = {
    "the store is behind": {"history_lag_ms": 900_000},
    "the store wants a key": {"history_needs_key": True},
    "pages of an account are short": {"short_pages": True},
    "a low cap": {"page_cap": 90},
    "sorted by time": {"sorts_by": "time", "page_cap": 200},
    "late rows": {"late_every": 7, "late_ms": 60_000},
    "windows by completion": {"windows_by": "completeTime"},
    "deposits without ids": {"deposit_ids": False},
    "a clock ahead": {"clock_ahead_ms": 3_600_000},
    "lists keep the oldest": {"lists_keep": "oldest", "conversions_most": 4},
    "lists keep the newest": {"conversions_most": 4, "fiat_most": 3},
    "older forms": {"dust_form": "older", "fiat_data_always": True, "sale_source": "coin"},
    "fields nobody named": {"extra_fields": True, "gzip": True},
}


TOGETHER = {
    ", ".join(names): {switch: value for name in names for switch, value in UNKNOWN[name].items()}
    for names in (
        (
            "the store is behind",
            "windows by completion",
            "deposits without ids",
            "sorted by time",
            "the store wants a key",
            "pages of an account are short",
        ),
        ("late rows", "a low cap", "a clock ahead", "fields nobody named"),
    )
}
"""Several at once for ``make test``; each alone, for ``make torture``, tells which one it is."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "unknown",
    [
        *TOGETHER.values(),
        *(pytest.param(one, marks=pytest.mark.torture) for one in UNKNOWN.values()),
    ],
    ids=[*TOGETHER, *UNKNOWN],
)
def test_whichever_way_it_turns_out(scene: Scene, feeds: Feeds, unknown: dict[str, Any]) -> None:
    root = feeds(feed(f"trades: {{}}, {ACCOUNT}"))
    scene.server.switch(**unknown)
    world = scene.server.world
    for hours in (0, DAY):
        scene.later(hours)
        assert pulled(scene, root, last=False).errors == []
    scene.server.switch(**{k: v for k, v in unknown.items() if k != "history_lag_ms"})
    scene.later(0.2)
    pulled(scene, root)
    late = unknown.get("late_every", 0)
    missing = trades(world).items() - held_trades(scene.home).items()
    assert all(key % late == 0 or late for key, _ in missing) if late else not missing
    assert held_fills(scene.home) == fills(world)
    assert held_transfers(scene.home) == transfers(world)
    assert held_changes(scene.home) == changes(world)


@pytest.mark.slow
@pytest.mark.parametrize("cap", thinned([20, None], 2))
def test_fees_in_bnb_and_trades_with_oneself_add_up(
    scene: Scene, feeds: Feeds, cap: int | None
) -> None:
    """To the last digit; both rows of a trade with oneself, also where a page ends between them."""
    scene.server.switch(bnb_fees=True, self_trades=True, page_cap=cap)
    root = feeds(feed(f"markets: {{}}, {ACCOUNT}", "[BTC-USD]", "all"))
    world = scene.server.world
    for hours in (0, 2):
        scene.later(hours)
        assert pulled(scene, root).errors == []
    found = reconcile(settings_for(scene.server, scene.home))
    assert found.compared >= 8 and found.unexplained == ()
    query = "SELECT {} FROM account_trades"
    both = "count(*) - count(DISTINCT symbol || trade_id)"
    switches = scene.server.of(BinanceSwitches)
    rows = [
        (order.market.symbol, side)
        for order, fill in world.accounts["alpha"].fills(world.now())
        for side in wallet.sides(order, fill, switches)
    ]
    ((count, twice, in_bnb),) = table(
        scene.home, query.format(f"count(*), {both}, count_if(fee_currency = 'BNB')")
    )
    distinct = {(symbol, side.fill.at) for symbol, side in rows}
    assert (count, twice) == (len(rows), len(rows) - len(distinct)) and twice > 5
    assert in_bnb == sum(side.fee[0] == "BNB" for _, side in rows) > 5


def test_lists_that_a_server_does_not_have(scene: Scene, feeds: Feeds) -> None:
    """Said, and no error: what the others list is collected."""
    scene.server.switch(lists_missing=True)
    report = pulled(scene, feeds(feed("account_transactions: {}")))
    assert report.errors == []
    said = " ".join(s.notice or "" for s in report.streams)
    for name in ("convert/tradeFlow", "asset/dribblet", "fiat/payments", "fiat/orders"):
        assert name in said
    assert held_transfers(scene.home) == transfers(scene.server.world)


def test_an_account_without_recent_transactions(home: Path, feeds: Feeds) -> None:
    """The newest answer is of 80 days: what is older is looked for, and not at every pull."""
    quiet = MarketTape("BTC-USD")
    quiet.add(1, EARLY, UNIT, UNIT, True)
    clock = ManualClock(EARLY + 300 * 86_400_000)
    with serve(World.replay({"BTC-USD": quiet}, clock), limits=False) as server:
        account = server.world.accounts["alpha"]
        for n, days in enumerate((3, 4, 90)):
            at = EARLY + days * 86_400_000
            made = Transaction(n, at, 1, "BTC", UNIT, "", ((at, "ok"),))
            account.transactions.append(made)
        root = feeds(feed("account_transactions: {}"))
        settings = settings_for(server, home)

        def calls() -> int:
            server.log.clear()
            report = pull(select_jobs(load_feeds(root), []), settings, limits=NoLimits())
            assert report.errors == []
            publish(settings)
            return sum("/withdraw/history" in e.path for e in server.log.entries)

        first = calls()
        assert held_transfers(home) == transfers(server.world)
        assert len(transfers(server.world)) == 3
        assert calls() <= first // 2, first


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keeps", "empty"), thinned(product(["newest", "documented"], ["repeat", "omit"]), 4)
)
def test_candles_of_every_interval(scene: Scene, feeds: Feeds, keeps: str, empty: str) -> None:
    """Whichever end a window keeps, and whatever becomes of quiet intervals."""
    scene.server.switch(klines_keep=keeps, klines_empty=empty, three_days_from=2)
    every = "1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w"
    root = feeds(feed(f"candles: {{timeframes: [{every}]}}"))
    for hours in (0, 30):
        scene.later(hours)
        assert pulled(scene, root).errors == []
    counts = dict(table(scene.home, "SELECT timeframe, count(*) FROM candles GROUP BY 1"))
    assert set(counts) == set(every.split(", "))
    if empty == "repeat":
        assert counts["1m"] >= 5 * counts["5m"] - 10 and counts["1h"] >= 24
    opened = table(
        scene.home, "SELECT DISTINCT dayofweek(timestamp) FROM candles WHERE timeframe = '1w'"
    )
    assert opened == [(1,)]  # Monday


def test_a_beginning_that_is_not_shown_is_a_gap_then_lost(scene: Scene, feeds: Feeds) -> None:
    """Ids below what the exchange shows may well exist: bulk files hold them."""
    world = scene.server.world
    first = len(trades(world)) - 699
    scene.server.switch(hidden_ids=(0, first - 1))
    root = feeds(feed("trades: {}"))
    report = pulled(scene, root)
    assert report.errors and states(scene.home) == {"complete", "gap"}
    assert min(held_trades(scene.home)) == first
    scene.later(25)
    pulled(scene, root)
    assert "lost" in states(scene.home)
    assert pulled(scene, root).errors == []


def test_a_host_without_the_store_gives_the_newest(scene: Scene, feeds: Feeds) -> None:
    """As ``data-api.binance.vision`` may: its newest trades are held, and the error says why."""
    scene.server.switch(history_missing=True)
    root = feeds(feed("trades: {}"))
    report = pulled(scene, root)
    assert len(held_trades(scene.home)) >= 1000
    (error,) = report.errors
    assert "historicalTrades" in error and "Fix:" in error


def test_a_pair_that_does_not_trade(scene: Scene, feeds: Feeds) -> None:
    """Listed and closed: an empty history is no error, a refusal is named and hurts no other."""
    root = feeds(feed("trades: {}, markets: {}", "all"))
    assert pulled(scene, root).errors == []
    scene.server.switch(breaks_served=False)
    report = pulled(scene, root)
    assert report.errors == []
    (notice,) = [one.notice for one in report.streams if one.notice]
    assert "DOGE-USD" in notice and "Invalid symbol" in notice
    active = dict(table(scene.home, "SELECT symbol, active FROM markets"))
    assert active["DOGE-USD"] is False and active["BTC-USD"] is True


def test_a_place_that_is_not_served(scene: Scene, feeds: Feeds) -> None:
    scene.server.switch(blocked=True)
    report = pulled(scene, feeds(feed("trades: {}, tickers: {}", "[BTC-USD]")))
    assert report.errors and all("451" in e and "Fix:" in e for e in report.errors)
    assert len(scene.server.log.entries) <= 3  # not tried again


def test_a_market_listed_again_with_other_ids(scene: Scene, feeds: Feeds) -> None:
    """Ids that begin again: nothing new is stored beside the old rows, and it is said."""
    root = feeds(feed("trades: {}"))
    assert pulled(scene, root).errors == []
    before = held_trades(scene.home)
    scene.server.world.relist("BTC-USD")
    scene.later(2)
    settings = settings_for(scene.server, scene.home)
    report = pull(select_jobs(load_feeds(root), []), settings, limits=NoLimits())
    assert "ids restarted" in report.errors[0]
    publish(settings)
    assert before.items() <= held_trades(scene.home).items()


@contextmanager
def replaying(recording: MarketTape, market: str) -> Iterator[Served]:
    clock = ManualClock(int(recording.times[-1]) + 1)
    with serve(World.replay({market: recording}, clock), limits=False) as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("sorts_by", thinned(["time", "id"], 2))
def test_a_tape_with_shared_moments_arrives_whole(
    shared_data: Path, home: Path, feeds: Feeds, sorts_by: str
) -> None:
    """Recorded trades, two thirds of which share a millisecond, ties in any order: each once."""
    path = shared_data / "binance_spot_btcusdt_trades_2024-08-08_09.csv.gz"
    recording = tape.load(path, "BTC-USDT")
    root = feeds(
        "exchange: binance\nmarkets: [BTCUSDT]\nstart: 2016-01-01\n"
        "datasets: {trades: {}, candles: {timeframes: [5m]}}"
    )
    with replaying(recording, "BTC-USDT") as server:
        server.switch(sorts_by=sorts_by, klines_empty="omit")
        settings = settings_for(server, home)
        for _ in range(2):
            report = pull(select_jobs(load_feeds(root), []), settings, limits=NoLimits())
        publish(settings)
    lowest = recording.ids[0]
    assert recording.ids[-1] - lowest == len(recording) - 1, "a tape without holes"
    found = table(
        home,
        "SELECT trade_id::BIGINT, epoch_ms(timestamp), price, amount, side FROM trades"
        " ORDER BY trade_id::BIGINT",
    )
    assert found == recorded(rows_of(path), "trade_id")
    # What lies below the tape is not shown, and nothing else is open.
    lost = [r for r in warehouse.coverage(home).to_pylist() if r["state"] != "complete"]
    assert [(r["lower"], r["upper"]) for r in lost] == [(0, lowest - 1)]
    assert len(report.errors) == 1
    assert table(home, CANDLES_WRONG) == []
