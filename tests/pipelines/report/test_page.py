"""The page shows what the warehouse holds, to the last digit, and runs no foreign script."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import warehouse
from pipelines.output.formatting import number
from pipelines.report.candles import INTERVALS, _until_all
from pipelines.report.figures import MONEY, rounded
from pipelines.report.page import write
from tests.pipelines.report.conftest import HOSTILE, HOUR, MARKUP, START
from tests.pipelines.report.reading import Page


def ask(home: Path, query: str) -> list[dict[str, Any]]:
    return list(warehouse.sql(query, home=home).to_pylist())


def text(value: Decimal | None) -> str:
    return "–" if value is None else number(value)


def at(hours: int) -> str:
    """So many hours after the start, as written."""
    return f"{datetime.fromtimestamp((START + hours * HOUR) / 1e6, UTC):%Y-%m-%d %H:%M}"


def test_balances(page: Page, filled: Path) -> None:
    found = ask(
        filled,
        "SELECT currency, total, price, value FROM account_value('USD', '1d')"
        " QUALIFY timestamp = max(timestamp) OVER () ORDER BY value DESC NULLS LAST",
    )
    assert [row["currency"] for row in found] == ["USD", "BTC", MARKUP, "DOGE"]
    rows = [cells for cells in page.tables["value"] if cells[1:2] == [cells[1]] and len(cells) == 8]
    rows = [cells for cells in rows if cells[1] != "Currency"]
    assert [(cells[1], *cells[4:7]) for cells in rows] == [
        (row["currency"], text(row["total"]), text(row["price"]), text(row["value"]))
        for row in found
    ]
    assert rows[0][2:5] == ["799.000000000001", "100", "899.000000000001"]
    worth = sum(row["value"] for row in found if row["value"] is not None)
    assert page.tables["value"][-1][1] == number(worth)
    glance = " ".join(page.words["At a glance"].split())
    assert f"{worth:,.2f} USD" in glance
    assert f"without a price and not counted: {MARKUP}, DOGE" in glance
    assert f"without a price: {MARKUP}, DOGE" in page.words["value"]
    assert f"no market gives a price in USD: {MARKUP}, DOGE" in " ".join(
        page.words["value"].split()
    )


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
    assert market[7:9] == [number(fifo["profit"]), number(average["profit"])]
    drawn = dict(page.data["fees"]["accounts"][0]["points"])
    assert drawn == {f"{f['month']:%Y-%m}": number(f["fee_quote"]) for f in fees}
    (account,) = [cells for cells in page.tables["value"] if len(cells) == 13 and cells[12] == "3"]
    assert account[10] == number(sum(f["fee_quote"] for f in fees))
    share = sum(f["fee_quote"] for f in fees) / sum(f["turnover"] for f in fees)
    assert account[11] == f"{share:.8f}"


def test_unrealised_profit_is_what_is_open_at_the_newest_price(page: Page, filled: Path) -> None:
    (market,) = [cells for cells in page.tables["trading"] if cells[1] == "BTC-USD"]
    (fifo,) = ask(filled, "SELECT sum(profit) AS profit FROM realised_profit('fifo')")
    cost = Decimal("300.6") - Decimal("200.4")  # one of three that cost 100 each, with their fee
    (last,) = ask(filled, "SELECT price FROM marts.fills ORDER BY timestamp DESC LIMIT 1")
    assert market[5:7] == ["1 BTC", number(cost)]
    assert market[10:12] == [number(fifo["profit"]), number(last["price"] - cost)]
    together = page.tables["trading"][page.tables["trading"].index(market) + 1]
    assert together[1:] == market[10:12]
    glance = " ".join(page.words["At a glance"].split())
    assert f"{fifo['profit'] + last['price'] - cost:+,.2f} USD" in glance


def test_deposits_are_no_gain(page: Page, filled: Path) -> None:
    (account,) = [cells for cells in page.tables["value"] if len(cells) == 13 and cells[12] == "3"]
    begin, flow, gain, end = map(Decimal, account[2:6])
    assert gain == end - begin - flow
    points = page.data["value"]["accounts"][0]
    assert points["index"][0][1] == points["drawdown"][0][1] == "0.000000"
    assert points["index"][-1][1] == f"{Decimal(account[6]):.6f}"
    assert f"{Decimal(account[7]):.6f}" == min((p[1] for p in points["drawdown"]), key=float)


def test_newest_fills_and_transfers(page: Page, filled: Path) -> None:
    fills = [cells for cells in page.tables["recent"] if cells[3] in ("buy", "sell")]
    assert [cells[2:8] for cells in fills] == [
        [
            f["symbol"],
            f["side"],
            number(f["price"]),
            f"{number(f['amount'])} BTC",
            f"{number(f['cost'])} USD",
            f"{number(f['fee_amount'])} USD",
        ]
        for f in ask(filled, "FROM marts.fills ORDER BY timestamp DESC")
    ]
    transfers = [cells for cells in page.tables["recent"] if cells[2] == "deposit"]
    assert [cells[3] for cells in transfers] == [f"1 {MARKUP}", "7 DOGE", "0.5 BTC", "1000 USD"]
    worth = [Decimal("0.5") * Decimal(_last_price(page)), Decimal(1000)]
    assert [cells[4] for cells in transfers] == ["–", "–", *map(number, worth)]


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


def columns(frame: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Opening time in milliseconds, then the exact text of prices and volume."""
    times = [frame["first"] + t * frame["step"] for t in frame["t"]]
    return list(zip(times, *(frame[name].split(" ") for name in "ohlcv"), strict=True))


def test_candles_are_the_newest_and_bounded(page: Page, filled: Path) -> None:
    candles = page.data["candles"]
    market = next(m for m in candles["markets"] if m["symbol"] == "BTC-USD")
    assert not market["built"]
    held = ask(
        filled,
        "SELECT epoch_ms(timestamp) AS t, open, high, low, close, volume FROM candles"
        f" WHERE timeframe = '1h' ORDER BY timestamp DESC LIMIT {INTERVALS}",
    )
    assert columns(market["frames"]["1h"]) == [
        (row.pop("t"), *(number(value) for value in row.values())) for row in reversed(held)
    ]


def test_longer_candles_reach_back_to_the_first_one(page: Page, filled: Path) -> None:
    market = next(m for m in page.data["candles"]["markets"] if m["symbol"] == "BTC-USD")
    assert list(market["frames"]) == ["5m", "1h", "4h", "1d"]
    assert market["longer"] == ["4h", "1d"]
    held = ask(
        filled,
        "SELECT epoch_ms(time_slot(timestamp, '4h')) AS t, first(open ORDER BY timestamp),"
        " max(high), min(low), last(close ORDER BY timestamp), sum(volume) FROM candles"
        " WHERE timeframe = '1h' GROUP BY t ORDER BY t",
    )
    assert columns(market["frames"]["4h"]) == [
        (row.pop("t"), *(number(value) for value in row.values())) for row in held
    ]


@pytest.mark.parametrize(("years", "longest"), [(0.1, "1d"), (2, "1w"), (9, "1w"), (11, "4w")])
def test_any_span_fits_into_the_longest_candles(years: float, longest: str) -> None:
    newest = datetime(2026, 11, 26, tzinfo=UTC)
    oldest = newest - timedelta(days=365 * years)
    assert list(_until_all(oldest, newest, 0))[-1] == longest


def test_candles_of_trades_where_none_are_collected(page: Page) -> None:
    market = next(m for m in page.data["candles"]["markets"] if m["symbol"] == HOSTILE)
    assert market["built"]
    assert columns(market["frames"]["1d"]) == [(START // 1000, "101", "101", "101", "101", "0.5")]


def test_coverage_has_the_dates_of_the_rows_at_its_ends(page: Page) -> None:
    spans = page.bars["trades BTC-USD"]
    for state, since, until, words in (
        ("held", 10, 49, "held, proved complete: {} UTC, ids 10..49"),
        ("held", 60, 100, "held, proved complete: {} UTC, ids 60..100"),
        ("lost", 49, 60, "lost, not shown by the exchange: {} UTC, ids 50..54"),
        ("gap", 49, 60, "missing, not fetched yet: {} UTC, ids 55..59"),
    ):
        assert (state, words.format(f"{at(since)} to {at(until)}")) in spans
    assert any(s == "gap" and w.endswith(f" to {at(10)} UTC, ids up to 9") for s, w in spans)
    assert [s for s, _ in page.bars["candles BTC-USD:1h"]] == ["held"]
    assert [s for s, _ in page.bars["balances main"]] == ["seen"]
    listed = " ".join(page.words["coverage"].split())
    assert f"x/trades BTC-USD ids 50..54, between {at(49)} and " in listed
    assert "x/trades BTC-USD ids up to 9, before " in listed


def test_figures_are_short_and_exact_on_hover(page: Page) -> None:
    assert len(page.figures) > 50
    for value, shown, title in page.figures:
        digits = shown.strip("+-").replace(",", "")
        if shown.endswith("%"):
            continue
        assert title in (None, value)
        if "e" not in digits:
            assert 2 <= len(digits.partition(".")[2]) <= 8, shown
        if title is None:
            assert Decimal(shown.replace(",", "")) == Decimal(value)
    assert ("-0.000000000001", "-1e-12", None) in page.figures
    assert ("899.000000000001", "899.00", "899.000000000001") in page.figures


def test_every_cell_names_its_column(page: Page) -> None:
    assert page.unnamed == []


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
    worth = Decimal(page.tables["value"][-1][1])
    assert Decimal(account["points"][-1][1]) == rounded(worth, MONEY)
    made = [row["profit"] for row in ask(filled, "FROM realised_profit('fifo') ORDER BY timestamp")]
    points = value["profit"][0]["points"]
    wanted = [made[0], sum(made), sum(made)]
    assert [Decimal(v) for _, v in points] == [rounded(v, MONEY) for v in wanted]


def _last_price(page: Page) -> str:
    return next(cells[5] for cells in page.tables["value"] if cells[1:2] == ["BTC"])


def test_names_from_servers_do_nothing(page: Page) -> None:
    assert HOSTILE in {m["symbol"] for m in page.data["candles"]["markets"]}
    assert page.tags.count("script") == 2
    assert "ALERT(1)</" not in page.source
    assert HOSTILE not in page.source
    assert MARKUP not in page.source
    assert "img" not in page.tags


def test_nothing_comes_from_outside(page: Page) -> None:
    assert page.links == ["data:,"]
    assert not re.search(r"(?i)\b(https?|wss?|ftp):|@import|url\(", page.source)
    assert "default-src 'none'" in page.source


def test_the_page_is_small(page: Page) -> None:
    assert page.path.stat().st_size < 150_000


def test_a_page_without_anything(home: Path) -> None:
    warehouse.publish(home)
    empty = Page(write(home).path)
    assert empty.tables == {}
    for section in ("prices", "coverage", "value", "trading", "recent", "reconciliation"):
        assert "tidemark pull" in empty.words[section], section
    assert not any(empty.data.values())
