"""The contract of single rows, as SQL conditions that are true for a violating row.

The rules of ``warehouse.rules``, which hold where rows enter, and of what is computed from them.
"""

from typing import Final

from schemas import Dataset, StreamId, timeframe_us
from warehouse.views import views

_SKEW_US: Final = 300_000_000
"""How far an exchange's clock may be from ours."""

PRODUCT: Final = "CASE WHEN abs(price::DOUBLE * amount::DOUBLE) < 9e13 THEN price * amount END"
"""price × amount, exact; null where it does not fit DuckDB's 38 digits at this scale."""
_BAD_COST: Final = """CASE
    WHEN product IS NULL THEN false
    -- widening is cheap and rounding is not: nearly every row is settled by the first
    WHEN CASE WHEN abs(cost) < 90000000000000 THEN cost::DECIMAL(38, 24) = product END THEN false
    ELSE cost IS DISTINCT FROM
        CASE WHEN product = product::DECIMAL(38, 18) THEN product::DECIMAL(38, 18) END
END"""


def conditions(declared: Dataset, stream: StreamId, seen_at: int) -> dict[str, str]:
    """Condition by what it means. ``seen_at``: the newest time the exchange is known to be past."""
    found = {
        f"{f.name} is null": f'"{f.name}" IS NULL' for f in declared.file_schema if not f.nullable
    }
    for column in declared.columns:
        if column.values and column.name in declared.file_schema.names:
            allowed = ", ".join(f"'{value}'" for value in column.values)
            what = f"{column.name} is none of {', '.join(column.values)}"
            found[what] = f'"{column.name}" NOT IN ({allowed})'
    for name in declared.stream_columns:
        found[f"{name} is not the one in the file's name"] = f"\"{name}\" <> '{stream.timeframe}'"
    if declared.name == "quarantine":
        found["dataset is not the one in the file's name"] = f"dataset <> '{stream.source}'"
    if "symbol" in declared.file_schema.names:
        found["symbol is not in upper case"] = "symbol <> upper(symbol)"
    if declared.name == "account_transactions":
        found["amount is negative"] = "amount < 0"
    if "cost" in declared.computed:
        found["cost is not price * amount"] = _BAD_COST
    if declared.name == "candles":
        end = f"epoch_us(timestamp) + {timeframe_us(stream.timeframe or '')}"
        found["is_final before its interval had ended"] = (
            f"is_final AND {end} > {seen_at} AND {end} > epoch_us(ingested_at) + {_SKEW_US}"
        )
    return found


def irregular(stream: StreamId) -> str:
    """Candles that are stored as the exchange sent them; it needs the :func:`macros`."""
    return f"is_irregular('{stream.timeframe}', timestamp, open, high, low, close, volume)"


def macros() -> list[str]:
    """The statements that create the macros that the conditions use."""
    return [views()[name].statement() for name in ("timeframe_us()", "is_irregular()")]
