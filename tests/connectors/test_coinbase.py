"""What is peculiar to Coinbase Exchange, and recorded answers to the exact text."""

import base64
import hashlib
import hmac
import json
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
    ConfigError,
    Connector,
    Credentials,
    Cursor,
    RateLimitedError,
    RefusedError,
    RequestError,
    StreamId,
    TransientError,
    Window,
)
from connectors.codes import Codes
from connectors.coinbase import auth, parse
from connectors.http import get
from connectors.names import Names
from sandbox import Fault
from sandbox.coinbase import CoinbaseSwitches
from tests.connectors.conftest import CLOCK, Response, Scripted, World
from tests.connectors.test_wex import bare, spelled, texts

AT = 1_768_000_000_250_000
TRADES = StreamId("coinbase", "trades", "BTC-USD")
FILLS = StreamId("coinbase", "account_trades", "BTC-USD", "main")
ORDERS = StreamId("coinbase", "account_orders", account="main")
TRANSFERS = StreamId("coinbase", "account_transactions", account="main")
HOURS = StreamId("coinbase", "candles", "BTC-USD", timeframe="1h")
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> Path:
    return shared_data / "exchanges" / "coinbase"


@pytest.fixture
def opened(server: Scripted) -> Iterator[Connector]:
    secret = base64.b64encode(b"a secret of 64 bytes as a rule").decode()
    yield server.open("coinbase", credentials=Credentials("my-key", secret, "my passphrase"))


def micros(text: str) -> int:
    """What a time of ISO 8601 says, by another way than the parser's."""
    moment = datetime.fromisoformat(text)
    whole = round(
        (moment.replace(microsecond=0) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    )
    return whole * 1_000_000 + moment.microsecond


def query_of(server: Scripted) -> dict[str, str]:
    """The parameters of the last request."""
    sent = parse_qs(urlsplit(server.requests[-1].target).query)
    return {name: value for name, (value,) in sent.items()}


# -- recorded answers ------------------------------------------------------------------------------


def test_recorded_trades(recorded: Path) -> None:
    """Ten pages between exclusive cursors: the taker's side, times without zeros at the end."""
    ids: list[int] = []
    for file in sorted(recorded.glob("trades_BTC-USD_page*.json")):
        rows = texts(file)["body"]
        page = parse.trades(json.dumps(rows).encode(), "BTC-USD").page()
        assert page.rejected == () and page.positions.to_pylist() == [
            int(r["trade_id"]) for r in rows
        ]
        for row, found in zip(rows, page.table.to_pylist(), strict=True):
            assert spelled(found["price"]) == bare(row["price"])
            assert spelled(found["amount"]) == bare(row["size"])
            assert found["side"] == {"buy": "sell", "sell": "buy"}[row["side"]]
            assert micros(found["timestamp"].isoformat()) == micros(row["time"])
        ids += page.positions.to_pylist()
    assert sorted(ids) == list(range(min(ids), min(ids) + len(ids))) and len(ids) == 1000


def test_a_recorded_trade_of_2024(recorded: Path) -> None:
    body = (recorded / "trades_BTC-USDT_2024-03-13.json").read_bytes()
    (found,) = parse.trades(body, "BTC-USDT").page().table.to_pylist()
    assert (found["trade_id"], found["side"]) == ("18502034", "buy")
    assert spelled(found["price"]) == "73271.63" and spelled(found["amount"]) == "0.00007448"


def test_recorded_candles(recorded: Path) -> None:
    file = recorded / "candles_BTC-USD_1m_2020-03-20_a.json"
    page = parse.candles(file.read_bytes(), "BTC-USD", "1m", AT).page()
    rows = texts(file)
    assert page.rejected == () and page.table.num_rows == 300
    for row, found in zip(rows, page.table.to_pylist(), strict=True):
        names = ("low", "high", "open", "close", "volume")
        assert [spelled(found[name]) for name in names] == [bare(text) for text in row[1:]]
        assert str(int(found["timestamp"].timestamp())) == row[0] and found["is_final"]


def test_binary_noise_of_a_float_is_kept_as_received_and_not_rounded() -> None:
    body = b"[[1514764860,1,2,1,2,2.2299999999999963],[1514764800,1,2,1,2,1e-05]]"
    page = parse.candles(body, "BTC-USD", "1m", AT).page()
    assert [spelled(row["volume"]) for row in page.table.to_pylist()] == ["0.00001"]
    (rejected,) = page.rejected
    assert "2.2299999999999963" in rejected.payload and rejected.position == 1514764860000000


def test_recorded_products(recorded: Path) -> None:
    file = recorded / "products_2021-04.json"
    page = parse.products(file.read_bytes(), AT).page()
    assert page.rejected == () and page.table.num_rows == 162
    for row, found in zip(texts(file), page.table.to_pylist(), strict=True):
        assert found["native_symbol"] == found["symbol"] == row["id"]
        assert (found["base"], found["quote"]) == (row["base_currency"], row["quote_currency"])
        places = len(bare(row["quote_increment"]).partition(".")[2])
        assert found["price_precision"] == places and found["active"]
        assert spelled(found["min_amount"]) == bare(row["base_min_size"])
        assert spelled(found["min_value"]) == bare(row["min_market_funds"])


def test_products_of_other_states_and_with_one_base() -> None:
    body = b"""[
      {"id":"BTC-USD","base_currency":"BTC","quote_currency":"USD","quote_increment":"0.05",
       "base_increment":"10","status":"online","trading_disabled":true},
      {"id":"BTCAUCTION-USD","base_currency":"BTC","quote_currency":"USD","status":"delisted"},
      {"id":"A-B","base_currency":"A","quote_currency":"B","base_increment":1e-8,"status":"online"}
    ]"""
    page = parse.products(body, AT).page()
    found = [tuple(r[n] for n in ("symbol", "base", "active")) for r in page.table.to_pylist()]
    assert found == [
        ("BTC-USD", "BTC", False),
        ("BTCAUCTION-USD", "BTC", False),
        ("A-B", "A", True),
    ]
    steps = [(r["price_precision"], r["amount_precision"]) for r in page.table.to_pylist()]
    assert steps == [(2, 0), (None, None), (None, 8)]


def test_currencies() -> None:
    body = b"""[{"id":"BTC","name":"Bitcoin","min_size":"0.00000001","status":"online",
      "max_precision":"0.00000001","message":"","details":{"a":1}},
      {"id":"USD","name":"Dollar","min_size":"0.01","status":"delisted"}]"""
    rows = parse.currencies(body, AT, Codes()).page().table.to_pylist()
    assert [(r["currency"], r["precision"], r["active"]) for r in rows] == [
        ("BTC", 8, True),
        ("USD", 2, False),
    ]


def test_the_recorded_ticker_and_books(recorded: Path) -> None:
    body = (recorded / "ticker_BTC-USDT_2024-03-13.json").read_bytes()
    (found,) = parse.ticker(body, "BTC-USDT", AT).page().table.to_pylist()
    values = [spelled(found[name]) for name in ("last", "bid", "ask", "base_volume")]
    assert values == ["73367.8", "73360.34", "73369.19", "1207.50668151"]
    assert found["timestamp"] == datetime(2024, 3, 13, 11, 10, 41, 270099, UTC)
    assert found["high"] is found["quote_volume"] is found["average"] is None
    file = recorded / "book_BTC-EUR_level2.json"
    page = parse.order_book(file.read_bytes(), "BTC-EUR", AT).page()
    levels = texts(file)
    assert page.rejected == ()
    for side, name in (("ask", "asks"), ("bid", "bids")):
        rows = [r for r in page.table.to_pylist() if r["side"] == side]
        shown = [(spelled(r["price"]), spelled(r["amount"])) for r in rows]
        assert shown == [(bare(price), bare(size)) for price, size, _ in levels[name]]
        assert [r["level"] for r in rows] == list(range(len(rows)))


def test_recorded_fills_with_sixteen_decimals(recorded: Path) -> None:
    body = (recorded / "fills_ETH-BTC_2017.json").read_bytes()
    (found,) = parse.fills(body, "ETH-BTC", "ETH-BTC", Codes()).page().table.to_pylist()
    assert found["fee_amount"] == Decimal("0.05915") * Decimal("0.01") * Decimal("0.003")
    assert (found["fee_currency"], found["side"], found["taker_or_maker"]) == (
        "BTC",
        "buy",
        "taker",
    )
    # Before it is settled its fee is not known yet.
    early = body.replace(b'"settled": true', b'"settled": false')
    (found,) = parse.fills(early, "ETH-BTC", "ETH-BTC", Codes()).page().table.to_pylist()
    assert found["fee_amount"] is None


@pytest.mark.parametrize(
    ("name", "status", "remaining", "average"),
    [
        ("new", "open", "0.07060351", None),
        ("pending", "open", "0.07060351", None),
        ("filled", "closed", "0", "14875.49"),
        ("settled", "closed", "0", "14875.49"),
    ],
)
def test_recorded_orders(
    recorded: Path, name: str, status: str, remaining: str, average: str | None
) -> None:
    body = b"[%b]" % (recorded / f"order_limit_{name}.json").read_bytes()
    (found,) = parse.orders(body).page().table.to_pylist()
    assert (found["status"], spelled(found["remaining"])) == (status, remaining)
    assert (None if found["average"] is None else spelled(found["average"])) == average
    if status == "closed":
        assert spelled(found["cost"]) == "1050.2618069699"
        assert found["fee_amount"] is None  # 2.62565451742475 has 14 places; its fills have it
        assert found["closed_at"] == datetime(2018, 1, 8, 17, 55, 44, 492000, UTC)


def test_recorded_open_orders(recorded: Path) -> None:
    page = parse.orders((recorded / "orders_open.json").read_bytes()).page()
    assert page.rejected == () and page.table.num_rows == 3
    assert {row["status"] for row in page.table.to_pylist()} == {"open"}


def test_orders_of_other_states() -> None:
    order = {
        "id": "d0c5340b-6d6c-49d9-b567-48c4bfca13d2",
        "product_id": "BTC-USD",
        "side": "buy",
        "created_at": "2016-12-08T20:09:05Z",
        "filled_size": "0.00291",
        "executed_value": "2.9100000000000000",
        "fill_fees": "0.0087",
    }

    def read(**more: Any) -> dict[str, Any]:
        body = json.dumps([{**order, **more}]).encode()
        (row,) = parse.orders(body, Names(parse.SPELLING)).page().table.to_pylist()
        return dict(row)

    market = read(type="market", funds="3", status="done", done_reason="filled")
    assert (market["price"], spelled(market["amount"])) == (0, "0.00291")
    assert (market["status"], market["remaining"], spelled(market["average"])) == (
        "closed", 0, "1000")  # fmt: skip
    limit = {"type": "limit", "price": "1", "size": "0.01"}
    assert read(**limit, status="done", done_reason="canceled")["status"] == "canceled"
    assert read(**limit, status="done")["status"] == "canceled"  # a part is filled
    assert read(**limit, status="rejected")["status"] == "canceled"
    assert spelled(read(**limit, status="active")["remaining"]) == "0.00709"
    odd = parse.orders(json.dumps([{**order, **limit, "status": "odd"}]).encode()).page()
    assert odd.table.num_rows == 0 and "status is unknown: odd" in odd.rejected[0].reason


def test_recorded_transfers_balances_and_fees(recorded: Path) -> None:
    body = (recorded / "transfers_one_row.json").read_bytes()
    (found,) = parse.transfers(body, Codes()).page().table.to_pylist()
    assert (found["type"], found["status"], found["currency"]) == ("deposit", "pending", "LTC")
    assert found["timestamp"] == datetime(2022, 12, 21, 0, 48, 45, 477503, UTC)
    assert (spelled(found["amount"]), found["fee_amount"]) == ("0.01", None)
    page = parse.balances((recorded / "accounts.json").read_bytes(), AT, Codes())
    assert page.rejected == () and page.table.num_rows == 7
    assert page.aliases["00000000-0000-4000-8000-000000000003"] == "BTC"
    (found,) = parse.fees((recorded / "fees.json").read_bytes(), AT).page().table.to_pylist()
    assert found["symbol"] == "*" and found["buy_fee_rate"] is found["sell_fee_rate"] is None
    assert spelled(found["maker_fee_rate"]) == spelled(found["taker_fee_rate"]) == "0.005"


def test_the_recorded_entries_of_a_ledger_are_held_elsewhere(recorded: Path) -> None:
    """A transfer and a fee: they are in ``/transfers`` and ``/fills``."""
    page = parse.ledger((recorded / "ledger_two_rows.json").read_bytes(), "", "DAI")
    assert page.table.num_rows == 0 and page.rejected == ()
    assert page.others == ("12000000001", "11700000001") and page.next_token == "11700000001"


def entry(type_: str, amount: str, id_: str = "7", **more: Any) -> dict[str, Any]:
    row = {"id": id_, "amount": amount, "balance": "1", "type": type_}
    return {**row, "created_at": "2021-10-22T03:47:34.764122Z", **more}


def test_entries_of_a_ledger_that_are_held_nowhere_else() -> None:
    rows = [
        entry("conversion", "-5.0000000000000000", "9", details={"conversion_id": "c-1"}),
        entry("rebate", "0.0000012345678901", "8"),
        entry("match", "-1", "7"),
        entry("bonus_of_a_kind_nobody_named", "2", "6", details=[1]),
        entry("conversion", "1e-19", "5"),
    ]
    page = parse.ledger(json.dumps(rows).encode(), "limit=5&after=10", "USDC")
    found = [(r["transaction_id"], r["type"], spelled(r["amount"])) for r in page.table.to_pylist()]
    assert found == [
        ("USDC-9", "debit", "5"),
        ("USDC-8", "credit", "0.0000012345678901"),
        ("USDC-6", "credit", "2"),
    ]
    assert page.table["description"][0].as_py() == "conversion, conversion_id c-1"
    assert page.others == ("7",) and len(page.rejected) == 1 and page.next_token == "5"
    assert set(page.table["currency"].to_pylist()) == {"USDC"}
    # An inclusive cursor shows its own row again: there is nothing below it.
    last = parse.ledger(json.dumps([entry("match", "1", "5")]).encode(), "after=5", "USDC")
    assert last.next_token is None
    assert parse.ledger(b"[]", "after=5", "USDC").next_token is None


def test_ids_that_no_call_can_name_are_not_asked_for() -> None:
    """As the fuzzer found them: half a surrogate, and a step that is no number of this world."""
    half = json.dumps([entry("match", "1", "5"), entry("match", "1", "\udcff")]).encode()
    assert parse.ledger(half, "", "USD").next_token == "5"
    accounts = json.dumps([{"id": "\udcff", "currency": "USD", "available": "1"}]).encode()
    assert parse.balances(accounts, AT, Codes()).aliases == {}
    for step in ("1e999999999", "1" * 300):
        body = json.dumps([{"id": "BTC", "status": "online", "max_precision": step}]).encode()
        assert len(parse.currencies(body, AT, Codes()).rejected) == 1


def test_a_ledger_is_asked_for_by_the_account_of_its_currency(
    server: Scripted, opened: Connector
) -> None:
    stream = StreamId("coinbase", "account_transactions", "USDC", "main")
    with pytest.raises(RequestError, match="no account of USDC"):
        opened.page(stream, None)
    server.answers(b'[{"id":"a b","currency":"USDC","available":"1","hold":"0"}]', b"[]", b"[]")
    opened.snapshot("balances", ())
    opened.page(stream, None)
    given = query_of(server)
    assert server.requests[-1].target.startswith("/accounts/a%20b/ledger?")
    assert given.pop("end_date").startswith("20") and given == {
        "start_date": "2012-01-01T00:00:00Z",
        "limit": "1000",
    }
    opened.page(stream, "17")
    assert query_of(server)["after"] == "17"


def test_states_and_fees_of_transfers() -> None:
    row = {"id": "t", "created_at": "2022-12-21 00:48:45.39+00", "amount": "1.5", "currency": "BTC"}

    def read(type_: str, details: Any = None, **times: str) -> dict[str, Any]:
        body = json.dumps([{**row, "type": type_, "details": details, **times}]).encode()
        (found,) = parse.transfers(body, Codes()).page().table.to_pylist()
        return dict(found)

    then = "2022-12-21 00:50:00+00"
    assert read("deposit", completed_at=then, processed_at=then)["status"] == "ok"
    assert read("deposit", canceled_at=then, completed_at=then)["status"] == "failed"
    assert read("deposit", processed_at=then)["status"] == "failed"
    assert read("internal_deposit")["type"] == "deposit"
    sent = read("withdraw", {"fee": "0.0005", "crypto_transaction_hash": "ab"})
    assert (sent["type"], sent["description"]) == ("withdrawal", "ab")
    assert (spelled(sent["amount"]), spelled(sent["fee_amount"])) == ("1.4995", "0.0005")
    added = read("internal_withdraw", {"fee": 0.25, "subtotal": "1.5"})
    assert (spelled(added["amount"]), spelled(added["fee_amount"])) == ("1.5", "0.25")
    assert added["description"] == "internal_withdraw"
    assert read("withdraw", {"fee": ""})["fee_amount"] is None


# -- what is asked for -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "query"),
    [
        (Window(limit=4000), {}),
        (Window(upper=99), {"after": "100"}),
        (Window(5, 99), {"before": "4", "after": "100"}),
        # Never more ids than an answer has room for, and never ``before`` alone.
        (Window(5, 9999), {"before": "8999", "after": "10000"}),
        (Window(5), {"before": "4", "after": "1005"}),
        (Window(0), {"after": "1000"}),
        (Window(0, 9), {"after": "10"}),
    ],
)
def test_cursors_of_trades(
    server: Scripted, opened: Connector, window: Window, query: dict[str, str]
) -> None:
    server.answers(b"[]")
    opened.fetch(TRADES, window)
    assert server.requests[0].target.startswith("/products/BTC-USD/trades?")
    assert query_of(server) == {"limit": "1000"} | query


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        (Window(0, HOUR_US * 9), "1970-01-01T00:00:00Z", "1970-01-01T09:00:00Z"),
        (Window(HOUR_US + 1, HOUR_US * 9 - 1), "1970-01-01T01:00:01Z", "1970-01-01T08:59:59Z"),
        (Window(HOUR_US), "1970-01-01T01:00:00Z", "1970-01-13T12:00:00Z"),
        (Window(None, HOUR_US * 400), "1970-01-05T05:00:00Z", "1970-01-17T16:00:00Z"),
        (Window(0, HOUR_US * 400), "1970-01-05T05:00:00Z", "1970-01-17T16:00:00Z"),
    ],
)
def test_bounds_of_candles_are_both_sent_and_at_most_300(
    server: Scripted, opened: Connector, window: Window, start: str, end: str
) -> None:
    server.answers(b"[]")
    opened.fetch(HOURS, window)
    assert query_of(server) == {"granularity": "3600", "start": start, "end": end}
    asked = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    assert asked.total_seconds() / 3600 + 1 <= 300
    server.answers(b"[]")
    opened.fetch(HOURS, Window(limit=5))
    assert query_of(server) == {"granularity": "3600"}


def test_a_window_of_candles_is_as_long_as_an_answer() -> None:
    paging = connectors.offers("coinbase")["candles"]
    assert paging.of("1h").max_span_us == 299 * HOUR_US
    assert paging.of("4h").cursor is Cursor.DERIVED and paging.max_span_us is None


def test_account_calls_on_the_wire(server: Scripted, opened: Connector) -> None:
    server.answers(b"[]", b"[]", b"[]")
    opened.fetch(FILLS, Window(None, 7))
    assert query_of(server) == {"product_id": "BTC-USD", "limit": "1000", "after": "8"}
    assert server.requests[-1].headers["user-agent"] == "tidemark"  # without one, it refuses
    opened.fetch(ORDERS, Window(5, 1_500_000, limit=9))
    assert query_of(server) == {
        "status": "all",
        "sortedBy": "created_at",
        "sorting": "desc",
        "limit": "9",
        "start_date": "1970-01-01T00:00:00.000005Z",
        "end_date": "1970-01-01T00:00:01.500000Z",
    }
    opened.fetch(TRANSFERS, Window(None, 1_671_583_725_477_500))
    assert server.requests[-1].target == (
        "/transfers?limit=100&after=2022-12-21%2000%3A48%3A45.4775%2B00"
    )


# -- the key, the clock and refusals ---------------------------------------------------------------


def test_the_vector_of_a_client() -> None:
    """From the tests of bennycode/coinbase-pro-node (MIT), recomputed."""
    secret = (
        "kv+3DPw2yHWQWkDsmpN4uXWtgtuBrFFLu7zRk9gipjdrFpUjwZ0mK6KzGAPFpxOjDLdna20xozy+9fqRU5zJZQ=="
    )
    signed = "qGB3X7LOAhNXPpRqV73F08sMU1hKuX+s7vQypcEErV8="
    assert auth.signature(secret, "1580066918.897GET/fills?product_id=BTC-EUR") == signed
    request = get("/fills", {"product_id": "BTC-EUR"}, private=True)
    made = auth.sign(request, Credentials("k", secret, "p"), 1_580_066_918_897_321)
    assert made.headers == {
        "CB-ACCESS-KEY": "k",
        "CB-ACCESS-SIGN": signed,
        "CB-ACCESS-TIMESTAMP": "1580066918.897",
        "CB-ACCESS-PASSPHRASE": "p",
    }
    assert signed in made.secrets


def test_a_call_is_signed_with_the_exchanges_time_and_the_query(
    server: Scripted, opened: Connector
) -> None:
    server.answers(b"[]")
    opened.fetch(FILLS, Window())
    (call,) = server.requests
    stamp = call.headers["cb-access-timestamp"]
    assert stamp == f"{CLOCK:.3f}"
    message = f"{stamp}GET/fills?product_id=BTC-USD&limit=1000"
    key = b"a secret of 64 bytes as a rule"
    by_hand = base64.b64encode(hmac.new(key, message.encode(), hashlib.sha256).digest()).decode()
    assert call.headers["cb-access-sign"] == by_hand
    assert call.headers["cb-access-passphrase"] == "my passphrase"


def test_an_expired_time_is_measured_anew_once(server: Scripted, opened: Connector) -> None:
    late: Response = (400, {}, b'{"message":"request timestamp expired"}')
    server.answers(late, b"[]")
    assert opened.fetch(FILLS, Window()).received == 0
    server.answers(late, late)
    with pytest.raises(AuthError, match=r"timestamp expired.*COINBASE_API_PASSPHRASE"):
        opened.fetch(FILLS, Window())
    assert len(server.requests) == 2


def test_a_clock_that_is_wrong_here_is_no_matter(world: World) -> None:
    connector = world.open("coinbase")
    assert world.page(connector, "balances").received
    world.server.of(CoinbaseSwitches).cb_clock_ahead_ms = 3_600_000  # it jumps meanwhile
    assert world.page(connector, "balances").received
    assert [e.call for e in world.server.log.entries[-4:]] == [
        "/accounts", "/accounts", "/time", "/accounts"]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (400, "request timestamp expired", AuthError),
        (400, "invalid signature", AuthError),
        (401, "Invalid Passphrase", AuthError),
        (401, "Invalid API Key", AuthError),
        (400, "Either product_id or order_id must be provided", RequestError),
        (403, "Private rate limit exceeded", RateLimitedError),
        (429, "Private rate limit exceeded", RateLimitedError),
        (404, "NotFound", RequestError),
        (500, "Internal server error", TransientError),
        (200, "We are currently under maintenance", RefusedError),
    ],
)
def test_what_refusals_mean(server: Scripted, status: int, text: str, error: type) -> None:
    key = Credentials("my-key", "c2VjcmV0", "my passphrase")
    opened = server.open("coinbase", credentials=key, retries=0)
    refused: Response = (status, {}, json.dumps({"message": text}).encode())
    server.answers(refused, refused)
    with pytest.raises(error, match=text) as caught:
        opened.fetch(FILLS, Window())
    assert type(caught.value) is error
    for part in key.parts:
        assert part not in str(caught.value)


def test_no_time_is_a_fault_of_the_moment(world: World) -> None:
    world.server.faults.add(Fault("body", path="/time", body=b'{"iso":"?"}'))
    assert world.page(world.open("coinbase"), "balances").received
    assert len(world.waits) == 1


def test_a_passphrase_is_needed_and_named(server: Scripted) -> None:
    for passphrase in ("", None):
        with pytest.raises(ConfigError, match="COINBASE_API_PASSPHRASE is empty"):
            server.open("coinbase", credentials=Credentials("k", "s", passphrase))


def test_a_whole_book_of_many_levels() -> None:
    levels = ",".join(f'["{1000 + n}","0.5",{n}]' for n in range(45_000))
    body = f'{{"sequence":1,"asks":[{levels}],"bids":[]}}'.encode()
    assert parse.order_book(body, "BTC-USD", AT).page().table.num_rows == 45_000
