"""In what YoBit differs from WEX, and recorded answers to the exact text."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors import (
    AuthError,
    Connector,
    Cursor,
    NotOfferedError,
    RateLimitedError,
    RequestError,
    StreamId,
    TransientError,
    Window,
    offers,
)
from connectors.local import LocalNonces
from connectors.wex import parse
from connectors.yobit.endpoints import QUOTES
from tests.connectors.conftest import Response, Scripted, World
from tests.connectors.test_wex import bare, spelled, texts

AT = 1_768_000_000_250_000
TRADES = StreamId("yobit", "trades", "BTC-USD")
FILLS = StreamId("yobit", "account_trades", "LTC-USDT", "main")
ORDERS = StreamId("yobit", "account_orders", "LTC-USDT", "main")


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> Path:
    return shared_data / "exchanges" / "yobit"


def fixture_of(shared_data: Path) -> Any:
    return json.loads((shared_data / "btce" / "yobit_fixture_2024-03.json").read_text())


def test_recorded_trades(recorded: Path) -> None:
    file = recorded / "trades_ltc_btc.json"
    page, rows = parse.trades(file.read_bytes(), "ltc_btc", "LTC-BTC").page(), texts(file)
    assert page.rejected == () and page.table.num_rows == 150
    for row, found in zip(rows["ltc_btc"], page.table.to_pylist(), strict=True):
        assert found["trade_id"] == row["tid"]
        assert spelled(found["price"]) == bare(row["price"])
        assert spelled(found["amount"]) == bare(row["amount"])
        assert found["side"] == {"bid": "buy", "ask": "sell"}[row["type"]]
        assert str(int(found["timestamp"].timestamp())) == row["timestamp"]


def test_recorded_markets(recorded: Path) -> None:
    file = recorded / "info_150_pairs.json"
    page, pairs = parse.market_rows(file.read_bytes(), AT).page(), texts(file)["pairs"]
    assert page.rejected == () and page.table.num_rows == 150
    for found in page.table.to_pylist():
        row = pairs[found["native_symbol"]]
        assert found["symbol"] == found["native_symbol"].upper().replace("_", "-")
        assert str(found["price_precision"]) == row["decimal_places"]
        assert spelled(found["min_amount"]) == bare(row["min_amount"])
        assert spelled(found["min_value"]) == bare(row["min_total"])
        assert found["fee_rate"] == Decimal(row["fee"]) / 100 and found["active"]


def test_recorded_fills(recorded: Path) -> None:
    body = (recorded / "tapi_TradeHistory.json").read_bytes()
    answer = parse.envelope(body)
    rows = texts(recorded / "tapi_TradeHistory.json")["return"]
    ((id_, row),) = rows.items()
    page = parse.account_trades(bytes(answer.result), native=row["pair"]).page()
    (found,) = page.table.to_pylist()
    assert (found["trade_id"], found["side"]) == (id_, row["type"])
    assert spelled(found["price"]) == bare(row["rate"])
    assert spelled(found["amount"]) == bare(row["amount"])
    assert str(int(found["timestamp"].timestamp())) == row["timestamp"]
    own = row["is_your_order"] == "1"
    assert found["order_id"] == (row["order_id"] if own else None)
    assert found["fee_amount"] is None  # no row names one
    # Of another pair than the one asked for: it is asked for by itself.
    assert parse.account_trades(bytes(answer.result), native="x_y").page().received == 0


def test_the_answers_of_2024(server: Scripted, shared_data: Path) -> None:
    """Their recorder turned all numbers into text."""
    text = json.dumps(fixture_of(shared_data))
    assert "funds_incl_orders" in text and "ltc_usdt" in text
    body = json.dumps(
        {"funds": {"ltc": "22", "nano": "423.1"}, "rights": {"info": "1", "trade": "0"},
         "funds_incl_orders": {"ltc": "32", "nano": 423.1}}
    )  # fmt: skip
    server.answers(f'{{"success":"1","return":{body}}}'.encode())
    page = server.open("yobit").snapshot("balances", ())
    found = [(r["currency"], r["available"], r["reserved"]) for r in page.table.to_pylist()]
    assert found == [("LTC", 22, 10), ("NANO", Decimal("423.1"), 0)]
    assert page.rights == ("info",)


def test_buy_is_the_bid() -> None:
    body = b'{"btc_usd":{"buy":73049,"sell":73333,"updated":1710000000}}'
    (found,) = parse.tickers(body, {"btc_usd": "BTC-USD"}, AT, QUOTES).page().table.to_pylist()
    assert (found["bid"], found["ask"]) == (73049, 73333)
    (found,) = parse.tickers(body, {"btc_usd": "BTC-USD"}, AT).page().table.to_pylist()
    assert (found["bid"], found["ask"]) == (73333, 73049)


def test_currencies_with_their_chain_are_their_own(server: Scripted) -> None:
    pairs = '{"btc_usdt":{"hidden":0},"btc_usdttrc20":{"hidden":1}}'
    server.answers(f'{{"pairs":{pairs}}}'.encode())
    markets = server.open("yobit").markets()
    assert [(m.symbol, m.quote, m.active) for m in markets] == [
        ("BTC-USDT", "USDT", True),
        ("BTC-USDTTRC20", "USDTTRC20", False),
    ]


def open_yobit(server: Scripted, *answers: Response, **changes: Any) -> Connector:
    opened = server.open("yobit", **changes)
    server.answers(*answers)
    return opened


def test_calls_on_the_wire(server: Scripted) -> None:
    empty = b'{"success":1}'
    opened = open_yobit(server, empty, empty, b'{"success":1,"return":[]}', b"{}")
    assert opened.fetch(FILLS, Window(5, 9, limit=4000)).received == 0
    assert opened.open_rows(ORDERS) == {} and opened.open_rows(ORDERS) == {}
    opened.fetch(TRADES, Window(limit=9000))
    fills, orders, _, trades = server.requests
    assert (fills.method, fills.target) == ("POST", "/tapi/")
    assert fills.body.startswith(
        "method=TradeHistory&pair=ltc_usdt&count=1000&order=DESC&from_id=5&end_id=9&nonce="
    )
    assert orders.body.startswith("method=ActiveOrders&pair=ltc_usdt&nonce=")
    assert trades.target == "/api/3/trades/btc_usd?limit=2000"


def test_what_is_not_offered() -> None:
    offered = offers("yobit")
    assert {"account_transactions", "trading_fees", "currencies"}.isdisjoint(offered)
    assert offered["candles"].cursor is Cursor.DERIVED
    assert offered["account_orders"].per_market and offered["account_trades"].per_market
    assert offered["tickers"].batch == 30


def test_no_address_is_asked_for(world: World) -> None:
    """The call may make a new one."""
    with pytest.raises(NotOfferedError, match="no call"):
        world.open("yobit").address("BTC")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((403, {"Content-Type": "text/html"}, b"<html>Just a moment...</html>"), RateLimitedError),
        ((503, {"Content-Type": "text/html"}, b"<html>Just a moment...</html>"), TransientError),
        ((200, {}, b"Rate Limited (bad bot detected)"), RateLimitedError),
        ((200, {}, b'{"success":0,"error":"Empty pair list"}'), RequestError),
        ((200, {}, b'{"success":0,"error":"Requests too often"}'), RateLimitedError),
    ],
)
def test_what_refusals_mean(server: Scripted, answer: Response, error: type) -> None:
    opened = open_yobit(server, answer, retries=0)
    with pytest.raises(error) as caught:
        opened.snapshot("tickers", ["BTC-USD", "ETH-USD"])
    assert type(caught.value) is error


def test_the_guard_gets_a_rest(server: Scripted) -> None:
    guard: Response = (403, {"Content-Type": "text/html"}, b"<html>Just a moment...</html>")
    opened = open_yobit(server, guard, b'{"btc_usd":[]}')
    assert opened.fetch(TRADES, Window()).received == 0
    (wait,) = server.waits
    assert wait >= 30


def test_a_used_nonce_is_followed_by_the_next(server: Scripted) -> None:
    used = b'{"success":0,"error":"invalid nonce (has already been used)"}'
    opened = open_yobit(server, used, b'{"success":1}')
    assert opened.fetch(FILLS, Window()).received == 0
    first, second = (int(r.body.rpartition("=")[2]) for r in server.requests)
    assert second > first


def test_the_last_nonce_needs_a_new_key(server: Scripted) -> None:
    opened = open_yobit(server, nonces=LocalNonces(2_147_483_646))
    with pytest.raises(AuthError, match="used up its nonces"):
        opened.fetch(FILLS, Window())
    assert server.requests == []
