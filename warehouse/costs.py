"""What a trade costs: ``price × amount``, exact or null. Pure; Arrow in, Arrow out."""

from decimal import Context, Decimal, Inexact
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from schemas import Dataset
from schemas.declare import COST

_FACTORS: Final = (
    (pa.decimal128(18, 9), pa.decimal128(18, 9)),
    (pa.decimal256(38, 12), pa.decimal256(37, 12)),  # takes twice as long
)
"""Types of price and amount whose product Arrow works out exactly, the fastest first."""
_EXACT: Final = Context(prec=76, traps=[Inexact])
_STEP: Final = Decimal(1).scaleb(-COST.scale)
_TOO_LARGE: Final = Decimal(10) ** (COST.precision - COST.scale)


def complete(declared: Dataset, rows: pa.Table) -> pa.Table:
    """``rows`` as they lie in the dataset's files, with the columns that are ``computed``."""
    if "cost" in declared.computed:
        found = costs(rows.column("price"), rows.column("amount"))
        rows = rows.append_column("cost", found)
    return rows.select(declared.file_schema.names).cast(declared.file_schema)


def costs(price: pa.ChunkedArray, amount: pa.ChunkedArray) -> pa.ChunkedArray:
    """``price × amount`` row by row, of ``decimal128(38, 18)``: exact, or null where none fits."""
    for of_price, of_amount in _FACTORS:
        try:
            return pc.multiply(price.cast(of_price), amount.cast(of_amount)).cast(COST)
        except pa.ArrowInvalid:  # some factor or product has more digits
            continue
    pairs = zip(price.to_pylist(), amount.to_pylist(), strict=True)
    return pa.chunked_array([pa.array([None if None in p else cost(*p) for p in pairs], COST)])


def cost(price: Decimal, amount: Decimal) -> Decimal | None:
    """``price × amount`` where it fits ``decimal128(38, 18)``, else ``None``."""
    product = _EXACT.multiply(price, amount)
    if abs(product) >= _TOO_LARGE:
        return None
    try:
        return product.quantize(_STEP, context=_EXACT)
    except Inexact:
        return None
