"""Codes of currencies: upper case, and yet each currency of a list its own."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.bitexbit import parse as bitexbit
from connectors.bitexbit.transfers import read_transfers
from connectors.codes import Codes
from connectors.names import Names
from connectors.wex import parse as wex
from tests.connectors.conftest import Scripted

AT = 1_768_000_000_250_000
spelled = st.text(st.sampled_from("aAbBeE.-ßı1"), min_size=1, max_size=3)


@given(st.booleans(), st.lists(st.lists(spelled, unique=True, max_size=8), max_size=3))
def test_no_two_currencies_of_a_list_share_a_code(lower: bool, lists: list[list[str]]) -> None:
    codes = Codes(lower)
    for listed in lists:
        codes = codes.listed(listed)
        found = [codes.code_of(code) for code in listed]
        assert len(set(found)) == len(listed)
        # as a home remembers them, and as the next list has them
        known = Codes(lower).knowing(found)
        assert [known.code_of(code) for code in listed] == found
        assert [codes.listed(listed[:1]).code_of(code) for code in listed] == found


@given(st.booleans(), st.lists(spelled, unique_by=str.upper))
def test_a_code_is_in_upper_case_where_no_other_is_like_it(lower: bool, listed: list[str]) -> None:
    codes = Codes(lower).listed(listed)
    for code in listed:
        assert codes.code_of(code) == code.upper() == codes.code_of(code.lower().upper())


@pytest.mark.parametrize(
    ("lower", "listed", "codes"),
    [
        (False, ["BTC", "btc", "USD"], ["BTC", "btc", "USD"]),
        (False, ["USDT.E", "USDT.e", "usd"], ["USDT.E", "USDT.e", "USD"]),
        (False, ["Btc", "btc"], ["Btc", "btc"]),
        (True, ["btc", "usdt.e", "usdt.E"], ["BTC", "USDT.E", "usdt.E"]),
        (True, ["usd", "USD"], ["USD", "USD-A26CDF3A"]),
    ],
)
def test_codes_of_lists(lower: bool, listed: list[str], codes: list[str]) -> None:
    found = Codes(lower).listed([*listed, None, 7])
    assert [found.code_of(code) for code in listed] == codes
    assert found.code_of(7) == 7 and found.code_of("eth") == "ETH"


def names_with(*apart: str) -> Names:
    return Names(bitexbit.SPELLING, codes=Codes().knowing(apart))


def test_bitexbit_looks_every_code_up() -> None:
    currencies = [
        {"code": code, "name": "x", "precision": 8, "is_enabled": True}
        for code in ("USDT.e", "USDT.E", "eth")
    ]
    page = bitexbit.currency_rows(json.dumps(currencies).encode(), AT).page()
    assert page.table["currency"].to_pylist() == ["USDT.e", "USDT.E", "ETH"]
    pairs = [{"symbol": f"{c}_usd", "base": c, "quote": "usd"} for c in ("USDT.e", "USDT.E")]
    page = bitexbit.market_rows(json.dumps(pairs).encode(), AT).page()
    assert page.table["base"].to_pylist() == ["USDT.e", "USDT.E"]
    assert page.table["quote"].to_pylist() == ["USD", "USD"]
    names = names_with("USDT.e")
    rows = [{"symbol": c, "available": "1"} for c in ("USDT.e", "USDT.E", "usd", "usdt.E")]
    page = bitexbit.balances(json.dumps(rows).encode(), AT, names.codes).page()
    assert page.table["currency"].to_pylist() == ["USDT.e", "USDT.E", "USD", "usdt.E"]
    fill = {"date": 1544617013258, "type": "buy", "symbol": "A_B", "price": 1, "amount": 1}
    fills = [{**fill, "id": n, "fee_symbol": c} for n, c in enumerate(["USDT.e", "USDT.E", None])]
    page = bitexbit.account_trades(json.dumps(fills).encode(), names).page()
    assert page.table["fee_currency"].to_pylist() == ["USDT.e", "USDT.E", None]
    transfer = {"date": "2026-01-09T00:00:00Z", "status": "30", "is_outgoing": True, "amount": "1"}
    transfers = [
        {**transfer, "id": n, "currency": {"code": c}}
        for n, c in enumerate(["USDT.e", "USDT.E", "btc"])
    ]
    body = json.dumps({"results": transfers}).encode()
    page = read_transfers(body, names.codes)
    assert page.table["currency"].to_pylist() == ["USDT.e", "USDT.E", "BTC"]


def test_the_id_made_of_a_transfer_does_not_change_with_the_list() -> None:
    transfer = {"date": "2026-01-09T00:00:00Z", "status": "30", "is_outgoing": True, "amount": "1"}
    body = json.dumps({"results": [{**transfer, "currency": {"code": "USDT.e"}}]}).encode()
    ids = [
        read_transfers(body, names.codes).table["transaction_id"].to_pylist()
        for names in (names_with(), names_with("USDT.e"))
    ]
    assert ids[0] == ids[1]


def test_wex_looks_every_code_up() -> None:
    info: dict[str, object] = {"pairs": {f"{c}_usd": {} for c in ("usdt.e", "usdt.E", "btc")}}
    page = wex.market_rows(json.dumps(info).encode(), AT).page()
    assert page.table["base"].to_pylist() == ["USDT.E", "usdt.E", "BTC"]
    codes = Codes(lower=True).knowing(["usdt.E"])
    account = {"funds": {"usd": 1, "usdt.e": 2, "usdt.E": 3}, "rights": {}}
    page = wex.balances(json.dumps(account).encode(), AT, codes)
    assert page.table["currency"].to_pylist() == ["USD", "USDT.E", "usdt.E"]
    line = {"type": 1, "amount": 1, "desc": "", "status": 2, "timestamp": 1544617013}
    sent = ["USD", "USDT.E", "usdt.E", "btc"]
    lines = {str(n): {**line, "currency": code} for n, code in enumerate(sent)}
    page = wex.account_transactions(json.dumps(lines).encode(), codes).page()
    assert page.table["currency"].to_pylist() == ["USD", "USDT.E", "usdt.E", "BTC"]


def test_a_list_that_was_read_tells_currencies_apart_in_every_later_answer(
    server: Scripted,
) -> None:
    listed = [
        {"code": code, "name": "x", "precision": 8, "is_enabled": True}
        for code in ("USDT.e", "USDT.E")
    ]
    balance = json.dumps([{"symbol": "USDT.e", "available": "1"}]).encode()
    connector = server.open("bitexbit")
    server.answers(balance, json.dumps(listed).encode(), balance)
    found = []
    for learn in (False, True):
        if learn:
            connector.learn_codes()
            connector.learn_codes()  # asked once
        found += connector.snapshot("balances", ()).table["currency"].to_pylist()
    assert found == ["USDT.E", "USDT.e"]
