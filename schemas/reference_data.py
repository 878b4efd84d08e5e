"""What an exchange says of itself: its markets and currencies, now and before.

``markets`` and ``currencies`` hold the newest state of every row, and keep what is listed no longer
as not active. ``markets_history`` and ``currencies_history`` hold every state there was, each
``valid_from`` (first seen so) until ``valid_to`` (first seen otherwise; null: still so).
"""

from dataclasses import replace
from typing import Final

import pyarrow as pa

from schemas.declare import PRICE, TIME, Dataset, Period, may, need, schema

_MARKET: Final = (
    need("native_symbol"),
    need("base"),
    need("quote"),
    may("price_precision", pa.int32()),
    may("amount_precision", pa.int32()),
    *(
        may(name, PRICE)
        for name in (
            *("min_amount", "max_amount", "min_value", "min_price", "max_price", "fee_rate"),
        )
    ),
    need("active", pa.bool_()),
)

_CURRENCY: Final = (need("name"), need("precision", pa.int32()), need("active", pa.bool_()))

MARKETS = Dataset(
    name="markets",
    description="The markets of an exchange as they are now; one that is listed no longer stays, "
    "not active. fee_rate is a fraction (0.002 = 0.2 %).",
    schema=schema("exchange symbol", *_MARKET),
    key=("exchange", "symbol"),
    partition=("exchange",),
    period=Period.ALL,
    time_column="ingested_at",
    order=("symbol",),
    replaces=True,
    history="markets_history",
)

CURRENCIES = Dataset(
    name="currencies",
    description="The currencies of an exchange as they are now; one that is listed no longer "
    "stays, not active.",
    schema=schema("exchange currency", *_CURRENCY),
    key=("exchange", "currency"),
    partition=("exchange",),
    period=Period.ALL,
    time_column="ingested_at",
    order=("currency",),
    replaces=True,
    history="currencies_history",
)


def _history(now: Dataset) -> Dataset:
    name = now.key[-1]
    columns = [f for f in now.schema if f.name not in (*now.key, "ingested_at")]
    return replace(
        now,
        name=now.history or "",
        description=f"Every state that a row of {now.name} was seen in, from valid_from until "
        "valid_to (null: still so).",
        schema=schema(f"exchange {name} valid_from", may("valid_to", TIME), *columns),
        key=(*now.key, "valid_from"),
        time_column="valid_from",
        order=("valid_from", name),
        history=None,
    )


MARKETS_HISTORY = _history(MARKETS)
CURRENCIES_HISTORY = _history(CURRENCIES)
