"""The asset graph: exchanges on the left, the warehouse in the middle, marts on the right.

Unfolded as a whole it is larger than any screen, and Dagster lays it out alone. A table and its
neighbours are one screen: the tab Lineage of its page.
"""

from typing import Any

from tests.ui.page import Page

EXCHANGES = ("bitexbit", "kraken", "wex")
GROUPS = {*EXCHANGES, "warehouse", "marts"}
SMALLEST = 9.0
"""Pixels: the size of the smallest label that counts as readable."""

BOXES = """[...document.querySelectorAll('svg foreignObject')]
  .filter((one) => one.textContent.trim()).map((one) => {
    const box = one.getBoundingClientRect();
    const label = [...one.querySelectorAll('*')].find((e) => !e.children.length && e.textContent);
    const size = parseFloat(getComputedStyle(label).fontSize) * box.width / one.width.baseVal.value;
    return {text: label.textContent, size,
      left: box.left, right: box.right, top: box.top, bottom: box.bottom};
  })"""


def boxes(page: Page, least: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The groups by name, and the assets: label, its size, place; once there are ``least``."""
    page.window.wait(f"{BOXES}.length >= {least}", f"{least} boxes in the graph")
    found: list[dict[str, Any]] = page.window.run(BOXES)
    groups = {box["text"]: box for box in found if box["text"] in GROUPS}
    assert set(groups) == GROUPS
    return groups, [box for box in found if box["text"] not in GROUPS]


def middle(box: dict[str, Any]) -> float:
    return float(box["left"] + box["right"]) / 2


def test_folded(page: Page) -> None:
    page.open("/asset-groups")
    groups, _ = boxes(page, len(GROUPS))
    for exchange in EXCHANGES:
        assert groups[exchange]["right"] < groups["warehouse"]["left"]
    assert groups["warehouse"]["right"] < groups["marts"]["left"]
    assert min(box["size"] for box in groups.values()) >= SMALLEST


def test_unfolded(page: Page) -> None:
    page.open("/asset-groups")
    boxes(page, len(GROUPS))
    page.window.resize(4000, 14000)  # of a graph only what is on the screen is in the page
    page.key("e", "KeyE", alt=True)
    groups, assets = boxes(page, 60)
    middles = {name: middle(box) for name, box in groups.items()}
    assert max(middles[e] for e in EXCHANGES) < middles["warehouse"] < middles["marts"]
    # each exchange's trades are left of the table
    *lakes, table = sorted((box for box in assets if box["text"] == "trades"), key=middle)
    assert len(lakes) == len(EXCHANGES)
    assert max(box["right"] for box in lakes) < table["left"]


def test_a_table_and_its_neighbours_are_one_screen(page: Page) -> None:
    page.open("/assets/warehouse/trades?view=lineage")
    groups, assets = boxes(page, 14)
    for exchange in EXCHANGES:
        assert groups[exchange]["right"] < groups["warehouse"]["left"]
    assert groups["warehouse"]["right"] < groups["marts"]["left"]
    every = [*groups.values(), *assets]
    assert min(box["size"] for box in every) >= SMALLEST
    assert min(box["left"] for box in every) > 0 and max(box["right"] for box in every) < 1920
    assert min(box["top"] for box in every) > 0 and max(box["bottom"] for box in every) < 1200
