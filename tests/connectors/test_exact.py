"""Single values and whole columns: exact, or refused; and both ways agree."""

from datetime import UTC, datetime
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors import exact
from connectors.columns import (
    Choice,
    Flag,
    Id,
    Kind,
    Number,
    Text,
    Time,
    Wide,
    Worded,
    as_stored,
)
from connectors.exact import InvalidValue
from connectors.jsontext import decode
from schemas.declare import PRICE, TIME, WIDE

IN_FULL = Context(prec=1000)


def scaled(value: Decimal, places: int) -> Decimal:
    """``value`` × 10^places, in full."""
    return value.scaleb(places, IN_FULL)


stored = st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: scaled(Decimal(n), -12))


def written(value: Decimal) -> st.SearchStrategy[str]:
    """The same number in other spellings."""
    fixed = format(value, "f")
    return st.sampled_from([fixed, f"{fixed}000", format(value, "e"), format(value, "E")])


@given(stored.flatmap(lambda v: st.tuples(st.just(v), written(v))))
def test_every_storable_number_is_stored_as_it_is(case: tuple[Decimal, str]) -> None:
    value, text = case
    found = exact.price(text, signed=True)
    assert found == value
    assert pa.array([found], PRICE)[0].as_py() == value


@given(st.from_regex(r"-?[0-9]{1,30}(\.[0-9]{1,14})?([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_a_number_is_stored_exactly_or_refused(text: str) -> None:
    try:
        found = exact.price(text, signed=True)
    except InvalidValue:
        steps = Fraction(text) * 10**12
        assert steps.denominator != 1 or abs(steps) >= 10**38
    else:
        assert Fraction(found) == Fraction(text) and found.as_tuple().exponent == -12


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        [],
        {},
        "",
        " 1",
        "1 ",
        "+1",
        "1,5",
        "0x10",
        "1_000",
        "NaN",
        "Infinity",
        "-inf",
        "١٢",
        "1e",
        "1e99999999999999999999",
        "1e-13",
        "1e26",
        "-1",
        "9" * 500,
        "0.1234567890123",
    ],
)
def test_what_is_no_amount_is_refused_by_both_ways(value: Any) -> None:
    with pytest.raises(InvalidValue):
        exact.price(value)
    with pytest.raises(InvalidValue):
        Number().many([value], True)


@pytest.mark.parametrize(
    ("value", "us"),
    [
        (1543252041327, 1543252041327000),
        ("1543252041327", 1543252041327000),
        (1385205386, 1385205386000000),
        ("1568905003.866091", 1568905003866091),
        ("1568905003.86609100", 1568905003866091),
        ("1568905003866.091", 1568905003866091),
        (1568905003866091, 1568905003866091),
        (1568905003866091000, 1568905003866091),
        ("1.568905003866091e9", 1568905003866091),
        (631152000, 631152000000000),
        ("2018-10-02T10:01:28.284112Z", 1538474488284112),
        ("2018-10-02T10:01:28.284112", 1538474488284112),
        ("2018-10-02 13:01:28.284112+03:00", 1538474488284112),
        ("2018-10-02T10:01:28.2841120Z", 1538474488284112),
        ("2018-10-02T10:01:28Z", 1538474488000000),
        ("2018-10-02T10:01:28.39Z", 1538474488390000),
        ("2018-10-02 10:01:28.284112+00", 1538474488284112),
        # what is finer than a microsecond is cut off
        ("1568905003.8660919", 1568905003866091),
        (1568905003866091999, 1568905003866091),
        ("2018-10-02T10:01:28.284112999Z", 1538474488284112),
    ],
)
def test_dates_are_exact_whatever_their_unit(value: Any, us: int) -> None:
    assert exact.time_us(value) == us


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        631151999,
        4102444800,
        10**30,
        "1e400",
        "1989-12-31T23:59:59Z",
        "2018-13-02T10:01:28Z",
        "2018-10-02",
        "yesterday",
        [],
    ],
)
def test_no_date_is_guessed(value: Any) -> None:
    with pytest.raises(InvalidValue):
        exact.time_us(value)


@given(st.integers(exact.EARLIEST_US, exact.LATEST_US - 1))
def test_a_microsecond_survives_every_unit(us: int) -> None:
    assert exact.time_us(str(scaled(Decimal(us), -6))) == us
    assert exact.time_us(str(scaled(Decimal(us), -3))) == us
    assert exact.time_us(us) == us
    assert exact.time_us(us * 1000) == us
    assert as_stored(pa.array([us]), TIME).cast(pa.int64())[0].as_py() == us


@pytest.mark.parametrize(
    "value",
    # int() refuses texts of more than 4,300 digits by an error of its own
    [
        None,
        True,
        -1,
        2**63,
        2**63 - 1,
        "1.5",
        "1e400",
        "a",
        [],
        "1e999999999",
        "9" * 5006,
        "0" * 5006 + "x",
    ],
)
def test_what_is_no_id_is_refused(value: Any) -> None:
    with pytest.raises(InvalidValue):
        exact.identity(value)
    with pytest.raises(InvalidValue):
        Id().many([value], True)


@pytest.mark.parametrize("value", [0, 7, "7", "007", "7.0", "70e-1", 2**63 - 2, str(2**63 - 2)])
def test_an_id_is_its_integer(value: Any) -> None:
    assert exact.identity(value) == int(Decimal(str(value)))


@pytest.mark.parametrize("form", ["{us6}", "{us6}7", "{date}.{us:06d}Z", "{date}.{us:06d}789Z"])
def test_texts_of_times_are_read_at_once(form: str) -> None:
    moments = [1_762_820_035_982_277 + 999_983 * n for n in range(9)]
    texts = [
        form.format(
            us6=f"{us // 10**6}.{us % 10**6:06d}",
            us=us % 10**6,
            date=f"{datetime.fromtimestamp(us // 10**6, UTC):%Y-%m-%dT%H:%M:%S}",
        )
        for us in moments
    ]
    assert Time().many([*texts, None], False).to_pylist() == [*moments, None]
    assert [exact.time_us(text) for text in texts] == moments
    for odd in ("2025-02-30T00:00:00Z", "yesterday", 17, "0.5", "99999999.5", "1234567890.1.2"):
        with pytest.raises(InvalidValue):
            Time().many([texts[0], odd], True)


@pytest.mark.parametrize(
    "text",
    [
        "99999999.999999999",  # eight digits of seconds
        "1762820035982.5",  # milliseconds
        "9223372037.000000000",  # beyond 64 bits of nanoseconds
        "18446744074.709551616",  # beyond both halves
        "1762820035.9822770001",
        ".1762820035",
        "1762820035.",
        "-1762820035.5",
    ],
)
def test_other_texts_are_left_to_the_careful_way(text: str) -> None:
    with pytest.raises(InvalidValue):
        Time().many([text], True)


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["0", "007", "9223372036854775806"], [0, 7, 2**63 - 2]),
        (["7.0"], None),
        (["+7"], None),
        (["-7"], None),
        ([" 7"], None),
        ([""], None),
        (["٧"], None),
        (["9223372036854775807"], None),
        (["99999999999999999999"], None),
        (["7", 7], None),
    ],
)
def test_ids_of_text_are_plain_digits(texts: list[Any], found: list[int] | None) -> None:
    if found is None:
        with pytest.raises(InvalidValue):
            Id().many(texts, True)
    else:
        assert Id().many(texts, True).to_pylist() == found


@pytest.mark.parametrize("value", ["2.6256545174247500", "99999999999999999999.999999999999999999"])
def test_wide_amounts_have_eighteen_places(value: str) -> None:
    fast = Wide().many([value, "1", 7], True)
    assert fast.to_pylist() == [exact.wide(v) for v in (value, "1", 7)]
    assert fast.type == WIDE and fast[0].as_py() == Decimal(value)
    for odd in ("1e-19", "100000000000000000000", "-1", "0.1234567890123456789", "1" * 30):
        with pytest.raises(InvalidValue):
            exact.wide(odd)
        with pytest.raises(InvalidValue):
            Wide().many([odd], True)


json_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(0, 5000),
    st.integers(1_300_000_000, 1_400_000_000),
    st.integers(1_300_000_000_000, 1_400_000_000_000),
    st.decimals(allow_nan=False, allow_infinity=False, places=8).map(str),
    st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{0,14})?(e[0-9])?", fullmatch=True),
    st.sampled_from(["buy", "sell", "bid", "", "x", "1", "2"]),
    st.lists(st.integers(), max_size=1),
)
KINDS: list[Kind] = [
    Id(),
    Time(),
    Number(),
    Number(signed=True),
    Wide(),
    Wide(signed=True),
    Choice({"buy": "buy", "bid": "buy", "1": "deposit"}),
    Text(),
    Flag(),
    Worded("sell", "buy"),
]


@example(["4776912937173232174972714945.0"])  # Arrow's cast wraps around here
@given(
    st.lists(
        st.from_regex(r"[0-9.]{1,42}|[0-9]{1,27}\.[0-9]{0,13}|[-+ ./0-9a-f]{1,9}", fullmatch=True),
        max_size=4,
    )
)
def test_digits_and_points_are_read_exactly_or_left_to_the_careful_way(texts: list[str]) -> None:
    try:
        fast = Number().many(texts, True)
    except InvalidValue:
        return
    assert fast.to_pylist() == [exact.price(text) for text in texts]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
@given(values=st.lists(json_scalars, max_size=4), required=st.booleans())
def test_the_fast_way_agrees_with_the_careful_one(
    kind: Kind, values: list[Any], required: bool
) -> None:
    try:
        fast = kind.many(values, required)
    except InvalidValue:
        return
    careful = [None if v is None and not required else kind.one(v) for v in values]
    assert fast.type == kind.type
    assert fast.to_pylist() == careful


@pytest.mark.parametrize("text", ["1e101", "-9e5000", "1e999999", "1E-101", "3e-99999"])
def test_a_number_beyond_any_amount_is_refused_before_it_is_multiplied(text: str) -> None:
    with pytest.raises(InvalidValue):
        exact.number(text)
    assert exact.number("9e99") * exact.number("9e100") > 0
    assert exact.number("0e500") == 0


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,25})\.[0-9]{1,20}([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_a_json_number_keeps_its_text(text: str) -> None:
    assert decode(Any, text.encode()) == text
    assert decode(list[Any], f"[{text}]".encode()) == [text]


def test_a_json_integer_is_whole() -> None:
    assert decode(Any, b"123456789012345678901234567890") == 123456789012345678901234567890
    assert msgspec.json.decode(b"17") == 17
