"""The documents' own examples of rows, and rows of every state: to the last digit, or refused."""

import json
from decimal import Decimal
from typing import Any

import pytest

from connectors import ContractError, Page
from connectors.bitexbit import parse as bitexbit
from connectors.wex import parse as wex

AT = 1_768_000_000_250_000


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def rows(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.table.to_pylist()
    return found


ORDER = {
    "id": 34,
    "date": 1478036172902,
    "type": "buy-limit",
    "symbol": "BTC_USD",
    "price": "433.00000000",
    "amount": "0.00692841",
    "amount_unfilled": "0.00692841",
    "amount_filled": None,
    "amount_cancelled": None,
    "value_filled": None,
    "price_avg": None,
    "done_at": None,
    "state": "submitted",
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("open", "0.00692841", "0", None, None, None)),
        (
            {"state": "partial-filled", "amount_unfilled": 0.005, "amount_filled": "0.00192841"},
            ("open", "0.005", "0.00192841", None, None, None),
        ),
        (
            {
                "state": "filled",
                "amount_unfilled": "0",
                "amount_filled": "6.92841e-3",
                "value_filled": "2.99999999123456789",
                "price_avg": "433",
                "done_at": "1478036172999",
            },
            ("closed", "0", "0.00692841", "2.99999999123456789", "433", 1478036172999),
        ),
        (
            {"state": "canceled", "amount_unfilled": "0.00692841", "done_at": 1478036172999},
            ("canceled", "0", "0", None, None, 1478036172999),
        ),
        (
            {"state": "partial-canceled", "amount_unfilled": None, "amount_filled": "0.001"},
            ("canceled", "0", "0.001", None, None, None),
        ),
    ],
)
def test_states_of_orders(changes: dict[str, Any], expected: tuple[Any, ...]) -> None:
    row = {**ORDER, **changes}
    pages = [
        bitexbit.public_orders(body([row]), "BTC_USD", "BTC-USD").page(),
        bitexbit.account_orders(body([{**row, "fee_filled": "-0.1"}])).page(),
    ]
    status, remaining, filled, cost, average, closed = expected
    for page in pages:
        (found,) = rows(page)
        assert (found["order_id"], found["symbol"]) == ("34", "BTC-USD")
        assert (found["side"], found["type"], found["status"]) == ("buy", "limit", status)
        assert found["remaining"] == Decimal(remaining) and found["filled"] == Decimal(filled)
        assert found["cost"] == (None if cost is None else Decimal(cost))
        assert found["average"] == (None if average is None else Decimal(average))
        at = found["closed_at"]
        assert (None if at is None else int(at.timestamp() * 1000)) == closed
    assert found["fee_amount"] == Decimal("-0.1")


def test_odd_orders_are_refused_alone() -> None:
    odd = [
        {**ORDER, "id": 35, "state": "sleeping"},
        {**ORDER, "id": 36, "type": "limit"},
        {**ORDER, "id": 37, "amount_unfilled": None},
        "order",
    ]
    page = bitexbit.account_orders(body([ORDER, *odd])).page()
    assert page.positions.to_pylist() == [34]
    assert [r.position for r in page.rejected] == [35, 36, 37, None]
    with pytest.raises(ContractError, match="ETH_USD"):
        bitexbit.public_orders(body([{**ORDER, "symbol": "ETH_USD"}]), "BTC_USD", "BTC-USD")


def levels(page: Page, side: str) -> list[tuple[int, str]]:
    return [(r["level"], f"{r['price']:f}") for r in rows(page) if r["side"] == side]


def test_the_documents_book_and_one_in_any_order() -> None:
    text = (
        b'{"date": 1568905003.866091, "asks": [[1, 1], [2, 4]], "bids": [[1, 1], [2, 4]],'
        b' "sum_bids": 5, "sum_asks": 5}'
    )
    page = bitexbit.order_books(text, "BTC_USD", "BTC-USD", AT).page()
    one, two = "1.000000000000", "2.000000000000"
    assert levels(page, "ask") == [(0, one), (1, two)]
    assert sorted(levels(page, "bid")) == [(0, two), (1, one)]
    assert page.positions.to_pylist() == [AT] * 4
    odd = b'{"asks": [["2e0", 1], ["n/a", 1], [1.5, "0.1"], 7], "bids": [], "symbol": "BTC_USD"}'
    page = bitexbit.order_books(odd, "BTC_USD", "BTC-USD", AT).page()
    assert sorted(levels(page, "ask")) == [(0, "1.500000000000"), (1, two)]
    assert [r.payload for r in page.rejected] == ['["n/a", 1]', "7"]
    for wrong in (b'{"asks": 1, "bids": []}', b'{"asks": []}', b"[]"):
        with pytest.raises(ContractError):
            bitexbit.order_books(wrong, "BTC_USD", "BTC-USD", AT)
    with pytest.raises(ContractError, match="LTC_USD"):
        bitexbit.order_books(
            b'{"asks": [], "bids": [], "symbol": "LTC_USD"}', "BTC_USD", "BTC-USD", AT
        )


def test_books_of_several_pairs() -> None:
    asked = {"btc_usd": "BTC-USD", "ltc_usd": "LTC-USD"}
    text = b'{"btc_usd":{"asks":[[760.98,10]],"bids":[[758.5,1e-8]]},"ltc_usd":{}}'
    page = wex.order_books(text, asked, AT)
    assert [(r["symbol"], r["side"], r["amount"]) for r in rows(page)] == [
        ("BTC-USD", "ask", Decimal(10)),
        ("BTC-USD", "bid", Decimal("0.00000001")),
    ]
    assert wex.order_books(b"[]", asked, AT).received == 0
    for wrong in (b'{"eth_usd":{}}', b'{"btc_usd":{},"btc_usd":{}}', b'{"btc_usd":[]}'):
        with pytest.raises(ContractError):
            wex.order_books(wrong, asked, AT)


def test_the_documents_pairs_and_info() -> None:
    pair = {
        "symbol": "BTC_USD",
        "label": "BTC/USD",
        "base": "BTC",
        "quote": "USD",
        "price_precision": 3,
        "amount_precision": "6",
        "min_amount": "0.00001000",
        "max_amount": "100000000",
        "is_enabled": False,
    }
    (found,) = rows(bitexbit.market_rows(body([pair]), AT).page())
    assert (found["price_precision"], found["amount_precision"]) == (3, 6)
    assert (found["min_amount"], found["min_value"]) == (Decimal("0.00001"), None)
    assert found["native_symbol"] == "BTC_USD" and found["active"] is False
    with pytest.raises(ContractError):
        bitexbit.market_rows(body(pair), AT, ("LTC_USD", "LTC-USD"))
    info = (
        b'{"server_time":1370814956,"pairs":{"btc_usd":{"decimal_places":3,"min_price":0.1,'
        b'"max_price":400,"min_amount":0.01,"hidden":0,"fee":0.2},"x_y":{"hidden":1,"fee":"2e-1"},'
        b'"nonsense":{}}}'
    )
    page = wex.market_rows(info, AT).page()
    first, second = rows(page)
    assert first["fee_rate"] == second["fee_rate"] == Decimal("0.002")
    assert (first["price_precision"], first["amount_precision"]) == (3, None)
    assert (first["min_price"], first["max_price"]) == (Decimal("0.1"), Decimal(400))
    assert (first["active"], second["active"]) == (True, False)
    assert len(page.rejected) == 1 and "nonsense" in page.rejected[0].payload


def test_fee_rates_by_side_and_by_role_as_the_text_explains_them() -> None:
    def rates(answer: dict[str, Any]) -> list[tuple[str, str, str]]:
        page = bitexbit.trading_fees(body(answer), AT).page()
        assert page.rejected == ()
        return [
            (r["symbol"], f"{r['buy_fee_rate']:.3f}", f"{r['sell_fee_rate']:.3f}")
            for r in rows(page)
        ]

    sides = {"sell_fee_rate": "0.00200000", "buy_fee_rate": 0.001}
    pair = {"symbol": "BTC_USD", "sell_fee_rate": "3e-3", "buy_fee_rate": "0.004"}
    expected = [("*", "0.001", "0.002"), ("BTC-USD", "0.004", "0.003")]
    assert rates({**sides, "pair_fee_rates": [pair]}) == expected
    roles = {"taker_fee_rate": "0.002", "maker_fee_rate": "0.001"}
    pair = {"symbol": "BTC_USD", "maker_fee_rate": "0.003", "taker_fee_rate": "0.004"}
    assert rates({**roles, "pair_fee_rates": [pair]}) == expected
    assert rates({**sides, "pair_fee_rates": None}) == expected[:1]
    assert rates(sides) == expected[:1]
    odd = {**sides, "pair_fee_rates": [{"symbol": "X_Y", "buy_fee_rate": "1"}, 7]}
    assert len(bitexbit.trading_fees(body(odd), AT).page().rejected) == 2


def test_the_documents_orders_of_wex() -> None:
    order = {
        "pair": "btc_usd",
        "type": "sell",
        "start_amount": 13.345,
        "amount": 12.345,
        "rate": 485,
        "timestamp_created": 1342448420,
        "status": 0,
    }

    def found(**changes: Any) -> tuple[Any, ...]:
        (row,) = rows(wex.order(body({"343152": {**order, **changes}})).page())
        assert row["type"] == "limit" and row["cost"] is row["closed_at"] is None
        return row["status"], f"{row['remaining']:.3f}", row["filled"], row["amount"]

    start = Decimal("13.345")
    assert found() == ("open", "12.345", 1, start)
    assert found(status=1, amount=0) == ("closed", "0.000", start, start)
    assert found(status=2, amount="13.345") == ("canceled", "0.000", 0, start)
    assert found(status="3") == ("canceled", "0.000", 1, start)
    # "partly filled" and nothing left, or all: what was filled is not reported
    assert found(status=3, amount=0) == ("canceled", "0.000", None, start)
    assert found(amount="14") == ("open", "14.000", None, start)
    page = wex.order(body({"343152": {**order, "status": 4}})).page()
    assert page.rejected[0].position == 343152
    active = {"343152": order, "9000000000": {"amount": "n/a"}, "7": 3}
    assert dict(wex.open_orders(body(active))) == {
        343152: Decimal("12.345"),
        9_000_000_000: None,
        7: None,
    }
    assert wex.open_orders(b"[]") == {}
    with pytest.raises(ContractError):
        wex.open_orders(b'{"x": {}}')


def test_the_documents_funds_and_rights() -> None:
    text = (
        b'{"funds":{"usd":325,"btc":23.998,"ltc":0,"usd":326},'
        b'"rights":{"info":1,"trade":"0","withdraw":true},"open_orders":1}'
    )
    page = wex.balances(text, AT)
    found = {r["currency"]: (r["available"], r["reserved"]) for r in rows(page)}
    assert found == {
        "USD": (Decimal(325), None),
        "BTC": (Decimal("23.998"), None),
        "LTC": (Decimal(0), None),
    }
    assert len(page.rejected) == 1  # a currency that appears twice, with different amounts
    assert page.rights == ("info", "withdraw")
    assert wex.balances(b'{"funds":[]}', AT).rights is None
    with pytest.raises(ContractError):
        wex.balances(b'{"rights":{}}', AT)
