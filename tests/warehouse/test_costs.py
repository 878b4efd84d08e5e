"""What a trade costs: exact, or null; fast for whole columns, and the same one by one."""

from decimal import Context, Decimal
from fractions import Fraction

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.declare import COST, PRICE
from warehouse.costs import cost, costs

Pair = tuple[Decimal, Decimal]

WIDE = Context(prec=38)
STEP = Decimal("1e-12")


def column(values: list[Decimal | None]) -> pa.ChunkedArray:
    return pa.chunked_array(
        [pa.array([v if v is None else v.quantize(STEP, context=WIDE) for v in values], PRICE)]
    )


def factors(digits: int) -> st.SearchStrategy[Decimal]:
    """Numbers of at most so many digits, with 12 places."""
    top = 10**digits - 1
    return st.integers(-top, top).map(lambda n: Decimal(n).scaleb(-12, WIDE))


# Below 19 digits Arrow's usual decimals do, below 38 the wide ones, beyond that neither.
pairs = st.sampled_from([12, 18, 26, 38]).flatmap(lambda n: st.tuples(factors(n), factors(n)))


@given(st.lists(pairs, max_size=5))
@example([(Decimal("0.000012345678"), Decimal("1234567890.5")), (Decimal(1), Decimal(10**9))])
@example([(Decimal(10**25), Decimal(10**24)), (Decimal("0.1"), Decimal("0.000000000001"))])
@example([(Decimal("1e-12"), Decimal("1e-6")), (Decimal("1e-12"), Decimal("1e-7"))])
@example([(Decimal(10**10), Decimal(10**10)), (Decimal(10**10), Decimal(10**10 - 1))])
@example([(Decimal("0.000001"), Decimal("99999999999999999999999999.995"))])
def test_a_cost_is_exact_or_null(rows: list[Pair]) -> None:
    found = costs(column([p for p, _ in rows]), column([a for _, a in rows]))
    assert found.type == COST
    for reported, (p, a) in zip(found.to_pylist(), rows, strict=True):
        steps = Fraction(p) * Fraction(a) * 10**18
        assert (reported is not None) == (steps.denominator == 1 and abs(steps) < 10**38)
        assert reported is None or Fraction(reported) == Fraction(p) * Fraction(a)
        assert reported == cost(p, a)


def test_a_missing_factor_makes_no_cost() -> None:
    for amount in (Decimal(3), Decimal(10**12), Decimal(10**25)):
        found = costs(column([Decimal(2), None]), column([amount, amount]))
        assert found.to_pylist() == [cost(Decimal(2), amount), None]


def test_nothing_costs_nothing_whatever_its_sign() -> None:
    nothing = cost(Decimal(0), Decimal("-1E-12"))
    assert nothing is not None and nothing.as_tuple() == Decimal("0E-18").as_tuple()
