"""What is peculiar to WEX and the BTC-e dialect, and recorded answers to the exact text."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors import (
    AuthError,
    ContractError,
    Market,
    NotOfferedError,
    RateLimitedError,
    RefusedError,
    RequestError,
    StreamId,
    TransientError,
    Window,
)
from connectors.wex import parse
from tests.connectors.conftest import Scripted

FILLS = StreamId("wex", "account_trades", account="main")
MOVES = StreamId("wex", "account_transactions", account="main")


@pytest.fixture(scope="module")
def btce(shared_data: Path) -> Path:
    return shared_data / "btce"


def texts(path: Path) -> Any:
    """The file with every number as the text it is written in."""
    return json.loads(path.read_text("utf-8"), parse_float=str, parse_int=str)


def spelled(value: Decimal | None) -> str:
    """A stored value in the fewest digits."""
    assert value is not None
    return format(value, "f").rstrip("0").rstrip(".")


def bare(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def check_fills(rows: dict[str, Any], table: list[dict[str, Any]]) -> None:
    assert {row["trade_id"] for row in table} == set(rows)
    for found in table:
        row = rows[found["trade_id"]]
        assert spelled(found["price"]) == bare(row["rate"])
        assert spelled(found["amount"]) == bare(row["amount"])
        assert found["symbol"] == row["pair"].upper().replace("_", "-")
        assert found["side"] == row["type"]
        assert str(int(found["timestamp"].timestamp())) == row["timestamp"]
        own = row["is_your_order"] == "1"
        assert found["taker_or_maker"] == ("maker" if own else "taker")
        assert found["order_id"] == (row["order_id"] if own else None)
        assert found["fee_amount"] is None


def test_recorded_trades_arrive_to_the_exact_text(btce: Path) -> None:
    path = btce / "v3_trades_btc_usd_2013-11-23.json"
    rows = {row["tid"]: row for row in texts(path)["btc_usd"]}
    page = parse.trades(path.read_bytes(), "btc_usd", "BTC-USD").page()
    assert page.table.num_rows == len(rows) == 100 and page.rejected == ()
    for found in page.table.to_pylist():
        row = rows[found["trade_id"]]
        assert spelled(found["price"]) == bare(row["price"])
        assert spelled(found["amount"]) == bare(row["amount"])
        assert found["side"] == {"ask": "sell", "bid": "buy"}[row["type"]]
        assert str(int(found["timestamp"].timestamp())) == row["timestamp"]


def test_a_recorded_ticker_has_the_ask_in_buy(btce: Path) -> None:
    path = btce / "v3_ticker_2013-11-23.json"
    row = texts(path)["btc_usd"]
    page = parse.tickers(path.read_bytes(), {"btc_usd": "BTC-USD"}, 1_400_000_000_000_000).page()
    (found,) = page.table.to_pylist()
    columns = {
        "last": "last",
        "ask": "buy",
        "bid": "sell",
        "high": "high",
        "low": "low",
        "average": "avg",
        "base_volume": "vol_cur",
        "quote_volume": "vol",
    }
    for column, source in columns.items():
        assert spelled(found[column]) == bare(row[source])
    assert found["change_percent"] is None and found["bid"] < found["ask"]
    assert str(int(found["timestamp"].timestamp())) == row["updated"]


def test_a_recorded_account_arrives_to_the_exact_text(btce: Path) -> None:
    path = btce / "tapi_TradeHistory_2012-10_2013-09.json"
    answer = parse.envelope(path.read_bytes())
    assert parse.succeeded(answer)
    page = parse.account_trades(bytes(answer.result)).page()
    assert page.table.num_rows == 32 and page.rejected == ()
    check_fills(texts(path)["return"], page.table.to_pylist())


def test_the_documents_transaction(btce: Path) -> None:
    path = btce / "tapi_TransHistory_docs_example.json"
    page = parse.account_transactions(bytes(parse.envelope(path.read_bytes()).result)).page()
    (found,) = page.table.to_pylist()
    assert (found["transaction_id"], found["type"], found["status"]) == ("1081672", "deposit", "ok")
    assert (found["currency"], found["amount"], found["description"]) == ("BTC", 1, "BTC Payment")


def test_a_sibling_that_writes_numbers_as_text(btce: Path) -> None:
    fixture = json.loads((btce / "yobit_fixture_2024-03.json").read_text("utf-8"))

    def body(call: str) -> bytes:
        return json.dumps(fixture[call]["response"]).encode()

    (trade,) = parse.trades(body("trades"), "ltc_usdt", "LTC-USDT").page().table.to_pylist()
    assert (trade["trade_id"], spelled(trade["amount"])) == ("200308320", "0.00005714")
    answer = parse.envelope(body("TradeHistory"))
    assert parse.succeeded(answer)
    page = parse.account_trades(bytes(answer.result)).page()
    check_fills(fixture["TradeHistory"]["response"]["return"], page.table.to_pylist())
    ticker = parse.tickers(body("ticker"), {"btc_usdt": "BTC-USDT"}, 10**15).page().table
    assert spelled(ticker["quote_volume"][0].as_py()) == "151292.61340729"
    assert spelled(ticker["base_volume"][0].as_py()) == "2.10398282"


def test_markets_and_hidden_ones(server: Scripted) -> None:
    pairs = {
        "btc_usd": {"hidden": 0, "fee": 0.2},
        "x_y": {"hidden": 1},
        "y_z": {"hidden": "False"},
        "ltc_usd": {},  # no statement
        "eth_usd": {"hidden": None},
    }
    answer = json.dumps({"server_time": 1, "pairs": pairs}).encode()
    server.answers(answer, answer)
    connector = server.open("wex")
    assert connector.markets() == [
        Market("BTC-USD", "btc_usd", "BTC", "USD", active=True),
        Market("X-Y", "x_y", "X", "Y", active=False),
        Market("Y-Z", "y_z", "Y", "Z", active=True),
        Market("LTC-USD", "ltc_usd", "LTC", "USD", active=True),
        Market("ETH-USD", "eth_usd", "ETH", "USD", active=True),
    ]
    rows = connector.snapshot("markets", ()).table.to_pylist()
    assert [row["active"] for row in rows] == [True, False, True, True, True]


@pytest.mark.parametrize("pair", ['"btcusd": {}', '"btc_usd": 1'])
def test_a_list_with_an_unreadable_market_is_none(server: Scripted, pair: str) -> None:
    server.answers(f'{{"pairs": {{"x_y": {{}}, {pair}}}}}'.encode(), b'{"pairs": {"x_y": {}}}')
    connector = server.open("wex")
    with pytest.raises(ContractError, match=r"wex: 1 of the 2 markets .* came: \"btc_?usd\""):
        connector.markets()
    with pytest.raises(ContractError, match="1 of the 2 markets"):
        connector.markets()
    assert len(server.requests) == 1  # by this connector it is remembered, by no other
    assert [m.symbol for m in server.open("wex").markets()] == ["X-Y"]


ROW = '{"type":"bid","price":1,"amount":2,"tid":%d,"timestamp":1385205386}'


def test_a_pair_that_stands_twice_loses_no_row() -> None:
    body = f'{{"btc_usd":[{ROW % 1}],"btc_usd":[{ROW % 2}]}}'.encode()
    page = parse.trades(body, "btc_usd", "BTC-USD").page()
    assert page.table["trade_id"].to_pylist() == ["1", "2"]
    for body in (b'{"eth_usd":[]}', f'{{"btc_usd":[],"eth_usd":[{ROW % 1}]}}'.encode()):
        with pytest.raises(ContractError, match="eth_usd"):
            parse.trades(body, "btc_usd", "BTC-USD")
    for body in (b"{}", b"[]", b" [ ] ", b"{ }", b'{"btc_usd":[]}', b'{"btc_usd": []}'):
        assert parse.trades(body, "btc_usd", "BTC-USD").page().received == 0


FILL = (
    '{"pair":"btc_usd","type":"sell","amount":1,"rate":450,"order_id":343148,'
    '"is_your_order":%s,"timestamp":1342445793}'
)


def test_a_key_that_stands_twice_loses_no_fill() -> None:
    one, same, other = FILL % 1, FILL % 1, FILL % 0
    page = parse.account_trades(f'{{"7":{one},"8":{one},"7":{same}}}'.encode()).page()
    assert page.table["trade_id"].to_pylist() == ["7", "8"] and page.rejected == ()
    page = parse.account_trades(f'{{"7":{one}, "7" : {other} }}'.encode()).page()
    assert page.table["taker_or_maker"].to_pylist() == ["maker"]
    (rejected,) = page.rejected
    assert rejected.payload == f'"7" : {other}' and rejected.position == 7
    page = parse.account_trades(f'{{"7":{FILL % 2},"x":{one},"3000000000":{one}}}'.encode()).page()
    assert page.positions.to_pylist() == [3_000_000_000]
    assert [(r.position, r.index) for r in page.rejected] == [(7, None), (None, None)]


MOVE = {"type": 1, "amount": 1.5, "currency": "btc", "desc": None, "status": 2}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, ("deposit", "ok")),
        ({"type": 2, "status": 0}, ("withdrawal", "failed")),
        ({"type": "4", "status": "1"}, ("credit", "pending")),
        ({"type": 5, "status": 3}, ("debit", "unconfirmed")),
        ({"type": 3}, "type is none of"),
        ({"status": 9}, "status is none of"),
        ({"amount": -1.5}, "amount is negative: -1.5"),
        ({"currency": None}, "currency is missing"),
    ],
)
def test_types_and_states_of_transactions(changes: dict[str, Any], found: Any) -> None:
    row = {**MOVE, "timestamp": 1342448420, **changes}
    page = parse.account_transactions(json.dumps({"1081672": row}).encode()).page()
    if isinstance(found, str):
        assert page.rejected[0].reason.startswith(found) and page.rejected[0].position == 1081672
        return
    (stored,) = page.table.to_pylist()
    assert (stored["type"], stored["status"]) == found
    assert (stored["currency"], stored["description"]) == ("BTC", "")
    assert page.positions.to_pylist() == [1081672]


def refusal(text: str) -> bytes:
    return json.dumps({"success": 0, "error": text}).encode()


@pytest.mark.parametrize(
    "body",
    [
        refusal("no trades"),
        refusal("no transactions"),
        refusal("No orders"),
        b'{"success":1,"return":{}}',
        b'{"success":"1","return":[]}',
        b'{"success":true,"return": { }}',
        b'{"success":"true","return":[]}',
    ],
)
def test_nothing_is_an_answer(server: Scripted, body: bytes) -> None:
    for stream in (FILLS, MOVES):
        server.answers(body)
        assert server.open("wex").fetch(stream, Window()).received == 0


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("api key not specified", AuthError),
        ("invalid api key", AuthError),
        ("invalid sign", AuthError),
        ("api key dont have info permission", AuthError),
        ("Requests too often", RateLimitedError),
        ("not available", TransientError),
        ("external service unavailable", TransientError),
        ("invalid method", NotOfferedError),
        ("Invalid pair name: x_y", RequestError),
        ("something else", RefusedError),
        ("no trades at the moment, try again", RefusedError),
        ("The exchange is under maintenance, try again", RefusedError),
        ("not available in your country", RefusedError),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_error_texts(server: Scripted, text: str, error: type[Exception], status: int) -> None:
    tries = 2 if error is RefusedError else 3 if issubclass(error, TransientError) else 1
    server.answers(*[(status, {}, refusal(text))] * tries)
    with pytest.raises(error, match=re.escape(text)) as caught:
        server.open("wex", retries=2).fetch(FILLS, Window())
    assert type(caught.value) is error
    assert len(server.requests) == tries


def test_public_errors_name_the_pair(server: Scripted) -> None:
    server.answers(refusal("Invalid pair name: no_such"))
    with pytest.raises(RequestError, match="Invalid pair name: no_such"):
        server.open("wex").snapshot("tickers", ["NO-SUCH", "BTC-USD"])
    assert server.requests[0].target == "/api/3/ticker/no_such-btc_usd"


def test_history_is_never_asked_for_by_time(server: Scripted) -> None:
    server.answers(b'{"success":1,"return":{}}', b'{"success":1,"return":{}}')
    connector = server.open("wex")
    for stream in (FILLS, MOVES):
        connector.fetch(stream, Window())
    for request in server.requests:
        assert "since" not in request.body and "end=" not in request.body
        assert "order=DESC" in request.body


def test_an_answer_without_a_result_breaks_the_contract(server: Scripted) -> None:
    for body in (b'{"success":1}', b'{"success":1,"return":null}', b'{"success":1,"return":[1]}'):
        server.answers(body)
        with pytest.raises(ContractError):
            server.open("wex").fetch(FILLS, Window())
