"""What is peculiar to Bitstamp, and recorded answers to the exact text."""

import gzip
import hashlib
import hmac
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import connectors
from connectors import (
    AuthError,
    Bounds,
    Connector,
    ContractError,
    Credentials,
    Cursor,
    Page,
    RateLimitedError,
    RefusedError,
    RequestError,
    StreamId,
    TransientError,
    UnknownRowError,
    Window,
)
from connectors.bitstamp import account, auth, parse
from connectors.http import Request, Response
from connectors.names import Names
from sandbox.bitstamp import BitstampSwitches
from tests.connectors.conftest import CLOCK, Scripted, World
from tests.connectors.conftest import Response as Answer
from tests.connectors.test_wex import bare, spelled, texts

AT = 1_768_000_000_250_000
TRADES = StreamId("bitstamp", "trades", "BTC-USD")
MINUTES = StreamId("bitstamp", "candles", "BTC-USD", timeframe="1m")
FILLS = StreamId("bitstamp", "account_trades", account="main")
ORDERS = StreamId("bitstamp", "account_orders", account="main")
NAMES = Names(parse.SPELLING, {"btcusd": "BTC-USD", "ethusdt": "ETH-USDT"})
FIRST = "sort=asc&since_id=1&limit=1000&offset=0"


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> Path:
    return shared_data / "exchanges" / "bitstamp"


@pytest.fixture
def opened(server: Scripted) -> Iterator[Connector]:
    yield server.open("bitstamp")


def query_of(server: Scripted) -> dict[str, str]:
    """The parameters of the last request, of its URL or its form."""
    request = server.requests[-1]
    sent = parse_qs(urlsplit(request.target).query or request.body)
    return {name: value for name, (value,) in sent.items()}


# -- recorded answers ------------------------------------------------------------------------------


def test_recorded_trades(recorded: Path) -> None:
    file = recorded / "transactions_ltcusd_2020-08-31.json"
    page, rows = parse.trades(file.read_bytes(), "LTC-USD").page(), texts(file)
    assert page.rejected == () and page.table.num_rows == len(rows) == 62
    for row, found in zip(rows, page.table.to_pylist(), strict=True):
        assert (found["trade_id"], found["side"]) == (
            row["tid"],
            {"0": "buy", "1": "sell"}[row["type"]],
        )
        assert spelled(found["price"]) == bare(row["price"])
        assert spelled(found["amount"]) == bare(row["amount"])
        assert str(int(found["timestamp"].timestamp())) == row["date"]


@pytest.mark.parametrize(
    ("name", "timeframe", "count"),
    [
        ("ohlc_btcusd_step60_limit10_start2019-01-01_end2019-12-31T235959.json", "1m", 10),
        ("ohlc_btcusd_step86400_limit1000_start2019-01-01_end2020-01-01.json.gz", "1d", 999),
    ],
)
def test_recorded_candles(recorded: Path, name: str, timeframe: str, count: int) -> None:
    body = (recorded / name).read_bytes()
    body = gzip.decompress(body) if name.endswith("gz") else body
    page = parse.candles(body, "BTC-USD", timeframe, AT).page()
    rows = json.loads(body)["data"]["ohlc"]
    assert page.rejected == () and page.table.num_rows == len(rows) == count
    for row, found in zip(rows, page.table.to_pylist(), strict=True):
        names = ("open", "high", "low", "close", "volume")
        assert [spelled(found[n]) for n in names] == [bare(row[n]) for n in names]
        assert str(int(found["timestamp"].timestamp())) == row["timestamp"] and found["is_final"]


@pytest.mark.parametrize(
    ("name", "count"),
    [("trading-pairs-info_2022-01-05.json.gz", 140), ("trading-pairs-info_2023.json", 103)],
)
def test_recorded_markets_of_the_old_list(recorded: Path, name: str, count: int) -> None:
    body = (recorded / name).read_bytes()
    body = gzip.decompress(body) if name.endswith("gz") else body
    page = parse.market_rows(body, AT).page()
    rows = json.loads(body)
    assert page.rejected == () and page.table.num_rows == len(rows) == count
    for row, found in zip(rows, page.table.to_pylist(), strict=True):
        base, quote = row["name"].split("/")
        assert found["native_symbol"] == row["url_symbol"]
        assert (found["symbol"], found["base"], found["quote"]) == (f"{base}-{quote}", base, quote)
        assert found["price_precision"] == row["counter_decimals"]
        assert found["amount_precision"] == row["base_decimals"]
        assert spelled(found["min_value"]) == bare(row["minimum_order"].split()[0])
        assert found["active"] == (row["trading"] == "Enabled")


def test_markets_of_the_new_list_and_perpetual_ones() -> None:
    body = b"""[
      {"market_symbol":"btcusd","name":"BTC/USD","base_currency":"BTC","counter_currency":"USD",
       "base_decimals":8,"counter_decimals":0,"minimum_order_value":"10","trading":"Disabled",
       "market_type":"SPOT"},
      {"market_symbol":"btcusd-perp","name":"BTC/USD-PERP","market_type":"PERPETUAL"},
      {"market_symbol":"xusd","name":"X","market_type":"SPOT"}
    ]"""
    page = parse.market_rows(body, AT).page()
    (found,) = page.table.to_pylist()
    assert (found["symbol"], found["price_precision"], found["active"]) == ("BTC-USD", 0, False)
    (rejected,) = page.rejected
    assert "the market's name is X" in rejected.reason


def test_currencies() -> None:
    body = b"""[{"currency":"BTC","name":"Bitcoin","type":"crypto","decimals":8,
      "deposit":"Enabled","withdrawal":"Disabled","networks":[{"network":"bitcoin"}]},
      {"currency":"USD","decimals":"2","deposit":"Disabled","withdrawal":"Disabled"}]"""
    rows = parse.currency_rows(body, AT).page().table.to_pylist()
    assert [(r["currency"], r["name"], r["precision"], r["active"]) for r in rows] == [
        ("BTC", "Bitcoin", 8, True),
        ("USD", "USD", 2, False),
    ]


def test_the_recorded_ticker_and_books(recorded: Path) -> None:
    body = (recorded / "ticker_example.json").read_bytes()
    (found,) = parse.ticker(body, "BTC-USD", AT).page().table.to_pylist()
    values = ("last", "bid", "ask", "high", "low", "base_volume", "average", "change_percent")
    assert [spelled(found[name]) for name in values] == [
        *("2211", "2188.97", "2211", "2811", "2188.97", "213.268011", "2189.8", "13.57")
    ]
    assert found["timestamp"] == datetime(2022, 1, 31, 14, 43, 6, tzinfo=UTC)
    for name in ("usdtusd", "galaeur"):
        file = recorded / f"order_book_{name}_2022-01-05.json"
        page, levels = parse.order_book(file.read_bytes(), "A-B", AT).page(), texts(file)
        assert page.rejected == ()
        for side in ("ask", "bid"):
            rows = [r for r in page.table.to_pylist() if r["side"] == side]
            assert [(spelled(r["price"]), spelled(r["amount"])) for r in rows] == [
                (bare(price), bare(size)) for price, size in levels[f"{side}s"]
            ]
            assert [r["level"] for r in rows] == list(range(len(rows)))


def test_the_recorded_history_adds_up_to_nothing(shared_data: Path) -> None:
    """Of a closed account: trades, transfers and fees sum up to 0, to the last digit."""
    file = shared_data / "bitstamp_user_transactions_2018-01.json"
    body, rows = file.read_bytes(), texts(file)
    trades = account.account_trades(body, FIRST, NAMES)
    moves = account.account_transactions(body, FIRST)
    assert (trades.rejected, moves.rejected) == ((), ())
    by_id = {row["id"]: row for row in rows}
    for found in trades.table.to_pylist():
        row = by_id.pop(found["trade_id"])
        assert (found["symbol"], found["order_id"]) == ("BTC-USD", row["order_id"])
        assert found["side"] == ("sell" if row["btc"].startswith("-") else "buy")
        assert spelled(found["price"]) == bare(row["btc_usd"])
        assert spelled(found["amount"]) == bare(row["btc"].lstrip("-"))
        assert (spelled(found["fee_amount"]), found["fee_currency"]) == (bare(row["fee"]), "USD")
        assert found["taker_or_maker"] is None
        assert f"{found['timestamp']:%Y-%m-%d %H:%M:%S}" == row["datetime"]
    for found in moves.table.to_pylist():
        id_, rounding, _ = found["transaction_id"].partition("-")
        if rounding:
            assert found["amount"] < Decimal("0.005") and found["currency"] == "USD"
            assert found["description"] == f"rounding of trade {id_}"
            continue
        row = by_id.pop(id_)
        assert found["type"] == {"0": "deposit", "1": "withdrawal"}[row["type"]]
        moved = row["usd" if found["currency"] == "USD" else "btc"]
        assert spelled(found["amount"]) == bare(moved.lstrip("-"))
        assert (found["status"], found["description"]) == ("ok", found["type"])
    assert by_id == {}
    ids = moves.table["transaction_id"].to_pylist()
    assert [*trades.others] == [id_ for id_ in ids if id_.isdecimal()] and len(ids) == 6 + 10
    held: Counter[str] = Counter()
    for found in trades.table.to_pylist():
        way = 1 if found["side"] == "buy" else -1
        held["BTC"] += way * found["amount"]
        held["USD"] += -way * found["price"] * found["amount"] - found["fee_amount"]
    for found in moves.table.to_pylist():
        way = 1 if found["type"] in ("deposit", "credit") else -1
        held[found["currency"]] += way * found["amount"] - (found["fee_amount"] or 0)
    assert set(held.values()) == {0}


# -- rows whose columns name the currencies --------------------------------------------------------


def trade(**columns: Any) -> dict[str, Any]:
    row = {"id": 7, "datetime": "2026-01-09 12:00:00.123456", "type": "2", "fee": "0.10"}
    return {**row, "usd": 0.0, "btc": "0.00000000", "eur": "0.0", "order_id": 3, **columns}


def read_trades(*rows: dict[str, Any], query: str = FIRST) -> Page:
    return account.account_trades(json.dumps(rows).encode(), query, NAMES)


def read_moves(*rows: dict[str, Any]) -> Page:
    return account.account_transactions(json.dumps(rows).encode(), FIRST)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"eth": "1.5", "usdt": -3000.5, "eth_usdt": "2000.3"}, ("ETH-USDT", "buy", "1.5", "USDT")),
        ({"btc": -0.5, "usd": "5", "btc_usd": 10}, ("BTC-USD", "sell", "0.5", "USD")),
        # padding names a market too
        ({"doge": "5", "eur": "-1", "doge_eur": "0.2", "btc_usd": "0.00", "btc_eur": "0.00"},
         ("DOGE-EUR", "buy", "5", "EUR")),
        # the sum is rounded to nothing
        ({"btc": "0.00000001", "usd": "0.00", "btc_usd": "100", "btc_eur": "0.00"},
         ("BTC-USD", "buy", "0.00000001", "USD")),
        ({"btc": "-0.5", "usd": "5", "btc_usd": 10, "self_trade": True, "self_trade_order_id": 4},
         ("BTC-USD", "sell", "0.5", "USD")),
    ],
)  # fmt: skip
def test_the_columns_name_the_market(columns: dict[str, Any], expected: tuple[str, ...]) -> None:
    page = read_trades(trade(**columns))
    (found,) = page.table.to_pylist()
    assert page.rejected == ()
    amount = spelled(found["amount"])
    assert (found["symbol"], found["side"], amount, found["fee_currency"]) == expected
    assert found["timestamp"] == datetime(2026, 1, 9, 12, 0, 0, 123456, UTC)


def test_a_trade_with_itself_is_two_rows_of_one_id() -> None:
    page = read_trades(
        trade(btc="1", usd="-5", btc_usd="5", self_trade=True),
        trade(btc="-1", usd="5", btc_usd="5", self_trade=True),
    )
    assert [(r["trade_id"], r["side"]) for r in page.table.to_pylist()] == [
        ("7", "buy"),
        ("7", "sell"),
    ]
    assert page.rejected == ()


def test_odd_rows_are_rejected_alone() -> None:
    good = trade(btc="1", usd="-5", btc_usd="5")
    odd = [
        trade(id=8, btc="1", usd="-5"),
        trade(id=9, btc="n/a", usd="-5", btc_usd="5"),
        trade(id=10, btc="1", usd="-5", btc_usd="5", btc_eur="5", eur="-5"),
    ]
    page = read_trades(good, *odd)
    assert page.table["trade_id"].to_pylist() == ["7"] and len(page.rejected) == 3
    page = read_moves({**trade(), "type": 0}, {**trade(ltc="n/a"), "type": 0})
    assert page.table.num_rows == 0 and len(page.rejected) == 2
    page = read_moves(trade(id={"a": 1}, btc="1", usd="-5.01", btc_usd="5"))
    assert "is not a number" in page.rejected[0].reason  # its rounding
    for wrong in (b"{}", b"17", b'{"error":"x"}'):
        with pytest.raises(ContractError):
            account.account_trades(wrong, FIRST)


def test_everything_that_is_no_trade_is_kept() -> None:
    reward = {"id": 5, "datetime": "2026-01-09 12:00:00", "type": 27, "algo": "0.24178042"}
    page = read_moves(
        {**reward, "fee": "0"},
        trade(btc="1", usd="-5", btc_usd="5"),
        {**trade(id=8, btc="-0.5"), "type": "26"},
        {**trade(id=9, eur="7"), "type": 99},
        {**trade(id=10, eur="-7"), "type": 0},  # taken back
        {**trade(id=11, eur="-7", usd="8", fee="0.5"), "type": 98},
    )
    names = ("transaction_id", "type", "currency", "description")
    assert page.rejected == () and page.others == ("7",)
    assert [(*(r[n] for n in names), spelled(r["amount"])) for r in page.table.to_pylist()] == [
        ("5", "credit", "ALGO", "staking reward", "0.24178042"),
        ("8", "debit", "BTC", "sent to staking", "0.5"),
        ("9", "credit", "EUR", "type 99", "7"),
        ("10", "debit", "EUR", "deposit", "7"),
        ("11-EUR", "debit", "EUR", "type 98", "7"),
        ("11-USD", "credit", "USD", "type 98", "8"),
    ]
    assert page.table["fee_amount"].to_pylist()[-2:] == [Decimal("0.5"), None]


# -- pages of a history ----------------------------------------------------------------------------


def token(ids: list[int], since: int, offset: int = 0) -> str | None:
    rows = [trade(id=n, btc="1", usd="-5", btc_usd="5") for n in ids]
    return read_trades(*rows, query=f"since_id={since}&offset={offset}").next_token


def test_each_page_shows_the_newest_row_of_the_one_before() -> None:
    assert token([5, 9, 12], 1) == "11"
    assert token([12, 20], 11) == "19"
    assert token([20], 19) is None  # the end, whatever a page may hold
    assert token([], 1) is None
    for ids in ([], [25, 30]):  # the row from which it was asked is not there
        with pytest.raises(ContractError, match="row 20, which was shown before"):
            token(ids, 19)


def test_a_server_that_ignores_order_or_beginning_is_read_by_distance() -> None:
    assert token([12, 9, 5], 1) == "1+3"  # the newest first
    assert token([5, 9, 12], 11) == "1+3"  # from the beginning on again
    assert token([4, 2], 1, 3) == "1+5"
    assert token([], 1, 5) is None


def test_pages_on_the_wire(server: Scripted, opened: Connector) -> None:
    server.answers(b"[]", b"[]")
    opened.page(FILLS, None)
    assert server.requests[-1].target == "/api/v2/user_transactions/"
    assert query_of(server) == {"sort": "asc", "since_id": "1", "limit": "1000", "offset": "0"}
    opened.page(FILLS, "1+2000")
    assert query_of(server) == {"sort": "asc", "since_id": "1", "limit": "1000", "offset": "2000"}


# -- candles and trades ----------------------------------------------------------------------------


def candle(opening: int, close: str = "2") -> dict[str, str]:
    row = dict.fromkeys(("open", "high", "low", "volume"), "1")
    return {**row, "close": close, "timestamp": str(opening)}


def ohlc(*rows: dict[str, str]) -> bytes:
    return json.dumps({"data": {"pair": "BTC/USD", "ohlc": rows}}).encode()


def test_candles_are_asked_for_by_their_end_alone(server: Scripted, opened: Connector) -> None:
    """``start`` has no effect beside it."""
    server.answers(ohlc(), ohlc())
    opened.fetch(MINUTES, Window(5, 1_577_836_799_999_999, limit=7000))
    assert server.requests[-1].target.startswith("/api/v2/ohlc/btcusd/?")
    assert query_of(server) == {"step": "60", "limit": "1000", "end": "1577836799"}
    opened.fetch(MINUTES, Window(limit=5))
    assert query_of(server) == {"step": "60", "limit": "5"}
    paging = connectors.offers("bitstamp")["candles"]
    assert paging.bounds is Bounds.UPPER and paging.of("1w").cursor is Cursor.DERIVED


def test_a_candle_that_comes_twice_is_asked_for_alone(server: Scripted, opened: Connector) -> None:
    first, other = candle(1546300800), candle(1546300800, "3")
    next_ = candle(1546300860)
    server.answers(ohlc(first, other, next_), ohlc(other))
    page = opened.fetch(MINUTES, Window(None, AT))
    assert query_of(server) == {"step": "60", "limit": "1", "end": "1546300800"}
    assert page.rejected == ()
    assert sorted(page.table["close"].to_pylist()) == [2, 3]
    assert page.positions.to_pylist() == [1546300860000000, 1546300800000000]
    # still two: neither is taken
    server.answers(ohlc(first, other, next_), ohlc(first, other))
    page = opened.fetch(MINUTES, Window(None, AT))
    assert page.positions.to_pylist() == [1546300860000000]
    assert {r.position for r in page.rejected} == {1546300800000000} and len(page.rejected) == 2
    # the same twice is one
    server.answers(ohlc(first, first, next_))
    assert opened.fetch(MINUTES, Window(None, AT)).table.num_rows == 2


def test_quiet_intervals_are_kept_as_sent() -> None:
    row = {"timestamp": "1577836320", "volume": "0.00000000"}
    row |= dict.fromkeys(("open", "high", "low", "close"), "7172.47")
    (found,) = parse.candles(ohlc(row), "BTC-USD", "1m", AT).page().table.to_pylist()
    assert found["volume"] == 0 and spelled(found["open"]) == "7172.47"


@pytest.mark.parametrize(
    ("limit", "stretch"), [(10, "minute"), (1000, "hour"), (49_999, "hour"), (50_000, "day")]
)
def test_trades_of_a_stretch_of_time(
    server: Scripted, opened: Connector, limit: int, stretch: str
) -> None:
    server.answers(b"[]")
    opened.fetch(TRADES, Window(limit=limit))
    assert server.requests[-1].target == f"/api/v2/transactions/btcusd/?time={stretch}"


@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
def test_of_a_very_long_list_the_newest_part_is_read(order: int) -> None:
    rows = [
        '{"amount":"0.01000000","date":"1598850699","price":"62.28000000",'
        f'"tid":"{tid}","type":"0"}}'
        for tid in range(100_000, 160_000)
    ]
    body = f"[{','.join(rows[::order])}]".encode()
    path = "/api/v2/transactions/btcusd/"
    read = parse.content(Response(Request("GET", path), 200, body))
    page = parse.trades(read, "BTC-USD").page()
    assert page.rejected == () and 40_000 < page.table.num_rows < 50_000
    ids = sorted(page.positions.to_pylist())
    assert ids == [*range(ids[0], 160_000)]


# -- orders and the state now ----------------------------------------------------------------------


def order(**changes: Any) -> dict[str, Any]:
    fill = {"tid": 1, "price": "50", "btc": "0.5", "usd": "25.00", "fee": "0.05", "type": 2}
    row = {"id": "1458532827766784", "datetime": "2022-01-31 14:43:15", "type": 0}
    row |= {"status": "Open", "market": "BTC/USD", "price": "50.00", "amount_remaining": "1.5"}
    return {**row, "transactions": [fill, {**fill, "btc": -0.25, "usd": "12.6"}], **changes}


def read_order(**changes: Any) -> Page:
    return account.order(json.dumps(order(**changes)).encode(), NAMES).page()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("open", "limit", "2.25", "1.5", "0.75")),
        ({"status": "Finished", "amount_remaining": "0"}, ("closed", "limit", "0.75", "0", "0.75")),
        ({"status": "Canceled", "transactions": []}, ("canceled", "limit", "1.5", "0", "0")),
        ({"status": "Expired", "type": "0"}, ("canceled", "limit", "2.25", "0", "0.75")),
        ({"price": None}, ("open", "market", "2.25", "1.5", "0.75")),
    ],
)
def test_states_of_orders(changes: dict[str, Any], expected: tuple[str, ...]) -> None:
    page = read_order(**changes)
    (row,) = page.table.to_pylist()
    figures = (f"{row[name]:f}" for name in ("amount", "remaining", "filled"))
    found = (row["status"], row["type"], *(bare(figure) for figure in figures))
    assert found == expected and row["side"] == "buy" and row["symbol"] == "BTC-USD"
    assert page.positions.to_pylist() == [1458532827766784]
    if expected[-1] == "0.75":
        assert (spelled(row["cost"]), spelled(row["fee_amount"])) == ("37.6", "0.1")


def test_odd_orders(recorded: Path) -> None:
    # Documentation text: its columns are called {from_currency}, so that its fills are unknown.
    body = (recorded / "private_order_status.json").read_bytes()
    page = account.order(body, NAMES).page()
    assert page.table.num_rows == 1 and page.table["filled"].to_pylist() == [0]
    for changes in ({"status": "odd"}, {"market": "x"}, {"transactions": None}):
        assert len(read_order(**changes).rejected) == 1
    for wrong in (b"[]", b"{}", b'{"error":"x"}'):
        with pytest.raises(ContractError):
            account.order(wrong)


def test_recorded_open_orders_and_fees(recorded: Path) -> None:
    body = (recorded / "private_open_orders_all.json").read_bytes()
    assert dict(account.open_orders(body)) == {1234123412341234: Decimal("0.5")}
    assert account.open_orders(b'[{"id":7,"amount":"?"}]') == {7: None}
    with pytest.raises(ContractError, match="an open order whose id"):
        account.open_orders(b'[{"id":"x"}]')
    names = Names(parse.SPELLING, {"ltcbtc": "LTC-BTC", "btcusd": "BTC-USD"})
    body = (recorded / "private_fees_trading.json").read_bytes()
    rows = account.trading_fees(body, AT, names).page().table.to_pylist()
    # The second row's market is that of the first one; its pair is not.
    assert [(r["symbol"], spelled(r["maker_fee_rate"])) for r in rows] == [
        ("LTC-BTC", "0.003"),
        ("BTC-USD", "0.003"),
    ]
    assert {spelled(r["taker_fee_rate"]) for r in rows} == {"0.002"}


def test_balances() -> None:
    body = b"""[{"currency":"btc","total":"11.2","available":"9.1","reserved":2.1},
      {"currency":"usd","total":"0","available":"-0.01","reserved":"0"}]"""
    rows = account.balances(body, AT).page().table.to_pylist()
    assert [(r["currency"], r["available"], r["reserved"]) for r in rows] == [
        ("BTC", Decimal("9.1"), Decimal("2.1")),
        ("USD", Decimal("-0.01"), Decimal(0)),
    ]


# -- the key, the clock and refusals ---------------------------------------------------------------


def test_the_vector_worked_from_the_documented_rule() -> None:
    request = Request(
        "POST",
        "/api/v2/user_transactions/",
        form="offset=0&limit=1000&sort=asc&since_id=1",
        private=True,
        host="www.bitstamp.net",
    )
    nonce = "8b2f7a1e-2c0d-4c53-9f6e-0f6a2f3d9b11"
    made = auth.signed(request, Credentials("api_key", "api_key_secret"), 1616492376594, nonce)
    signed = "19ff919d504faa8afc5c025924e4e2286047724af35c84c7f931652079284f6e"
    assert made.headers == {
        "X-Auth": "BITSTAMP api_key",
        "X-Auth-Signature": signed,
        "X-Auth-Nonce": nonce,
        "X-Auth-Timestamp": "1616492376594",
        "X-Auth-Version": "v2",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert made.content == b"offset=0&limit=1000&sort=asc&since_id=1" and signed in made.secrets


def test_a_call_without_a_form_has_no_body_and_names_no_type_of_one(
    server: Scripted, opened: Connector
) -> None:
    server.answers(b"[]")
    opened.snapshot("balances", ())
    (call,) = server.requests
    assert "content-type" not in call.headers and call.body == ""
    nonce, stamp = (call.headers[f"x-auth-{name}"] for name in ("nonce", "timestamp"))
    assert str(uuid.UUID(nonce)) == nonce and stamp == str(int(CLOCK * 1000))
    # signed with the host that is addressed
    host = server.base_url.removeprefix("http://")
    text = f"BITSTAMP my-key-4711POST{host}/api/v2/account_balances/{nonce}{stamp}v2"
    by_hand = hmac.new(b"my-secret-0815", text.encode(), hashlib.sha256).hexdigest()
    assert call.headers["x-auth-signature"] == by_hand


def test_a_refused_time_is_that_of_the_answer_then(world: World) -> None:
    """No call tells the exchange's time; nothing is asked where this machine's clock will do."""
    connector = world.open("bitstamp")
    world.server.of(BitstampSwitches).bs_clock_window_ms = 5_000
    assert world.page(connector, "balances").received
    world.server.of(BitstampSwitches).bs_clock_ahead_ms = 0
    assert world.page(connector, "balances").received
    assert [e.status for e in world.server.log.entries] == [403, 200, 200]


def test_a_nonce_that_was_used_is_replaced(server: Scripted, opened: Connector) -> None:
    used: Answer = (403, {}, b'{"status":"error","reason":"Invalid nonce","code":"API0004"}')
    server.answers(used, b"[]")
    opened.snapshot("balances", ())
    first, second = (call.headers["x-auth-nonce"] for call in server.requests)
    assert first != second
    server.answers(used, used)
    with pytest.raises(AuthError, match=r"API0004.*BITSTAMP_API_KEY"):
        opened.snapshot("balances", ())
    assert len(server.requests) == 2


def coded(code: str, reason: Any) -> dict[str, Any]:
    return {"status": "error", "reason": reason, "code": code}


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (403, coded("API0005", "Invalid signature"), AuthError),
        (200, coded("API0005", "Invalid signature"), AuthError),
        (401, coded("API0011", {"key": ["malformed"]}), AuthError),
        (200, {"error": "No permission found"}, AuthError),
        (400, {"response_code": "400.002", "response_explanation": "x"}, RateLimitedError),
        (404, {"response_code": "404.002", "response_explanation": "x"}, RequestError),
        (400, {"response_code": "400.010", "response_explanation": "x"}, RequestError),
        (200, {"error": {"__all__": ["something odd"]}}, RefusedError),
        (200, coded("API9999", "odd"), RefusedError),
        (503, coded("API0005", "odd"), TransientError),
        (404, coded("x", "Order not found."), UnknownRowError),
        (200, {"error": "Order not found"}, UnknownRowError),
    ],
)
def test_what_refusals_mean(
    server: Scripted, status: int, answer: dict[str, Any], error: type
) -> None:
    opened = server.open("bitstamp", retries=0)
    server.answers((status, {}, json.dumps(answer).encode()))
    with pytest.raises(error) as caught:
        opened.lookup(ORDERS, 7)
    assert type(caught.value) is error


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("form", ["{}", '{{"error":"{}"}}'])
def test_maintenance_is_a_fault_of_the_moment(server: Scripted, status: int, form: str) -> None:
    text = "Bitstamp.net is under scheduled maintenance. We'll be back soon."
    opened = server.open("bitstamp", retries=0)
    server.answers((status, {}, form.format(text).encode()))
    with pytest.raises(TransientError, match="scheduled maintenance"):
        opened.fetch(TRADES, Window())
