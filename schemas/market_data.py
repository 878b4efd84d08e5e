"""The datasets of markets: trades, candles, tickers, order books, everybody's orders."""

from typing import Final

import pyarrow as pa

from schemas.declare import COST, PRICE, TIME, Dataset, Period, may, need, schema

TRADES = Dataset(
    name="trades",
    description="Public trades, one row each; side is the taker's, amount in base currency.",
    schema=schema(
        "exchange symbol trade_id",
        need("timestamp", TIME),
        need("side"),
        need("price", PRICE),
        need("amount", PRICE),
        may("cost", COST),
    ),
    key=("exchange", "symbol", "trade_id"),
    partition=("exchange", "symbol"),
    period=Period.DAY,
    time_column="timestamp",
    order=("timestamp", "trade_id"),
    replaces=False,
    id_column="trade_id",
    computed=("cost",),
)

CANDLES = Dataset(
    name="candles",
    description="OHLCV; timestamp is the opening time, volume in base currency.",
    schema=schema(
        "exchange symbol timeframe timestamp",
        *(need(name, PRICE) for name in ("open", "high", "low", "close", "volume")),
        need("is_final", pa.bool_()),
    ),
    key=("exchange", "symbol", "timeframe", "timestamp"),
    partition=("exchange", "symbol"),
    period=Period.MONTH,
    time_column="timestamp",
    order=("timestamp",),
    replaces=True,
    stream_columns=("timeframe",),
)

TICKERS = Dataset(
    name="tickers",
    description="Ticker snapshots as observed; bid and ask are the best of the book.",
    schema=schema(
        "exchange symbol observed_at",
        need("timestamp", TIME),
        *(
            may(name)
            for name in (
                *("last", "bid", "ask", "high", "low", "base_volume", "quote_volume"),
                *("change_percent", "average"),
            )
        ),
    ),
    key=("exchange", "symbol", "observed_at"),
    partition=("exchange", "symbol"),
    period=Period.MONTH,
    time_column="observed_at",
    order=("observed_at",),
    replaces=True,
    snapshot=True,
)

ORDER_BOOKS = Dataset(
    name="order_books",
    description="Order books as observed, all levels that the exchange gives; level 0 is the best.",
    schema=schema(
        "exchange symbol observed_at side level", need("price", PRICE), need("amount", PRICE)
    ),
    key=("exchange", "symbol", "observed_at", "side", "level"),
    partition=("exchange", "symbol"),
    period=Period.DAY,
    time_column="observed_at",
    order=("observed_at", "side", "level"),
    replaces=True,
    snapshot=True,
)

ORDER_COLUMNS: Final = (
    need("timestamp", TIME),
    need("side"),
    need("type"),
    need("price", PRICE),
    need("amount", PRICE),
    need("remaining", PRICE),
    need("status"),
    may("filled"),
    may("cost", COST),
    may("average"),
)
"""What every order has; ``remaining`` is what is still open: 0 once it is closed or canceled."""

PUBLIC_ORDERS = Dataset(
    name="public_orders",
    description="Everybody's orders, the newest state of each; amounts in base currency.",
    schema=schema("exchange symbol order_id", *ORDER_COLUMNS, may("closed_at", TIME)),
    key=("exchange", "symbol", "order_id"),
    partition=("exchange", "symbol"),
    period=Period.DAY,
    time_column="timestamp",
    order=("timestamp", "order_id"),
    replaces=True,
    id_column="order_id",
)
