"""Values come out exact or are rejected, and what is claimed was read: for any text and any ids."""

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from connectors import exact, offers
from connectors.exact import InvalidValue
from pipelines.imports.convert import Reasons, _price, _time
from pipelines.imports.coverage import Proof, holes
from pipelines.imports.formats import BY_NAME
from schemas.declare import PRICE
from warehouse.intervals import Interval, Intervals, union

FORM = BY_NAME["binance-trades"]
DENSE = offers("binance")["trades"]
NUMBER = st.one_of(
    st.text("0123456789.", max_size=20),
    st.text("0123456789.eE+- _", max_size=12),
    st.decimals(min_value=0, allow_nan=False, allow_infinity=False).map(str),
    st.text(max_size=5),
)
MOMENT = st.one_of(
    st.integers(-5, 10**20).map(str),
    st.integers(631_152_000, 4_102_444_799).map(str),
    st.integers(631_152_000_000, 4_102_444_799_999).map(str),
    st.integers(631_152_000_000_000, 4_102_444_799_999_999).map(str),
    st.datetimes().map(lambda t: t.isoformat()),
    st.datetimes().map(lambda t: f"{t.isoformat(' ')}Z"),
    st.decimals(631_152_000, 4_102_444_799, places=7).map(str),
    NUMBER,
)


def expected(text: str, one: Any) -> Any:
    try:
        return one(text if text != "" else None)
    except InvalidValue:
        return None


def of(found: pa.Array, reasons: Reasons) -> list[Any]:
    return [None if at in reasons else value for at, value in enumerate(found.to_pylist())]


@given(st.lists(NUMBER, max_size=6))
def test_prices_are_those_of_the_careful_conversion(texts: list[str]) -> None:
    reasons: Reasons = {}
    encoded = pa.array([t.encode("utf-8", errors="replace").decode() for t in texts], pa.string())
    found = _price(encoded, FORM, "price", reasons)
    assert found.type == PRICE
    assert of(found, reasons) == [expected(text, exact.price) for text in texts]


@given(st.lists(MOMENT, max_size=6))
def test_times_are_those_of_the_careful_conversion(texts: list[str]) -> None:
    reasons: Reasons = {}
    encoded = pa.array([t.encode("utf-8", errors="replace").decode() for t in texts], pa.string())
    found = _time(encoded, "timestamp", reasons)
    assert of(found, reasons) == [expected(text, exact.time_us) for text in texts]


@given(st.lists(st.floats(0, 1e15, allow_subnormal=False), min_size=1, max_size=6))
def test_a_double_is_its_shortest_text_or_rejected(values: list[float]) -> None:
    reasons: Reasons = {}
    form = BY_NAME["freqtrade-candles"]
    found = _price(pa.array(values, pa.float64()), form, "open", reasons)
    for at, value in enumerate(of(found, reasons)):
        text = Decimal(repr(values[at]))
        digits = len(text.normalize().as_tuple().digits)
        if value is not None:
            assert value == text and digits <= 15
        else:
            assert digits > 15 or text != text.quantize(Decimal("1e-12"))


IDS = st.lists(st.lists(st.integers(0, 40), max_size=12), max_size=5)
HELD = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 8)), max_size=3)


def intervals(spans: list[tuple[int, int]]) -> Intervals:
    return union(Interval(low, low + length) for low, length in spans)


def positions(found: Intervals) -> set[int]:
    return {n for i in found for n in range(i.lower, i.upper)}


@given(IDS, HELD)
def test_nothing_is_claimed_that_was_not_read(
    chunks: list[list[int]], spans: list[tuple[int, int]]
) -> None:
    """And a run joins what is held only with a row of it; all else that was read is claimed."""
    held = intervals(spans)
    proof = Proof(DENSE, held)
    claimed: Intervals = ()
    for chunk in chunks:
        ids = np.array(chunk, np.int64)
        claimed = union([*claimed, *proof.add(ids, ids * 1000)])
    read = {n for chunk in chunks for n in chunk}
    assert positions(claimed) <= read
    assert claimed == proof.own
    runs = union(Interval(n, n + 1) for n in read)
    for run in runs:
        touched = {i.upper for i in held if i.upper == run.lower}
        above = {i.lower for i in held if i.lower == run.upper}
        left = {run.lower} if touched else set()
        left |= {run.upper - 1} if above else set()
        inside = positions((run,)) & positions(claimed)
        assert inside == positions((run,)) - left
    for i in claimed:
        assert i.first_at == (i.first or 0) * 1000


@given(HELD, st.integers(0, 20), st.integers(0, 30))
def test_holes_are_what_is_not_complete(
    spans: list[tuple[int, int]], lower: int, length: int
) -> None:
    complete, upper = intervals(spans), lower + length
    assert positions(holes(complete, lower, upper)) == (
        set(range(lower, upper + 1)) - positions(complete)
    )
