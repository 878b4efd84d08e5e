"""One odd token, byte, name or link of a hostile server, and what becomes of the rest."""

import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import (
    ContractError,
    ExchangeError,
    Market,
    Page,
    RequestError,
    StreamId,
    TransientError,
    Window,
)
from connectors.bitexbit import parse
from connectors.jsontext import NotJsonError, decode_row, elements, is_json, members
from connectors.redact import excerpt, masked
from connectors.wex import parse as wex
from tests.connectors.cases import EXCHANGES, case
from tests.connectors.conftest import Scripted
from tests.connectors.test_http import ask_fills
from tests.matrix import crossed

TRADE = '{"date":1543252041327,"id":%d,"symbol":"BTC_USD","price":%s,"amount":"2","type":"buy"%s}'
TAKEN = '{"type":"bid","price":%s,"amount":2,"tid":%d,"timestamp":1543252041%s}'
TRADES = StreamId("bitexbit", "trades", "BTC-USD")
TRANSFERS = StreamId("bitexbit", "account_transactions", account="main")


def bitexbit(price: str = '"1"', extra: str = "") -> Page:
    """Three trades, the second one odd."""
    rows = [TRADE % (1, '"1"', ""), TRADE % (2, price, extra), TRADE % (3, '"1"', "")]
    return read("[" + ",".join(rows) + "]")


def read(text: str | bytes) -> Page:
    body = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return parse.trades(body, "BTC_USD", "BTC-USD").page()


def wex_trades(price: str = "1", extra: str = "") -> Page:
    rows = [TAKEN % ("1", 1, ""), TAKEN % (price, 2, extra), TAKEN % ("1", 3, "")]
    body = '{"btc_usd":[' + ",".join(rows) + "]}"
    return wex.trades(body.encode("utf-8", "surrogateescape"), "btc_usd", "BTC-USD").page()


@pytest.mark.parametrize("trades", [bitexbit, wex_trades])
@pytest.mark.parametrize(
    "token",
    ["NaN", "Infinity", "-Infinity", "nan", "+1", "0x10", '"\\ud83d"', '"\udcff"', "undefined"],
)
def test_a_token_that_is_no_number_spoils_its_row_alone(
    trades: Callable[..., Page], token: str
) -> None:
    page = trades(token)
    assert page.table["trade_id"].to_pylist() == ["1", "3"]
    (rejected,) = page.rejected
    assert rejected.position == 2 and rejected.reason.startswith("price is not a number")
    rejected.reason.encode()
    rejected.payload.encode()


@pytest.mark.parametrize("trades", [bitexbit, wex_trades])
@pytest.mark.parametrize(
    "value",
    [
        *("NaN", "-Infinity", '"\\ud83d"', '"\\udc00\\ud83d"', '"\udcff"', '"\n"', ".5", "5."),
        *('"' + "[{,:" * 9 + '"', '"\\"]"', "[NaN, {}]"),
    ],
)
def test_an_odd_token_in_a_field_nobody_uses_does_no_harm(
    trades: Callable[..., Page], value: str
) -> None:
    page = trades(extra=f',"note":{value}')
    assert page.table["trade_id"].to_pylist() == ["1", "2", "3"]
    assert page.rejected == ()


@pytest.mark.parametrize(("text", "value"), [(".5", "0.5"), ("5.", "5"), ("-.5", None)])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("trades", [bitexbit, wex_trades])
def test_a_point_first_or_last_is_an_exact_number(
    trades: Callable[..., Page], text: str, value: str | None, quote: str
) -> None:
    page = trades(quote + text + quote)
    if value is None:
        assert page.rejected[0].reason.startswith("price is negative")
    else:
        assert page.rejected == ()
        assert page.table["price"].to_pylist()[1] == Decimal(value)


HUGE = ["1e999999999", "1e-999999999", "-1e99999", "0." + "1" * 390, "9" * 300, "0." + "0" * 390]


@pytest.mark.parametrize("value", [*HUGE, '"1e9999999999999999999"', "NaN", "[[1]]"])
@pytest.mark.parametrize("field", ["start_amount", "amount", "timestamp_created", "rate"])
@pytest.mark.parametrize("status", [0, 1, 3])
def test_a_number_of_any_size_is_one_rows_trouble(value: str, field: str, status: int) -> None:
    row = {"pair": "btc_usd", "type": "sell", "start_amount": 13.345, "amount": 12.345}
    row |= {"rate": 485, "timestamp_created": 1342448420, "status": status}
    other = json.dumps({**row, field: "?"}).replace('"?"', value)
    began = time.process_time()
    page = wex.order(b'{"1":%b,"2":%b}' % (json.dumps(row).encode(), other.encode())).page()
    assert time.process_time() - began < 1
    assert page.table["order_id"].to_pylist()[0] == "1" and page.received == 2
    market = f'{{"pairs":{{"btc_usd":{{"fee":{value}}}}}}}'
    wex.market_rows(market.encode(), 1_543_252_041_000_000).page()


def test_a_percentage_is_never_rounded() -> None:
    fee = "0.2" + "0" * 28 + "1"
    page = wex.market_rows(b'{"pairs":{"btc_usd":{"fee":%b}}}' % fee.encode(), 10**15).page()
    assert page.table["fee_rate"].to_pylist() == [None]
    assert "does not fit" in page.rejected[0].reason


def test_a_byte_order_mark_is_no_part_of_an_answer(server: Scripted, exchange: str) -> None:
    mark = b"\xef\xbb\xbf"
    server.answers(mark + case(exchange).no_trades, mark + case(exchange).no_fills)
    connector = server.open(exchange, retries=0)
    assert connector.fetch(StreamId(exchange, "trades", "BTC-USD"), Window()).received == 0
    assert ask_fills(connector).received == 0


@pytest.mark.parametrize("field", ["fee_symbol", "symbol"])
@pytest.mark.parametrize("value", ['"\\ud83dX"', '"X\udcff"'])
def test_half_a_character_in_a_text_that_is_stored_spoils_the_row(field: str, value: str) -> None:
    rest = ',"amount":"1","price":"1","type":"buy","date":1543252041327'
    others = "" if field == "symbol" else ',"symbol":"BTC_USD"'
    odd = f'{{"id":2,"{field}":{value}{others}{rest}}}'
    body = f'[{{"id":1,"symbol":"BTC_USD"{rest}}},{odd}]'
    page = parse.account_trades(body.encode("utf-8", "surrogateescape")).page()
    assert page.table["trade_id"].to_pylist() == ["1"]
    assert "half a surrogate or a byte that is not UTF-8" in page.rejected[0].reason


DEEP = {
    "open lists": b"[" * 1_000_000,
    "lists": b"[" * 200_000 + b"]" * 200_000,
    "open objects": b'{"a":' * 200_000,
    "objects": b"[" + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"]",
}


@pytest.mark.parametrize(("exchange", "body"), crossed(EXCHANGES, list(DEEP)))
def test_depth_without_end_is_an_answer_like_others(
    server: Scripted, exchange: str, body: str
) -> None:
    server.answers(DEEP[body])
    connector = server.open(exchange, retries=0)
    began = time.process_time()
    try:
        page = connector.fetch(StreamId(exchange, "trades", "BTC-USD"), Window())
    except ExchangeError as error:
        assert len(str(error)) < 700
    else:  # one row that is nested too deeply
        assert page.table.num_rows == 0 and len(page.rejected) == 1
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "location",
    [
        *(
            "javascript:1",
            "http://[::x",
            "http://xn--/",
            "//a b/",
            "\x07",
            "http://127.0.0.1:99999/",
        ),
        *("ftp://127.0.0.1/", "http://other.example/", "//other.example", "/" + "a" * 70_000, ""),
    ],
)
def test_an_odd_redirect_is_reported_and_not_followed(
    server: Scripted, exchange: str, location: str
) -> None:
    server.answers(*[(302, {"Location": location}, b"moved")] * 3)
    connector = server.open(exchange, retries=0)
    trades = StreamId(exchange, "trades", "BTC-USD")
    asks: list[Callable[[], Any]] = [
        lambda: connector.fetch(trades, Window()),
        lambda: ask_fills(connector),
    ]
    for ask in asks:
        with pytest.raises((RequestError, TransientError)) as caught:
            ask()
        assert len(str(caught.value)) < 700
        assert "_BASE_URL" in str(caught.value) or "broke off" in str(caught.value)
    assert len(server.requests) == 2


def test_no_cookie_is_kept(server: Scripted, exchange: str) -> None:
    empty = case(exchange).no_trades
    server.answers((200, {"Set-Cookie": "session=1; Path=/"}, empty), empty)
    connector = server.open(exchange)
    for _ in range(2):
        connector.fetch(StreamId(exchange, "trades", "BTC-USD"), Window())
    assert "cookie" not in server.requests[1].headers


NAMES = ["btc\nusd", "btc\0_usd", "btc_usd#", "bt\xe4_usd", "../../../tapi_x", "a?b_c", "a//b_c"]


@pytest.mark.parametrize("name", [*NAMES, "..", "%2e%2e", "a\\b_c", "a b_c"])
def test_a_name_leads_to_no_other_path(server: Scripted, exchange: str, name: str) -> None:
    server.answers(b"[]", b"[]", b"[]")
    connector = server.open(exchange, retries=0)
    asks: list[Callable[[], Any]] = [
        lambda: connector.fetch(StreamId(exchange, "trades", name), Window()),
        lambda: connector.snapshot("tickers", [name]),
        lambda: connector.snapshot("order_books", [name]),
    ]
    for ask in asks:
        try:
            ask()
        except ExchangeError as error:
            str(error).encode()
    paths = [call.removeprefix("GET ") for call in case(exchange).reads]
    segment = "[A-Za-z0-9._~%-]+"  # one, percent-encoded, where a path names markets
    parts = [re.split("btc.?usd(?:-eth.?usd)?", path, flags=re.IGNORECASE) for path in paths]
    known = "|".join(segment.join(map(re.escape, part)) for part in parts)
    for request in server.requests:  # as a value of a query a name may be anything
        path = request.target.partition("?")[0]
        assert re.fullmatch(known, path), path


def page_of_transfers(next_: str) -> bytes:
    return b'{"count":5,"next":%b,"results":[]}' % next_.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    "link",
    [
        *('"http://[::x"', '"https://x/?a=\\u0007"', '"https://x/?' + "y" * 70_000 + '"', "5"),
        *(
            '"https://x/page/2"',
            "true",
            "{}",
            '"?a=\\ud83d"',
            '"?a\\nb"',
            "NaN",
            '"https://x/?a b"',
        ),
    ],
)
def test_an_odd_link_to_the_next_page_is_no_end_and_not_followed(
    server: Scripted, link: str
) -> None:
    server.answers(page_of_transfers(link))
    connector = server.open("bitexbit", retries=0)
    page = connector.page(TRANSFERS, None)
    assert page.next_token is not None and page.total == 5
    with pytest.raises(RequestError, match="leads nowhere"):
        connector.page(TRANSFERS, page.next_token)
    assert len(server.requests) == 1


@pytest.mark.parametrize("link", ["null", '""'])
def test_no_link_is_the_end(server: Scripted, link: str) -> None:
    server.answers(page_of_transfers(link))
    assert server.open("bitexbit").page(TRANSFERS, None).next_token is None


def test_a_market_with_an_odd_figure_is_listed(server: Scripted, exchange: str) -> None:
    body = case(exchange).odd_markets
    server.answers(body, body)
    connector = server.open(exchange)
    assert [m.symbol for m in connector.markets()] == ["BTC-USD", "ETH-USD"]
    assert isinstance(connector.markets()[0], Market)
    page = connector.snapshot("markets", ())
    figure = case(exchange).odd_figure
    assert page.table[figure].to_pylist() == [None, Decimal(1)]
    (rejected,) = page.rejected
    assert rejected.is_stored and rejected.symbol == "BTC-USD"
    assert rejected.reason.startswith(f"{figure} is not a number") and page.received == 2


def test_a_rejected_row_names_its_market() -> None:
    body = b'{"btc_usd":{"updated":1543252041,"last":1},"eth_usd":{"updated":NaN,"last":1}}'
    asked = {"btc_usd": "BTC-USD", "eth_usd": "ETH-USD"}
    page = wex.tickers(body, asked, 1_543_252_041_000_000).page()
    assert page.table["symbol"].to_pylist() == ["BTC-USD"]
    assert [row.symbol for row in page.rejected] == ["ETH-USD"]
    books = b'{"btc_usd":{"asks":[[NaN,1]],"bids":[[1,1]]},"eth_usd":{"asks":[],"bids":[]}}'
    page = wex.order_books(books, asked, 1_543_252_041_000_000)
    assert [row.symbol for row in page.rejected] == ["BTC-USD"] and page.table.num_rows == 1


@pytest.mark.parametrize("character", ["<script>", "<", "<a", "</", "<style><script>", " ", "aF0"])
def test_an_excerpt_takes_time_in_proportion(character: str) -> None:
    body = json.dumps({"error": character * (8_000_000 // len(character))}).encode()
    began = time.process_time()
    assert len(excerpt(body, ["my-secret-0815"])) <= 200
    assert len(excerpt(b"<html>" + body, ["my-secret-0815"])) <= 200
    assert time.process_time() - began < 1


def test_no_half_of_a_secret_is_left_where_an_excerpt_is_cut() -> None:
    for size in range(19_960, 20_001):
        shown = excerpt(b" " * size + b"top-secret-of-mine", ["top-secret-of-mine"])
        assert "top" not in shown


@given(st.binary(max_size=40), st.lists(st.integers(1, 7), max_size=30))
def test_a_secret_is_masked_wherever_a_body_is_cut_into_parts(
    rest: bytes, sizes: list[int]
) -> None:
    whole = rest[:20] + b"My-SECRET" + rest[20:] + b"my-key"
    parts, at = [], 0
    for size in [*sizes, len(whole)]:
        parts.append(whole[at : at + size])
        at += size
    found = b"".join(masked(parts, ["my-secret", "my-key", ""]))
    assert b"my-secret" not in found.lower() and b"my-key" not in found.lower()
    assert found.endswith(b"***")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(values, max_size=6), st.sampled_from([None, 1]), st.booleans())
def test_both_ways_through_a_text_agree(rows: list[Any], indent: int | None, plain: bool) -> None:
    text = json.dumps(rows, indent=indent, ensure_ascii=plain).encode("utf-8", "surrogatepass")
    assert [json.loads(bytes(part)) for part in elements(text)] == rows
    assert is_json(text)
    for row, part in zip(rows, elements(text), strict=True):
        assert decode_row(Any, part) == row
    keyed = json.dumps({str(i): row for i, row in enumerate(rows)}, indent=indent).encode()
    assert [json.loads(bytes(m.value)) for m in members(keyed)] == rows


@given(st.binary(max_size=60) | st.text('[]{},:"\\ a1\n', max_size=40).map(str.encode))
def test_any_bytes_are_taken_apart_or_refused(body: bytes) -> None:
    whole = is_json(body)
    for way in (elements, members):
        try:
            parts = way(body)
        except NotJsonError:
            continue
        assert whole and all(len(part) for part in parts)
    with suppress(NotJsonError):
        decode_row(Any, body)


def test_an_answer_of_more_rows_than_asked_for_is_refused_at_once() -> None:
    body = "[" + ",".join(TRADE % (i, "1", "") for i in range(5_001)) + "]"
    with pytest.raises(ContractError, match="5,001 rows"):
        read(body)
    began = time.process_time()
    with pytest.raises(ContractError):
        read(b"[" + b"{}," * 1_000_000 + b"{}]")
    assert time.process_time() - began < 1
