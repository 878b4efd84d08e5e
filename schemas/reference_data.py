"""The lists of an exchange: its markets and currencies, now and before.

``markets`` and ``currencies`` hold the newest state of every row, and keep rows that are no longer
listed as not active. ``markets_history`` and ``currencies_history`` hold every observed state, from
``valid_from`` until ``valid_to`` (null: current).
"""

from dataclasses import replace
from typing import Final

import pyarrow as pa

from schemas.declare import (
    ACTIVE,
    CURRENCY,
    EXCHANGE,
    FEE_RATE,
    INGESTED_AT,
    SYMBOL,
    TIME,
    Dataset,
    Period,
    nullable,
    required,
)

VALID_FROM: Final = required("valid_from", "When this state was first observed (UTC).", TIME)
VALID_TO: Final = nullable(
    "valid_to", "When another state was first observed (UTC); null: current.", TIME
)

_MARKET: Final = (
    required("native_symbol", "The exchange's own spelling of symbol."),
    required("base", "Currency that amounts are in."),
    required("quote", "Currency that prices are in."),
    nullable("price_precision", "Decimals that a price may have.", pa.int32()),
    nullable("amount_precision", "Decimals that an amount may have.", pa.int32()),
    nullable("min_amount", "Minimum amount of an order, in base currency."),
    nullable("max_amount", "Maximum amount of an order, in base currency."),
    nullable("min_value", "Minimum value of an order, in quote currency."),
    nullable("min_price", "Minimum price of an order, in quote currency."),
    nullable("max_price", "Maximum price of an order, in quote currency."),
    FEE_RATE,
    ACTIVE,
)

_CURRENCY: Final = (
    required("name", "Full name."),
    required("precision", "Decimals that an amount may have.", pa.int32()),
    ACTIVE,
)

MARKETS = Dataset(
    name="markets",
    description="The markets of an exchange as they are now; one that is no longer listed stays, "
    "not active. fee_rate is a fraction (0.002 = 0.2 %).",
    columns=(EXCHANGE, SYMBOL, *_MARKET, INGESTED_AT),
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
    description="The currencies of an exchange as they are now; one that is no longer listed "
    "stays, not active.",
    columns=(EXCHANGE, CURRENCY, *_CURRENCY, INGESTED_AT),
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
    rest = [c for c in now.columns if c.name not in now.key]
    return replace(
        now,
        name=now.history or "",
        description=f"Every observed state of each row of {now.name}, from valid_from until "
        "valid_to (null: current).",
        columns=(*(now.column(key) for key in now.key), VALID_FROM, VALID_TO, *rest),
        key=(*now.key, "valid_from"),
        time_column="valid_from",
        order=("valid_from", name),
        history=None,
    )


MARKETS_HISTORY = _history(MARKETS)
CURRENCIES_HISTORY = _history(CURRENCIES)
