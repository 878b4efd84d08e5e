"""Pages: the fast way and the careful way give the same rows; what is odd is kept as text."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import ContractError
from connectors.binance import parse as binance
from connectors.bitexbit import parse
from connectors.jsontext import members, repeated_key
from connectors.members import parts_of

ROW = {
    "date": 1543252041327,
    "id": 17802900,
    "symbol": "BTC_USD",
    "price": "6609.00000000",
    "amount": "0.00075600",
    "type": "buy",
}


def text(**changes: Any) -> str:
    return json.dumps({**ROW, **changes})


def page(*rows: str) -> Any:
    return parse.trades(f"[{','.join(rows)}]".encode(), "BTC_USD", "BTC-USD").page()


amounts = st.integers(0, 10**16).map(lambda n: format(Decimal(n).scaleb(-8), "f"))


@given(st.lists(st.tuples(amounts, amounts, st.sampled_from(["buy", "sell"])), max_size=6))
def test_one_odd_row_changes_nothing_about_the_others(rows: list[tuple[str, str, str]]) -> None:
    good = [
        text(id=i, price=price, amount=amount, type=side, date=1543252041327 + i)
        for i, (price, amount, side) in enumerate(rows)
    ]
    fast = page(*good)
    slow = page(*good, text(id="x"))
    assert fast.rejected == () and len(slow.rejected) == 1
    assert slow.table.equals(fast.table)
    assert slow.positions.equals(fast.positions)


@pytest.mark.parametrize(
    ("row", "reason", "position"),
    [
        (text(amount="1e-13"), "amount does not fit decimal(38, 12) exactly: 1e-13", 17802900),
        (text(amount=None), "amount is missing", 17802900),
        (text(amount="-1"), "amount is negative: -1", 17802900),
        (text(price=True), "price is not a number: True", 17802900),
        (text(price=[1]), "price is not a number: [1]", 17802900),
        (text(id=None), "trade_id is missing", None),
        (text(id=-4), "trade_id is not an id between 0 and 2^63: -4", None),
        (text(date=5), "timestamp is not a date between 1990 and 2100: 5", 17802900),
        (text(type="hold"), "side is none of buy, sell: hold", 17802900),
        (text(type=None), "side is missing", 17802900),
        (text(symbol=None), "symbol is missing", 17802900),
        (
            text(price="x", amount="y"),
            "price is not a number: x; amount is not a number: y",
            17802900,
        ),
        ("null", "the row is not as documented", None),
        ("[1, 2]", "the row is not as documented", None),
        ('"row"', "the row is not as documented", None),
        (text()[:-1] + ', "price": "1"}', "the key 'price' appears twice in the row", None),
        (text(id="9" * 30), "trade_id is not an id", None),
    ],
)
def test_an_odd_row_is_rejected_as_received(row: str, reason: str, position: int | None) -> None:
    spaced = row.replace('"symbol"', '\n  "symbol"  ')
    found = page(text(id=1), spaced, text(id=2))
    assert found.table["trade_id"].to_pylist() == ["1", "2"]
    (rejected,) = found.rejected
    assert rejected.reason.startswith(reason)
    assert rejected.payload == spaced
    assert (rejected.position, rejected.index) == (position, 1)
    assert found.received == 3


def test_a_number_beyond_any_integer_is_one_rows_trouble() -> None:
    found = page(text(id=1), text().replace("17802900", "9" * 5000))
    assert found.table.num_rows == 1 and len(found.rejected) == 1


def test_a_row_that_comes_twice_is_kept_once() -> None:
    found = page(text(), text(), text(amount="0.000756"), text(id=5))
    assert found.table["trade_id"].to_pylist() == ["17802900", "5"]
    assert found.rejected == ()


def test_rows_stay_in_the_order_received_and_rejected_ones_keep_their_place() -> None:
    ids = [7, 3, "x", 9, 3, None, 1]
    found = page(*(text(id=id_) for id_ in ids))
    assert found.positions.to_pylist() == [7, 3, 9, 1]
    assert found.table["trade_id"].to_pylist() == ["7", "3", "9", "1"]
    # The second 3 is no row of its own: the places of rows and rejected rows have no holes.
    assert [row.index for row in found.rejected] == [2, 4]
    assert page(text(id=5), text(id=2), text(id=4)).positions.to_pylist() == [5, 2, 4]


def test_rows_that_contradict_each_other_are_not_both_lost() -> None:
    found = page(text(), text(amount="1"))
    assert found.table["amount"].to_pylist() == [Decimal("0.000756")]
    (rejected,) = found.rejected
    assert "17802900 came twice" in rejected.reason and rejected.position == 17802900


def test_a_row_of_another_market_spoils_the_answer() -> None:
    with pytest.raises(ContractError, match=r"'ETH_USD' in the answer for 'BTC_USD'"):
        page(text(id=1), text(symbol="ETH_USD"))


@pytest.mark.parametrize("body", [b"{}", b"null", b"17", b'"x"', b"", b"[{}", b'{"detail":"x"}'])
def test_what_is_no_list_breaks_the_contract(body: bytes) -> None:
    with pytest.raises(ContractError):
        parse.trades(body, "BTC_USD", "BTC-USD")


@given(
    st.lists(st.tuples(st.text(max_size=3), st.integers() | st.text(max_size=4)), max_size=5),
    st.sampled_from([(",", ":"), (" , ", " : "), (",\n\t", ":\r\n")]),
)
def test_members_are_found_as_received(
    pairs: list[tuple[str, Any]], marks: tuple[str, str]
) -> None:
    comma, colon = marks
    parts = [f"{json.dumps(key)}{colon}{json.dumps(value)}" for key, value in pairs]
    found = members((" {" + comma.join(parts) + "} ").encode())
    assert [(m.key, json.loads(bytes(m.value))) for m in found] == pairs
    assert [bytes(m.whole).decode() for m in found] == parts


def test_a_repeated_key_is_seen_even_when_escaped() -> None:
    assert repeated_key(b'{"a": 1, "b": 2}') is None
    assert repeated_key(rb'{"a": 1, "\u0061": 2}') == "a"
    assert repeated_key(rb'{"a": NaN, "\u0061": 2}') == "a"
    assert repeated_key(b"[1]") is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "\u00e9", ""]), st.integers() | st.text(max_size=4)),
        max_size=4,
    ),
    st.booleans(),
)
def test_parts_are_the_members_by_key(pairs: list[tuple[str, Any]], odd: bool) -> None:
    texts = [f"{json.dumps(key)} : {json.dumps(value)} " for key, value in pairs]
    body = ("{" + ",".join([*texts, '"odd":NaN'] if odd else texts) + "}").encode()
    assert parts_of(body) == {member.key: bytes(member.value) for member in members(body)}


BINANCE = {
    "id": 28457,
    "price": "4.00000100",
    "qty": "12.00000000",
    "quoteQty": "48.000012",
    "time": 1499865549590,
    "isBuyerMaker": True,
    "isBestMatch": True,
}


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row,
        lambda row: row.replace('"isBestMatch": true', '"isBestMatch": null'),
        lambda row: row.replace(', "isBestMatch": true', ""),
        lambda row: row.replace('"isBestMatch"', '"more": ":", "isBestMatch"'),
    ],
)
def test_fields_that_are_not_stored_decide_nothing(change: Callable[[str], str]) -> None:
    rows = [change(json.dumps({**BINANCE, "id": n})) for n in (1, 2)]
    found = binance.trades(f"[{','.join(rows)}]".encode(), "BTC-USD")
    assert found.positions.to_pylist() == [1, 2] and not found.rejected


@pytest.mark.parametrize("lost", ['"isBestMatch": true', '"quoteQty": "48.000012"'])
def test_a_key_that_stands_twice_is_seen_where_another_is_missing(lost: str) -> None:
    good = json.dumps({**BINANCE, "id": 1})
    twice = json.dumps({**BINANCE, "id": 2}).replace(lost, '"price": "5"')
    found = binance.trades(f"[{good},{twice}]".encode(), "BTC-USD")
    assert found.positions.to_pylist() == [1]
    (rejected,) = found.rejected
    assert "'price' appears twice" in rejected.reason
