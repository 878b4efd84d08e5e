"""The page shows what the warehouse holds, to the last digit, and runs no foreign script."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import warehouse
from pipelines.output.formatting import number
from pipelines.report.account import Points, _together
from pipelines.report.candles import INTERVALS
from pipelines.report.page import write
from tests.pipelines.report.conftest import HOSTILE, HOUR, START
from tests.pipelines.report.reading import Page


def ask(home: Path, query: str) -> list[dict[str, Any]]:
    return list(warehouse.sql(query, home=home).to_pylist())


def text(value: Decimal | None) -> str:
    return "–" if value is None else number(value)


def at(hours: int) -> int:
    """Milliseconds, as drawn."""
    return (START + hours * HOUR) // 1000


def test_balances(page: Page, filled: Path) -> None:
    found = ask(
        filled,
        "SELECT currency, total, price, value FROM account_value('USD', '1d')"
        " QUALIFY timestamp = max(timestamp) OVER () ORDER BY value DESC NULLS LAST",
    )
    assert [row["currency"] for row in found] == ["USD", "BTC", "DOGE"]
    rows = [
        cells for cells in page.tables["value"] if cells[1:2] and cells[1] in ("USD", "BTC", "DOGE")
    ]
    assert [(cells[1], *cells[4:7]) for cells in rows] == [
        (row["currency"], text(row["total"]), text(row["price"]), text(row["value"]))
        for row in found
    ]
    assert rows[0][2:5] == ["799.000000000001", "100", "899.000000000001"]
    worth = sum(row["value"] for row in found if row["value"] is not None)
    assert page.tables["value"][-1][2] == number(worth)
    assert f"{worth:,.2f} USD" in " ".join(page.words["At a glance"].split())
    assert "without a price: DOGE" in page.words["value"]


def test_fees_and_profit(page: Page, filled: Path) -> None:
    fees = ask(filled, "FROM marts.fees_monthly ORDER BY month DESC")
    rows = [cells for cells in page.tables["trading"] if re.match(r"\d{4}-\d\d$", cells[0])]
    assert [(cells[0], *cells[2:6]) for cells in rows] == [
        (f"{f['month']:%Y-%m}", "USD", str(f["fills"]), text(f["turnover"]), text(f["fee_quote"]))
        for f in fees
    ]
    assert len(fees) == 2
    (fifo,) = ask(filled, "SELECT sum(profit) AS profit FROM realised_profit('fifo')")
    (average,) = ask(filled, "SELECT sum(profit) AS profit FROM realised_profit('average')")
    (market,) = [cells for cells in page.tables["trading"] if cells[1] == "BTC-USD"]
    assert market[2:4] == ["1", "2"]
    assert market[5:7] == [number(fifo["profit"]), number(average["profit"])]
    drawn = {month: value for month, value in page.data["fees"]["accounts"][0]["points"]}
    assert drawn == {f"{f['month']:%Y-%m}": float(f["fee_quote"]) for f in fees}


def test_reconciliation(page: Page, filled: Path) -> None:
    found = ask(filled, "FROM reconciliation ORDER BY explained, difference = 0, currency")
    rows = [cells for cells in page.tables["reconciliation"] if cells[1] != "Currency"]
    assert [cells[1:5] for cells in rows] == [
        [r["currency"], text(r["reported"]), text(r["computed"]), text(r["difference"])]
        for r in found
    ]
    assert rows[0][1] == "BTC"
    assert rows[0][4] == "-0.000000000001"
    assert rows[0][5].startswith("unexplained")
    assert rows[1][5] == "equal"
    assert "differ, 1 of them without an explanation" in page.words["reconciliation"]


def test_candles_are_the_newest_and_bounded(page: Page, filled: Path) -> None:
    candles = page.data["candles"]
    market = next(m for m in candles["markets"] if m["symbol"] == "BTC-USD")
    assert not market["built"]
    drawn = market["frames"]["1h"]
    held = ask(
        filled,
        "SELECT epoch_ms(timestamp) AS t, open, high, low, close, volume FROM candles"
        f" WHERE timeframe = '1h' ORDER BY timestamp DESC LIMIT {INTERVALS}",
    )
    assert len(drawn["t"]) == INTERVALS
    for i, row in enumerate(reversed(held)):
        assert [drawn[name][i] for name in "tohlcv"] == [float(v) for v in row.values()]


def test_candles_of_trades_where_none_are_collected(page: Page) -> None:
    market = next(m for m in page.data["candles"]["markets"] if m["symbol"] == HOSTILE)
    assert market["built"]
    assert market["frames"]["1d"]["t"] == [at(0)]


def test_coverage_has_the_dates_of_the_rows_at_its_ends(page: Page) -> None:
    (line,) = page.data["timelines"]
    streams = {f"{s['dataset']} {s['stream']}": s["spans"] for s in line["streams"]}
    spans = streams["trades BTC-USD"]
    assert ["held", at(10), at(49), "ids 10..49"] in spans
    assert ["held", at(60), at(100), "ids 60..100"] in spans
    assert ["lost", at(49), at(60), "ids 50..54"] in spans
    assert ["gap", at(49), at(60), "ids 55..59"] in spans
    assert ["gap", line["from"], at(10), "ids up to 9"] in spans
    assert [s[0] for s in streams["candles BTC-USD:1h"]] == ["held"]
    assert [s[0] for s in streams["balances main"]] == ["seen"]
    listed = " ".join(page.words["coverage"].split())
    edge = datetime.fromtimestamp(at(49) / 1000, UTC)
    assert f"x/trades BTC-USD ids 50..54, between {edge:%Y-%m-%d %H:%M} and " in listed
    assert "x/trades BTC-USD ids up to 9, before " in listed


def test_what_needs_attention(page: Page) -> None:
    words = " ".join(page.words[""].split())
    for part in (
        "1 balance differs from the history",
        "X_API_KEY",
        "has the right to trade",
        "x/trades: not pulled for 3 d",
        "2 spans not fetched yet, of x/trades BTC-USD",
        "1 row in quarantine, of x/trades",
        "1 span lost, of x/trades BTC-USD",
    ):
        assert part in words, part


def test_values_and_profit_are_drawn(page: Page, filled: Path) -> None:
    value = page.data["value"]
    assert value["quote"] == "USD"
    (account,) = value["accounts"]
    times = [time for time, _ in account["points"]]
    assert times == sorted(times)
    assert len(times) <= 400
    assert account["points"][-1][1] == pytest.approx(899 + 1.5 * float(_last_price(page)))
    made = [row["profit"] for row in ask(filled, "FROM realised_profit('fifo') ORDER BY timestamp")]
    points = value["profit"][0]["points"]
    assert [v for _, v in points] == [float(made[0]), float(sum(made)), float(sum(made))]


def _last_price(page: Page) -> str:
    return next(cells[5] for cells in page.tables["value"] if cells[1:2] == ["BTC"])


def test_names_from_servers_do_nothing(page: Page) -> None:
    assert HOSTILE in {m["symbol"] for m in page.data["candles"]["markets"]}
    assert page.tags.count("script") == 3
    assert "ALERT(1)</" not in page.source
    assert HOSTILE not in page.source


def test_nothing_comes_from_outside(page: Page) -> None:
    assert page.links == ["data:,"]
    assert not re.search(r"(?i)\b(https?|wss?|ftp):|@import|url\(", page.source)
    assert "default-src 'none'" in page.source


def test_a_page_without_anything(home: Path) -> None:
    warehouse.publish(home)
    empty = Page(write(home).path)
    assert empty.tables == {}
    for section in ("prices", "coverage", "value", "trading", "reconciliation"):
        assert "tidemark pull" in empty.words[section], section
    assert not any(empty.data.values())


def test_all_accounts_together() -> None:
    first: Points = [(1, 10.0), (2, None), (3, 12.0)]
    second: Points = [(2, 1.0), (3, 2.0), (4, 3.0)]
    assert _together([first, second]) == [(1, 10.0), (2, None), (3, 14.0), (4, 15.0)]
