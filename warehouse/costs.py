"""The cost of trades, ``price × amount``, exact or null. Pure; Arrow in, Arrow out."""

from contextlib import suppress
from decimal import Context, Decimal, Inexact
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from schemas.declare import COST

_USUAL: Final = pa.decimal128(18, 9)
"""Nearly all prices and amounts fit this type; Arrow multiplies it without a wider cast."""
_WIDE: Final = (pa.decimal256(38, 12), pa.decimal256(37, 12))
"""Types of price and amount whose product has at most 76 digits, the most of Arrow."""
_WIDE_COST: Final = pa.decimal256(76, COST.scale)
_EXACT: Final = Context(prec=76, traps=[Inexact])
_STEP: Final = Decimal(1).scaleb(-COST.scale)
_TOO_LARGE: Final = Decimal(10) ** (COST.precision - COST.scale)


def costs(price: pa.ChunkedArray, amount: pa.ChunkedArray) -> pa.ChunkedArray:
    """``price × amount`` row by row, of ``decimal128(38, 18)``: exact, or null where none fits."""
    with suppress(pa.ArrowInvalid):  # some factor or product has more digits
        return pc.multiply(price.cast(_USUAL), amount.cast(_USUAL)).cast(COST)
    with suppress(pa.ArrowInvalid):
        return _fitting(pc.multiply(price.cast(_WIDE[0]), amount.cast(_WIDE[1])))
    pairs = zip(price.to_pylist(), amount.to_pylist(), strict=True)
    return pa.chunked_array([pa.array([None if None in p else cost(*p) for p in pairs], COST)])


def _fitting(products: pa.ChunkedArray) -> pa.ChunkedArray:
    most = pa.scalar(_TOO_LARGE, products.type)
    fits = pc.and_(pc.less(products, most), pc.greater(products, pc.negate(most)))
    products = pc.if_else(fits, products, None)
    cut = products.cast(_WIDE_COST, safe=False)
    return pc.if_else(pc.equal(cut.cast(products.type), products), cut, None).cast(COST)


def cost(price: Decimal, amount: Decimal) -> Decimal | None:
    """``price × amount`` where it fits ``decimal128(38, 18)``, else ``None``."""
    product = _EXACT.multiply(price, amount)
    if product.copy_abs() >= _TOO_LARGE:  # abs() would round to 28 digits
        return None
    try:
        exact = product.quantize(_STEP, context=_EXACT)
    except Inexact:
        return None
    return exact if exact else exact.copy_abs()  # a column has no -0
