"""Whole pulls of OKX through ccxt: every trade once, an account that adds up."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import connectors
import warehouse
from pipelines.cli import main
from pipelines.ingest import PullReport
from pipelines.publishing import publish
from sandbox import PagingProfile, Served
from sandbox.markets import text
from sandbox.okx.ledger import ledger
from sandbox.okx.private import held
from schemas import timeframe_us
from tests.pipelines.ingest.conftest import only_pull, settings_for
from tests.pipelines.ingest.reference_model import table

FEED = 'exchange: "ccxt:okx"\nmarkets: {}\nstart: 2026-01-09\ndatasets: {{{}}}'
HISTORY = FEED.format("[BTC-USD]", "trades: {}, candles: {timeframes: [5m, 1h]}")
ACCOUNT = (
    "account_trades: {}, account_orders: {}, account_transactions: {}, balances: {}, "
    "trading_fees: {}"
)
PUBLIC = (
    "markets: {}, trades: {}, candles: {timeframes: [1m, 15m, 1d]}, tickers: {}, order_books: {}"
)
BEFORE_THE_FIRST_ROW = {
    # In lists with windows of bounded length, nothing is believed on the first day.
    ("account_orders", "main", "gap"),
    ("account_transactions", "main", "gap"),
    # so is the time before the first candle of a quiet market
    ("candles", "LTC-BTC:1m", "gap"),
}
HOUR = 3600

Row = tuple[Any, ...]


def numbered(server: Served, symbol: str = "BTC-USD") -> list[Row]:
    """The trades of a market as OKX numbers them."""
    now, rows = server.world.now(), server.world.tapes[symbol].trades()
    return [
        (number, t.timestamp, t.side, Decimal(t.price), Decimal(t.amount))
        for number, t in enumerate(rows, 1)
        if t.timestamp <= now
    ]


def stored(home: Path, symbol: str = "BTC-USD") -> list[Row]:
    return table(
        home,
        "SELECT trade_id::BIGINT, epoch_ms(timestamp), side, price, amount FROM trades"
        f" WHERE exchange = 'ccxt:okx' AND symbol = '{symbol}' ORDER BY trade_id::BIGINT",
    )


def not_proved(home: Path) -> list[Row]:
    rows = warehouse.coverage(home).to_pylist()
    return [(r["dataset"], r["stream"], r["state"]) for r in rows if r["state"] != "complete"]


def pulled_well(settings: Any, root: Path) -> PullReport:
    report = only_pull(settings, feeds_root=root)
    assert report.errors == []
    return report


@pytest.mark.slow
def test_the_whole_main_job(
    exchange: Served, home: Path, feeds: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = feeds(FEED.format("[BTC-USD, LTC-BTC]", f"{PUBLIC}, {ACCOUNT}"))
    settings = settings_for(exchange, home)
    pulled_well(settings, root)
    exchange.advance(HOUR)
    pulled_well(settings, root)
    publish(settings)
    for symbol in ("BTC-USD", "LTC-BTC"):
        assert stored(home, symbol) == numbered(exchange, symbol)
    assert {*not_proved(home)} <= BEFORE_THE_FIRST_ROW

    # Every candle that has ended, in timeframes of both lists.
    now = exchange.world.now()
    for name in ("1m", "15m", "1d"):
        length = timeframe_us(name) // 1000
        candles = exchange.world.candles("BTC-USD", now, length, PagingProfile())
        values = ("open", "high", "low", "close", "volume")
        rows = table(
            home,
            f"SELECT epoch_ms(timestamp), {', '.join(values)} FROM candles"
            f" WHERE symbol = 'BTC-USD' AND timeframe = '{name}' AND is_final ORDER BY 1",
        )
        assert rows == [
            (c.time, *(Decimal(text(getattr(c, value))) for value in values))
            for c in candles
            if rows[0][0] <= c.time <= now - length
        ]

    account = exchange.world.accounts["alpha"]
    fills = table(
        home,
        "SELECT symbol, trade_id::BIGINT, side, price, amount, fee_amount, fee_currency"
        " FROM account_trades ORDER BY ALL",
    )
    start = 1_767_916_800_000
    assert fills == sorted(
        (o.market.symbol, f.at + 1, "buy" if o.buy else "sell", Decimal(text(f.price)),
         Decimal(text(f.amount)), Decimal(text(f.fee)),
         o.market.base if o.buy else o.market.quote)
        for o, f in account.fills(now) if f.ms >= start
    )  # fmt: skip
    states = dict(table(home, "SELECT status, count(*) FROM account_orders GROUP BY status"))
    assert states.get("open", 0) == sum(
        o.is_open(now) for o in account.orders if o.created >= start
    )

    # Balances are those of both accounts together.
    balances = table(
        home,
        "SELECT currency, available + reserved FROM balances"
        " QUALIFY observed_at = max(observed_at) OVER (PARTITION BY currency)",
    )
    places = [held(account, now, funding=funding) for funding in (True, False)]
    both = {code: sum(place[code] for place in places) for place in places for code in [*place]}
    assert dict(balances) == {code: Decimal(text(value)) for code, value in both.items()}

    # What the history makes of the balances is what the exchange says, to the last digit.
    reconciled = table(
        home,
        "SELECT currency, computed, difference FROM reconciliation"
        " QUALIFY observed_at = max(observed_at) OVER (PARTITION BY currency)",
    )
    assert {(code, difference) for code, _, difference in reconciled} == {
        (code, 0) for code, *_ in reconciled
    }
    assert len(reconciled) == len(both)

    monkeypatch.setenv("TIDEMARK_FEEDS", str(root))
    assert main(["verify"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "habits",
    [
        {"okx_most": 40, "okx_most_candles": 100, "okx_history_is_final": False},
        {"page_cap": 30, "gzip": True, "extra_fields": True, "okx_quiet_candles": True},
        {"late_every": 7, "okx_behind": (0, 3, 40)},
    ],
    ids=str,
)
def test_every_trade_once_whatever_is_unknown(
    exchange: Served, home: Path, feeds: Callable[[str], Path], habits: dict[str, Any]
) -> None:
    root, settings = feeds(HISTORY), settings_for(exchange, home)
    exchange.switch(**habits)
    for _ in range(2):
        assert pulled_well(settings, root)
        exchange.advance(HOUR)
    exchange.switch()  # what is late is there in the end
    assert pulled_well(settings, root)
    publish(settings)
    assert stored(home) == numbered(exchange)
    assert not_proved(home) == []


def test_a_list_ends_where_nothing_older_is_shown(
    exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    """However few rows of it an answer has."""
    root = feeds(FEED.format("[BTC-USD]", "account_transactions: {}"))
    settings = settings_for(exchange, home)
    exchange.switch(okx_most=30)
    for _ in range(2):
        pulled_well(settings, root)
    publish(settings)
    account, now = exchange.world.accounts["alpha"], exchange.world.now()
    start = 1_767_916_800_000
    entries = [
        e
        for e in ledger(account, now)
        if e.ms >= start and e.type not in (("1", "2", "13", "130", "131") if e.funding else "12")
    ]
    moved = [t for t in account.visible_transactions(now) if t.kind in (1, 2) and t.ms >= start]
    assert len([e for e in entries if e.funding]) > 30
    ((found,),) = table(home, "SELECT count(*) FROM account_transactions")
    assert found == len(entries) + len(moved)


def test_what_is_older_than_three_months_is_not_shown(
    exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    """What the exchange shows no longer is asked for a few times, and said; the rest is proved."""
    root, settings = feeds(FEED.format("[BTC-USD]", "trades: {}")), settings_for(exchange, home)
    exchange.switch(retention=500)
    pulled_well(settings, root)
    exchange.advance(60)
    pulled_well(settings, root)
    publish(settings)
    rows = numbered(exchange)
    assert stored(home) == rows[-len(stored(home)) :]
    assert 500 <= len(stored(home)) < 600
    assert len([e for e in exchange.log.entries if "trades" in e.path]) < 60


def test_an_id_that_was_never_given_is_a_gap(
    exchange: Served, home: Path, feeds: Callable[[str], Path]
) -> None:
    root, settings = feeds(FEED.format("[BTC-USD]", "trades: {}")), settings_for(exchange, home)
    exchange.switch(okx_skipped=frozenset({50, 51}))
    (error,) = only_pull(settings, feeds_root=root).errors
    assert "does not show rows that lie between rows it showed" in error
    publish(settings)
    held_ids = {row[0] for row in stored(home)}
    assert [row[0] for row in numbered(exchange) if row[0] not in held_ids] == [50, 51]
    assert not_proved(home) == [("trades", "BTC-USD", "gap")]


def test_maintenance_is_a_fault_of_the_moment(
    exchange: Served,
    home: Path,
    feeds: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once = partial(connectors.open_connector, sleep=lambda _: None)
    monkeypatch.setattr(connectors, "open_connector", at_once)
    root, settings = feeds(HISTORY), settings_for(exchange, home)
    pulled_well(settings, root)
    exchange.advance(HOUR)
    exchange.switch(okx_maintenance=True)
    report = only_pull(settings, feeds_root=root)
    assert report.errors and all("temporarily unavailable" in error for error in report.errors)
    exchange.switch()
    pulled_well(settings, root)


def test_a_clock_that_differs_is_measured_and_rights_are_told(
    exchange: Served, home: Path, feeds: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = feeds(FEED.format("[BTC-USD]", ACCOUNT))
    settings = settings_for(exchange, home)
    exchange.switch(okx_clock_ahead_ms=90_000, okx_rights="read_only,trade")
    report = pulled_well(settings, root)
    assert any("has the right to trade" in notice for notice in report.notices)
