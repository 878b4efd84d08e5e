"""Every dataset there is: declared in the modules beside this one, and found here by name."""

from typing import Final

from schemas.account_data import (
    ACCOUNT_ORDERS,
    ACCOUNT_TRADES,
    ACCOUNT_TRANSACTIONS,
    BALANCES,
    TRADING_FEES,
)
from schemas.declare import (
    COST,
    INGESTED_AT,
    PRICE,
    TEXT,
    TIME,
    Dataset,
    Period,
    need,
    schema,
)
from schemas.market_data import CANDLES, ORDER_BOOKS, PUBLIC_ORDERS, TICKERS, TRADES
from schemas.reference_data import CURRENCIES, CURRENCIES_HISTORY, MARKETS, MARKETS_HISTORY

__all__ = [
    "COST",
    "DATASETS",
    "INGESTED_AT",
    "PRICE",
    "TEXT",
    "TIME",
    "Dataset",
    "Period",
    "dataset",
]

_QUARANTINE = Dataset(
    name="quarantine",
    description="Rows that are malformed or cannot be represented exactly, as received.",
    schema=schema(
        "exchange dataset row_hash",
        need("reason"),
        need("payload"),
        need("observed_at", TIME),
    ),
    key=("exchange", "dataset", "row_hash"),
    partition=("exchange",),
    period=Period.ALL,
    time_column="observed_at",
    order=("observed_at", "row_hash"),
    replaces=False,
)

DATASETS: Final[dict[str, Dataset]] = {
    d.name: d
    for d in (
        TRADES,
        CANDLES,
        TICKERS,
        ORDER_BOOKS,
        PUBLIC_ORDERS,
        ACCOUNT_TRADES,
        ACCOUNT_TRANSACTIONS,
        ACCOUNT_ORDERS,
        BALANCES,
        TRADING_FEES,
        MARKETS,
        MARKETS_HISTORY,
        CURRENCIES,
        CURRENCIES_HISTORY,
        _QUARANTINE,
    )
}
"""Every dataset by name."""


def dataset(name: str) -> Dataset:
    """The declaration of ``name``. Raises ``KeyError`` for an unknown one."""
    return DATASETS[name]
