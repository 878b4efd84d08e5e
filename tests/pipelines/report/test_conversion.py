"""All in one currency: prices of the moment, what is open, what came in, what has no price."""

from datetime import timedelta
from decimal import Decimal

import pytest

import warehouse
from pipelines.report.page import write
from tests.pipelines.report.conftest import HOUR, TODAY
from tests.pipelines.report.reading import Page
from tests.warehouse.tools import FILLS, TRADES, TRANSFERS, Row, ids, row, store

NOON = TODAY.replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)
BEGIN = int(NOON.timestamp()) * 1_000_000


def fill(key: int, hours: int, symbol: str, side: str, price: str, amount: int) -> Row:
    money = {"price": Decimal(price), "amount": Decimal(amount), "symbol": symbol, "side": side}
    return row(FILLS, key, BEGIN + hours * HOUR, **money)


def deposit(key: int, hours: int, currency: str, amount: int) -> Row:
    paid = {"status": "ok", "currency": currency, "amount": Decimal(amount)}
    return row(TRANSFERS, key, BEGIN + hours * HOUR, **paid)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A BTC is 100 USD, from hour 5 on 200, from hour 12 on 300. XYZ has no price in USD."""
    home = tmp_path_factory.mktemp("converted") / "home"
    home.mkdir()
    prices = ((0, 100), (5, 200), (12, 300))
    trades = [row(TRADES, i, BEGIN + i * HOUR, price=Decimal(p)) for i, p in prices]
    store(home, TRADES, trades, state=ids((0, 13)))
    fills = [
        fill(1, 1, "ETH-BTC", "buy", "0.1", 10),
        fill(2, 6, "ETH-BTC", "sell", "0.2", 4),
        fill(3, 7, "ABC-XYZ", "buy", "2", 5),
        fill(4, 8, "ABC-XYZ", "sell", "3", 5),
    ]
    store(home, FILLS, fills, state=ids((0, 5)))
    paid = [deposit(1, 0, "BTC", 10), deposit(2, 0, "XYZ", 20), deposit(3, 10, "BTC", 3)]
    store(home, TRANSFERS, paid, state=ids((0, 4)))
    warehouse.publish(home)
    return Page(write(home, quote="USD").path)


def market(page: Page, symbol: str) -> list[str]:
    (found,) = [cells for cells in page.tables["trading"] if cells[1] == symbol]
    return found


def test_a_sale_counts_at_the_price_of_its_time_and_what_is_open_at_the_newest(page: Page) -> None:
    cells = market(page, "ETH-BTC")
    assert cells[5:7] == ["6 ETH", "0.6"]
    assert cells[7] == "0.4"  # BTC, of 4 that were bought for 0.1 and sold for 0.2 each
    assert cells[10:12] == ["80", "180"]  # 0.4 at 200; 6 times 0.1 at 300


def test_what_cannot_be_converted_is_said(page: Page) -> None:
    cells = market(page, "ABC-XYZ")
    assert (cells[7], cells[10]) == ("5", "–")
    (together,) = [cells for cells in page.tables["trading"] if cells[0].startswith("Together")]
    assert together == ["Together, without what cannot be converted: ABC-XYZ", "80", "180"]
    glance = " ".join(page.words["At a glance"].split())
    assert "+260.00 USD realised +80.00, unrealised +180.00" in glance
    assert "not convertible and left out: ABC-XYZ" in glance
    assert "without a price and not counted: XYZ" in glance


def test_a_deposit_is_no_gain(page: Page) -> None:
    (account,) = [cells for cells in page.tables["value"] if len(cells) == 13 and cells[12] == "4"]
    # 10 BTC at 100; 3 BTC came in at 200; now 12.8 BTC at 300 and 6 ETH at 60
    assert account[2:6] == ["1000", "600", "2600", "4200"]
    assert account[6] == f"{2 * Decimal('1.1') * Decimal('1.5') - 1:.8f}"
    assert account[7] == "0.00000000"
    values = page.data["value"]["accounts"][0]
    assert (values["points"][0][1], values["points"][-1][1]) == ("1000", "4200")
    assert page.data["value"]["profit"][0]["points"][-1][1] == "80"
