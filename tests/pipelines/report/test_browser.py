"""The page in a real browser: drawn, legible at every width, and nothing is asked of anybody."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import warehouse
from pipelines.report.page import write
from tests.browser import CHROMIUM, Browser, browser
from tests.pipelines.report.conftest import HOSTILE, HOUR, MARKUP, NOW, START, hourly
from tests.pipelines.report.reading import Page
from tests.warehouse.tools import HOURLY, row, store
from warehouse.intervals import Interval
from warehouse.state import StreamState

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)"
)

OUTSIDE = """[...document.querySelectorAll("body *")].filter((element) => {
  const box = element.getBoundingClientRect();
  return box.width && (box.right > innerWidth + 0.5 || box.left < -0.5);
}).map((element) => element.tagName + " " + element.textContent.trim().slice(0, 40))"""

CLIPPED = """[...document.querySelectorAll(".plot text")].filter((label) => {
  const box = label.getBoundingClientRect();
  const frame = label.closest(".plot").getBoundingClientRect();
  return box.left < frame.left - 0.5 || box.right > frame.right + 0.5
    || box.top < frame.top - 2 || box.bottom > frame.bottom + 2;
}).map((label) => label.textContent)"""

CUT = """[...document.querySelectorAll("td, th, dd, .tile *, .readout, .stream .name, button")]
  .filter((cell) => cell.scrollWidth > cell.clientWidth + 1 && cell.clientWidth)
  .map((cell) => cell.textContent.trim().slice(0, 40))"""

OVERLAPPING = """[...document.querySelectorAll(".plot")].flatMap((plot) => {
  const boxes = [...plot.querySelectorAll("text")].map((label) => label.getBoundingClientRect());
  return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) =>
    a.left < b.right && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom));
}).length"""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def text(window: Browser, selector: str) -> str:
    return str(window.run(f"document.querySelector({selector!r}).textContent"))


def press(window: Browser, group: str, name: str) -> None:
    window.run(
        f"[...document.querySelectorAll('#{group} button')]"
        f".find((button) => button.textContent === {name!r}).click()"
    )


@pytest.mark.slow
def test_everything_is_drawn_and_nothing_is_asked(window: Browser, page: Page) -> None:
    window.events.clear()
    window.open(page.path, 1440)
    counts: dict[str, Any] = window.run(
        """Object.fromEntries([...document.querySelectorAll(".plot")].map((plot) => [plot.id, [
          plot.querySelectorAll(".candle").length, plot.querySelectorAll(".curve").length,
          plot.querySelectorAll(".bar").length]]))"""
    )
    assert counts.pop("candles")[0] > 100
    assert counts == {"worth": [0, 1, 0], "profit": [0, 1, 0], "fees": [0, 0, 2]}
    # the hostile name is in the list of markets and on the timeline, as text
    assert HOSTILE in text(window, "#market")
    assert HOSTILE in text(window, "#coverage")
    assert MARKUP in text(window, "#recent")
    assert MARKUP in text(window, "#value")
    assert window.run("document.querySelectorAll('img, iframe, object').length") == 0
    assert window.run("document.scripts.length") == 2
    assert window.complaints() == []
    assert set(window.requests()) == {page.path.as_uri()}


@pytest.mark.parametrize("width", [320, 390, 860, 870, 1024, 1250, 1440, 1920])
def test_nothing_is_clipped_or_outside(width: int, window: Browser, page: Page) -> None:
    window.open(page.path, width, mobile=width < 500)
    assert window.run(OUTSIDE) == []
    assert window.run("document.documentElement.scrollWidth") == width
    assert window.run(CLIPPED) == []
    assert window.run(CUT) == []
    assert window.run(OVERLAPPING) == 0


def test_a_phone_shows_every_column(window: Browser, page: Page) -> None:
    window.open(page.path, 390, mobile=True)
    hidden = """[...document.querySelectorAll("td[data-label]")].filter((cell) =>
      !cell.closest("details:not([open])") && !cell.getBoundingClientRect().width).length"""
    assert window.run(hidden) == 0
    label = """getComputedStyle([...document.querySelectorAll("td")].find((cell) =>
      cell.dataset.label === "In open orders"), "::before").content"""
    assert window.run(label) == '"In open orders"'


def test_a_page_without_anything_has_nothing_to_complain_of(window: Browser, home: Path) -> None:
    warehouse.publish(home)
    window.events.clear()
    window.open(write(home).path, 390, mobile=True)
    assert window.run(OUTSIDE) == []
    assert window.complaints() == []


def test_a_tap_shows_all_digits(window: Browser, page: Page) -> None:
    window.open(page.path, 390, mobile=True)
    tap = """(() => { const one = document.querySelector("data[title='899.000000000001']");
      one.click(); return one.textContent; })()"""
    assert window.run(tap) == "899.000000000001"
    assert window.run(tap) == "899.00"


def test_ages_count_up(window: Browser, page: Page) -> None:
    window.open(page.path, 1440)
    later = """new Promise((done) => {
      const real = Date.now;
      Date.now = () => real() + (2 * 24 + 3) * 3600000;
      const look = () => document.getElementById("aged").hidden
        ? setTimeout(look, 20) : done(document.querySelector("header time").textContent);
      look();
    })"""
    assert window.run('document.getElementById("aged").hidden') is True
    assert str(window.run(later)).startswith("2 d 3 h")


def test_candles_of_any_span(window: Browser, page: Page) -> None:
    window.open(page.path, 1440)
    window.run(
        """(() => { const list = document.getElementById("market");
        list.value = [...list.options].find((one) => one.text.startsWith("BTC-USD")).value;
        list.dispatchEvent(new Event("change")); })()"""
    )
    press(window, "span", "all")
    whole = text(window, "#shown")
    assert "candles of 4h, built from shorter ones" in whole
    press(window, "span", "1w")
    week = text(window, "#shown")
    assert "candles of 1h, " in week and week != whole
    press(window, "timeframe", "1d")
    assert "candles of 1d, built from shorter ones" in text(window, "#shown")
    cut = """(() => {
      const frame = document.querySelector("#candles > svg > svg");
      const end = document.querySelector("#candles").getBoundingClientRect().left
        + frame.width.baseVal.value;
      return [...frame.querySelectorAll(".candle")].filter((candle) =>
        candle.getBoundingClientRect().right > end).length;
    })()"""
    assert window.run(cut) == 0
    press(window, "span", "1w")
    left, top, wide, high = window.run(
        """(() => { const plot = document.getElementById("candles"); plot.scrollIntoView();
        const box = plot.getBoundingClientRect(); return [box.left, box.top, box.width, box.height];
        })()"""
    )
    window.drag((left + wide * 0.2, top + high / 2), (left + wide * 0.5, top + high / 2))
    zoomed = int(text(window, "#shown").split(": ")[1].split()[0])
    assert 10 < zoomed < int(week.split(": ")[1].split()[0])
    assert window.complaints() == []


def test_the_first_day_may_open_before_the_first_hour(window: Browser, home: Path) -> None:
    begin = START + 20 * HOUR
    hours = [one | {"timestamp": one["timestamp"] + timedelta(hours=20)} for one in hourly(73)]
    store(home, HOURLY, hours, state=StreamState((Interval(begin, NOW),), unit="time"))
    daily = replace(HOURLY, timeframe="1d")
    days = [row(daily, i, START + i * 24 * HOUR) for i in range(4)]
    store(home, daily, days, state=StreamState((Interval(START, NOW),), unit="time"))
    warehouse.publish(home)
    window.open(write(home).path, 1440)
    assert "73 candles of 1h, " in text(window, "#shown")


def test_value_performance_and_drawdown_are_drawn(window: Browser, page: Page) -> None:
    window.open(page.path, 1440)
    assert text(window, "#worth-readout").endswith(" USD")
    for view in ("performance", "drawdown"):
        press(window, "view", view)
        assert text(window, "#worth-readout").endswith(" %")
        assert window.run(CLIPPED) == []
