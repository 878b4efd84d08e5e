"""All datasets by name; the modules beside this one declare them."""

from typing import Final

import pyarrow as pa

from schemas.account_data import (
    ACCOUNT_ORDERS,
    ACCOUNT_TRADES,
    ACCOUNT_TRANSACTIONS,
    BALANCES,
    TRADING_FEES,
)
from schemas.declare import EXCHANGE, INGESTED_AT, TIME, Dataset, Period, Table, required
from schemas.market_data import (
    CANDLES,
    ORDER_BOOKS,
    PUBLIC_ORDERS,
    REFERENCE_TRADES,
    TICKERS,
    TRADES,
)
from schemas.reference_data import CURRENCIES, CURRENCIES_HISTORY, MARKETS, MARKETS_HISTORY

_QUARANTINE = Dataset(
    name="quarantine",
    description="Rows that are malformed or cannot be represented exactly, as received.",
    columns=(
        EXCHANGE,
        required("dataset", "The dataset that the row was meant for."),
        required("row_hash", "Hash of the row as received: the same row is kept once."),
        required("reason", "Why it was not stored there."),
        required("payload", "The row as received."),
        required("observed_at", "When it was received (UTC, microseconds).", TIME),
        INGESTED_AT,
    ),
    key=("exchange", "dataset", "row_hash"),
    partition=("exchange",),
    period=Period.ALL,
    time_column="observed_at",
    order=("observed_at", "row_hash"),
    replaces=False,
)

COVERAGE: Final = Table(
    name="coverage",
    description="The complete, missing and lost stretches of every stream, as recorded when this "
    "version was published.",
    columns=(
        EXCHANGE,
        required("dataset", "The dataset of the stream."),
        required("stream", "Symbol or account, with :timeframe for candles (BTC-USD:5m)."),
        required(
            "lower",
            "First id of the span, or its beginning in microseconds since 1970 UTC.",
            pa.int64(),
        ),
        required(
            "upper",
            "Last id of the span (inclusive), or its end in microseconds (exclusive).",
            pa.int64(),
        ),
        required("unit", "id or time: what lower and upper count.", values=("id", "time")),
        required(
            "state",
            "complete (proved), gap (wanted, not yet fetched), lost (requested for over a day and "
            "not shown, or older than the newest rows that the exchange shows).",
            values=("complete", "gap", "lost"),
        ),
        required(
            "ingested_at",
            "When this coverage of the stream was recorded (UTC, microseconds).",
            TIME,
        ),
    ),
)
"""The only table of DuckDB that is not a dataset: it is published from the metastore."""

DATASETS: Final[dict[str, Dataset]] = {
    d.name: d
    for d in (
        TRADES,
        REFERENCE_TRADES,
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
TABLES: Final[dict[str, Table]] = {**DATASETS, COVERAGE.name: COVERAGE}
"""Every table of the DuckDB file by name."""


def dataset(name: str) -> Dataset:
    """The declaration of ``name``. Raises ``KeyError`` for an unknown one."""
    return DATASETS[name]
