"""One market at several exchanges: which intervals are drawn, the table, the chart."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

import warehouse
from pipelines.report.comparison import INTERVALS, _shared_timeframe
from pipelines.report.page import write
from schemas import StreamId
from tests.browser import CHROMIUM, Browser, browser
from tests.pipelines.report.conftest import HOUR, START
from tests.pipelines.report.reading import Page
from tests.pipelines.report.test_browser import CLIPPED, CUT, OUTSIDE, OVERLAPPING
from tests.warehouse.tools import ids, row, store
from warehouse.intervals import Interval
from warehouse.state import StreamState

D = Decimal
NEWEST = datetime(2026, 11, 26, tzinfo=UTC)


def days(since: float, until: float = 0) -> tuple[datetime, datetime]:
    """From so many days before the newest."""
    return NEWEST - timedelta(days=since), NEWEST - timedelta(days=until)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ({"1h": {"x": days(9), "y": days(20)}, "1d": {"x": days(9), "y": days(9)}}, "1h"),
        ({"1h": {"x": days(40), "y": days(40)}, "1d": {"x": days(40), "y": days(40)}}, "1d"),
        ({"1m": {"x": days(0.2), "y": days(0.2)}, "1d": {"x": days(99), "y": days(99)}}, "1d"),
        ({"1h": {"x": days(99), "y": days(30), "z": days(5)}, "1d": {"x": days(99)}}, "1h"),
        ({"1h": {"x": days(99, 0), "y": days(200, 99)}}, None),
        # the first day opens before the first hour that was traded
        ({"1h": {"x": days(3.2), "y": days(3.2)}, "1d": {"x": days(4), "y": days(4)}}, "1h"),
        ({"1h": {"x": days(9)}, "1d": {"y": days(9)}}, None),
        ({}, None),
    ],
)
def test_the_timeframe_is_the_shortest_that_shows_all(
    spans: dict[str, dict[str, tuple[datetime, datetime]]], expected: str | None
) -> None:
    if expected == "1h" and len(spans["1h"]) == 3:
        assert timedelta(days=30) / timedelta(hours=1) > INTERVALS  # the longest, though too long
    assert _shared_timeframe(spans) == expected


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """BTC-USD: hourly candles of x and y, trades of z; LTC-USD: the same price; ETH-USD at x."""
    home = tmp_path_factory.mktemp("compared") / "home"
    home.mkdir()
    proved = StreamState((Interval(START, START + 9 * HOUR),), unit="time")
    for exchange, symbol, close in (
        ("x", "BTC-USD", 100),
        ("y", "BTC-USD", 104),
        ("x", "ETH-USD", 7),
        ("x", "LTC-USD", 9),
        ("y", "LTC-USD", 9),
    ):
        stream = StreamId(exchange, "candles", symbol, timeframe="1h")
        price = dict.fromkeys(("open", "high", "low", "close"), D(close))
        candles = [row(stream, i, START + i * HOUR, **price, volume=D(2)) for i in range(4)]
        store(home, stream, candles, state=proved)
    trades = StreamId("z", "trades", "BTC-USD")
    paid = [row(trades, i, START + i * HOUR, price=D(101 + i), amount=D(1)) for i in range(3)]
    store(home, trades, paid, state=ids((0, 3)))
    warehouse.publish(home)
    return Page(write(home).path)


def test_the_table_is_what_the_mart_says(several: Page) -> None:
    """Medians: 101 and 102 with z in the first two hours, 102 (halfway) in the others."""
    rows = [cells for cells in several.tables["compared"] if len(cells) == 9][1:]
    assert [cells[:4] for cells in rows] == [
        ["BTC-USD", "x", "4", "1h"],
        ["BTC-USD", "y", "4", "1h"],
        ["BTC-USD", "z", "2", "1h"],
        ["LTC-USD", "x", "4", "1h"],
        ["LTC-USD", "y", "4", "1h"],
    ]
    home = several.path.parent
    for cells in rows:
        (found,) = warehouse.sql(
            "SELECT arg_max(difference_bps, abs(difference_bps)) AS furthest,"
            " sum(volume) AS volume, sum(difference_bps) AS apart, count(*) AS n"
            " FROM marts.prices_compared"
            " WHERE timeframe = '1h' AND symbol = $symbol AND exchange = $exchange",
            {"symbol": cells[0], "exchange": cells[1]},
            home=home,
        ).to_pylist()
        assert D(cells[5]) == found["apart"] / found["n"]
        assert (D(cells[7]), D(cells[8])) == (found["furthest"], found["volume"])
    assert rows[2][5:8] == ["0", "0", "0"]
    assert "ETH-USD" not in several.words["compared"]


def test_the_chart_has_a_line_for_each_exchange(several: Page) -> None:
    market, other = several.data["compared"]["markets"]
    assert (other["symbol"], [len(line["points"]) for line in other["lines"]]) == (
        "LTC-USD",
        [4, 4],
    )
    assert (market["symbol"], market["timeframe"]) == ("BTC-USD", "1h")
    lines = {line["name"]: line["points"] for line in market["lines"]}
    hours = [(START + i * HOUR) // 1000 for i in range(4)]
    assert [time for time, _ in lines["x"]] == [time for time, _ in lines["y"]] == hours
    assert lines["z"] == [[hours[0], "0"], [hours[1], "0"]]
    assert lines["x"][2] == [hours[2], "-196.08"] and lines["y"][2] == [hours[2], "196.08"]


def test_there_is_no_section_where_no_market_is_at_two_exchanges(page: Page) -> None:
    assert "compared" not in page.words and page.data["compared"] is None


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)")
def test_it_is_drawn(window: Browser, several: Page) -> None:
    for width in (390, 1440):
        window.open(several.path, width, mobile=width < 500)
        assert window.run("document.querySelectorAll('#apart .curve').length") == 3
        assert window.run("document.documentElement.scrollWidth") == width
        assert [window.run(found) for found in (OUTSIDE, CLIPPED, CUT)] == [[], [], []]
        assert window.run(OVERLAPPING) == 0
        shown = str(window.run("document.getElementById('apart-readout').textContent"))
        assert "x -196.08 bps" in shown and "z 0.00 bps" in shown
        assert window.run("document.getElementById('apart-shown').textContent").startswith(
            "BTC-USD"
        )
    window.run(
        """(() => { const list = document.getElementById("compared-market");
        list.value = "1"; list.dispatchEvent(new Event("change")); })()"""
    )
    assert window.run("document.querySelectorAll('#apart .curve').length") == 2
    assert window.run("document.getElementById('apart-shown').textContent").startswith("LTC-USD")
    assert window.complaints() == []
