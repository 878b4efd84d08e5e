"""Marts over a home pulled from the sandbox exchange, against the exchange's own books."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from sandbox.marketdata import Trade
from tests.matrix import thinned
from tests.pulled import Pulled
from tests.warehouse.database import EXACT, places

ZERO = datetime(1970, 1, 1, tzinfo=UTC)


def moment(milliseconds: int) -> datetime:
    return ZERO + timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize("timeframe", thinned(["7m", "90s", "5h"], 3))
def test_candles_of_any_length(pulled: Pulled, timeframe: str) -> None:
    length = timedelta(seconds={"7m": 420, "90s": 90, "5h": 18_000}[timeframe])
    slots: dict[datetime, list[tuple[Decimal, Decimal]]] = defaultdict(list)
    for trade in sorted(pulled.trades("BTC-USD"), key=lambda t: (t.timestamp, t.id)):
        opening = moment(trade.timestamp) - (moment(trade.timestamp) - ZERO) % length
        slots[opening].append((Decimal(trade.price), Decimal(trade.amount)))
    found = pulled.rows(
        "SELECT timestamp, open, high, low, close, volume, trades"
        f" FROM candles('BTC-USD', '{timeframe}', exchange := 'bitexbit') ORDER BY timestamp"
    )
    assert [tuple(row.values()) for row in found] == [
        (
            opening,
            held[0][0],
            max(price for price, _ in held),
            min(price for price, _ in held),
            held[-1][0],
            sum(amount for _, amount in held),
            len(held),
        )
        for opening, held in sorted(slots.items())
    ]


def test_every_proved_candle_is_the_exchanges(pulled: Pulled) -> None:
    verdicts = {
        (row["exchange"], row["verdict"]): row["n"]
        for row in pulled.rows(
            "SELECT exchange, verdict, count(*) AS n FROM marts.candles_compared GROUP BY ALL"
        )
    }
    assert {verdict for _, verdict in verdicts} <= {"equal", "empty", "unproved"}
    assert verdicts["bitexbit", "equal"] > 1000
    assert verdicts["wex", "equal"] > 100


def test_vwap(pulled: Pulled) -> None:
    days: dict[date, list[Trade]] = defaultdict(list)
    for trade in pulled.trades("ETH-USD"):
        days[moment(trade.timestamp).date()].append(trade)
    found = pulled.rows(
        "SELECT day, trades, volume, buy_volume, turnover, vwap FROM marts.vwap_daily"
        " WHERE exchange = 'bitexbit' AND symbol = 'ETH-USD' ORDER BY day"
    )
    assert len(found) >= 3
    for row, (day, trades) in zip(found, sorted(days.items()), strict=True):
        volume = sum(Decimal(t.amount) for t in trades)
        turnover = sum(Decimal(t.amount) * Decimal(t.price) for t in trades)
        bought = sum(Decimal(t.amount) for t in trades if t.side == "buy")
        vwap = places(EXACT.divide(turnover, volume), 12)
        assert tuple(row.values()) == (day, len(trades), volume, bought, turnover, vwap)


@pytest.mark.slow
def test_proceeds_of_all_sales_are_counted(pulled: Pulled) -> None:
    """Every sale's parts add up to it, by both methods, with its fee."""
    sales = pulled.rows(
        "SELECT exchange, account, symbol, fill_id, -base_change AS amount,"
        " quote_change AS proceeds FROM marts.fills WHERE side = 'sell' ORDER BY ALL"
    )
    assert len(sales) > 100
    for method in ("fifo", "average"):
        parts = pulled.rows(
            "SELECT exchange, account, symbol, fill_id, sum(amount) AS amount,"
            f" sum(proceeds) AS proceeds FROM realised_profit('{method}') GROUP BY ALL ORDER BY ALL"
        )
        assert parts == sales
    (lots,) = pulled.rows(
        "SELECT count(*) AS wrong FROM ("
        "  SELECT exchange, account, symbol, lot_fill_id AS fill_id, sum(amount) AS amount,"
        "    sum(cost) AS cost FROM marts.profit_fifo WHERE lot_fill_id IS NOT NULL GROUP BY ALL"
        ") AS p JOIN marts.fills AS f USING (exchange, account, symbol, fill_id)"
        " WHERE p.amount > f.base_change OR p.cost > -f.quote_change"
        "  OR (p.amount = f.base_change) != (p.cost = -f.quote_change)"
    )
    assert lots == {"wrong": 0}


def test_fees(pulled: Pulled) -> None:
    query = (
        "SELECT symbol, fee_currency, sum({}) AS fee FROM {} WHERE exchange = 'bitexbit'"
        " GROUP BY ALL ORDER BY ALL"
    )
    monthly = pulled.rows(query.format("fee", "marts.fees_monthly"))
    assert monthly == pulled.rows(query.format("fee_amount", "account_trades"))
    assert any(row["fee"] for row in monthly)


def test_health_is_what_the_tables_hold(pulled: Pulled) -> None:
    for row in pulled.rows("FROM marts.health"):
        assert (row["gaps"], row["quarantined"]) == (0, 0), row
        assert row["rows"], row
    (trades,) = pulled.rows("SELECT count(*) AS n FROM trades")
    (reported,) = pulled.rows(
        "SELECT sum(rows)::BIGINT AS n FROM marts.health WHERE dataset = 'trades'"
    )
    assert reported == trades


@pytest.mark.slow
def test_balances_and_books(pulled: Pulled) -> None:
    """What is worth something is priced; books have two sides and their best prices are levels."""
    for row in pulled.rows("FROM account_value('USD', '1d') WHERE currency IN ('USD', 'BTC')"):
        assert row["value"] == row["total"] * row["price"]
    equity = pulled.rows(
        "SELECT exchange, value, unpriced FROM marts.equity_daily"
        " QUALIFY row_number() OVER (PARTITION BY exchange ORDER BY timestamp) = 2"
    )
    assert {row["exchange"]: row["unpriced"] for row in equity} == {"bitexbit": [], "wex": []}
    (wrong,) = pulled.rows(  # the history and what was observed are one line
        "SELECT count(*) AS n FROM marts.holdings AS h JOIN marts.holdings AS r"
        " USING (exchange, account, currency)"
        " WHERE h.source = 'history' AND h.valid_to = r.valid_from AND r.source = 'reported'"
        " AND h.total <> r.total"
    )
    assert wrong == {"n": 0}
    for row in pulled.rows("FROM marts.book_depth"):
        assert row["spread"] > 0, row
        best = (
            f"FROM order_books WHERE exchange = '{row['exchange']}' AND symbol = '{row['symbol']}'"
            f" AND observed_at = '{row['observed_at']}' AND level = 0 ORDER BY side"
        )
        ask, bid = pulled.rows(best)
        assert (ask["price"], bid["price"]) == (row["best_ask"], row["best_bid"])
