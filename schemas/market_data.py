"""The datasets of markets: trades, candles, tickers, order books, public orders."""

from typing import Final

import pyarrow as pa

from schemas.declare import (
    COST,
    EXCHANGE,
    INGESTED_AT,
    OBSERVED_AT,
    ORDER_ID,
    PRICE,
    SIDES,
    SYMBOL,
    TEXT,
    TIME,
    TIMESTAMP,
    TRADE_AMOUNT,
    TRADE_COST,
    TRADE_ID,
    TRADE_PRICE,
    WIDE,
    Dataset,
    Period,
    nullable,
    required,
)
from schemas.timeframes import TIMEFRAMES

TRADES = Dataset(
    name="trades",
    description="Public trades, one row each; side is the taker's, amount in base currency.",
    columns=(
        EXCHANGE,
        SYMBOL,
        TRADE_ID,
        TIMESTAMP,
        required("side", "buy or sell: the taker's.", values=SIDES),
        TRADE_PRICE,
        TRADE_AMOUNT,
        TRADE_COST,
        INGESTED_AT,
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

REFERENCE_TRADES = Dataset(
    name="reference_trades",
    description="Trades out of imported files that have no ids, or other ids than the exchange's: "
    "to compare with, never added to trades. Equal rows of a file are distinct trades.",
    columns=(
        EXCHANGE,
        SYMBOL,
        required("source", "First 16 digits of the SHA-256 of what the file holds."),
        required("row_number", "Line or row of the file, counted from 1.", pa.int64()),
        TIMESTAMP,
        nullable("reference_id", "The file's id of the row, of an aggregate of trades.", TEXT),
        nullable(
            "side", "buy or sell: the taker's; null where the file does not say.", TEXT, SIDES
        ),
        TRADE_PRICE,
        TRADE_AMOUNT,
        TRADE_COST,
        INGESTED_AT,
    ),
    key=("exchange", "symbol", "source", "row_number"),
    partition=("exchange", "symbol"),
    period=Period.DAY,
    time_column="timestamp",
    order=("timestamp", "source", "row_number"),
    replaces=False,
    keeps_time=True,
    computed=("cost",),
)

CANDLES = Dataset(
    name="candles",
    description="OHLCV; timestamp is the opening time, volume in base currency.",
    columns=(
        EXCHANGE,
        SYMBOL,
        required("timeframe", f"Length of the interval: {' '.join(TIMEFRAMES)}."),
        required("timestamp", "Opening time (UTC).", TIME),
        required("open", "Price of the first trade, in quote currency.", PRICE),
        required("high", "Highest price.", PRICE),
        required("low", "Lowest price.", PRICE),
        required("close", "Price of the last trade.", PRICE),
        required("volume", "Sum of amounts, in base currency.", PRICE),
        required(
            "is_final",
            "Whether the interval had ended, by the exchange's clock, when it was read.",
            pa.bool_(),
        ),
        INGESTED_AT,
    ),
    key=("exchange", "symbol", "timeframe", "timestamp"),
    partition=("exchange", "symbol"),
    period=Period.MONTH,
    time_column="timestamp",
    order=("timestamp",),
    replaces=True,
    stream_columns=("timeframe",),
)

SNAPSHOT_ROWS: Final = 16 * 1024
"""Of a file of many markets: each answer is added to the last one, which is written again."""

TICKERS = Dataset(
    name="tickers",
    description="Ticker snapshots as observed; bid and ask are the best of the book.",
    columns=(
        EXCHANGE,
        SYMBOL,
        OBSERVED_AT,
        required("timestamp", "The exchange's time of the ticker (UTC).", TIME),
        nullable("last", "Price of the last trade."),
        nullable("bid", "Best bid."),
        nullable("ask", "Best ask."),
        nullable("high", "Highest price of the last 24 hours."),
        nullable("low", "Lowest price of the last 24 hours."),
        nullable("base_volume", "Volume of the last 24 hours, in base currency.", WIDE),
        nullable("quote_volume", "Volume of the last 24 hours, in quote currency.", WIDE),
        nullable("change_percent", "Change of the price in 24 hours, in per cent."),
        nullable("average", "Average price of the last 24 hours, as the exchange gives it.", WIDE),
        INGESTED_AT,
    ),
    key=("exchange", "symbol", "observed_at"),
    partition=("exchange",),
    period=Period.DAY,
    time_column="observed_at",
    order=("observed_at", "symbol"),
    replaces=True,
    snapshot=True,
    segment_rows=SNAPSHOT_ROWS,
)

ORDER_BOOKS = Dataset(
    name="order_books",
    description="Order books as observed, all levels that the exchange gives; level 0 is the best.",
    columns=(
        EXCHANGE,
        SYMBOL,
        OBSERVED_AT,
        required("side", "bid or ask.", values=("bid", "ask")),
        required("level", "0 is the best price of the side.", pa.int32()),
        TRADE_PRICE,
        required("amount", "Offered at this price, in base currency.", PRICE),
        INGESTED_AT,
    ),
    key=("exchange", "symbol", "observed_at", "side", "level"),
    partition=("exchange",),
    period=Period.DAY,
    time_column="observed_at",
    order=("observed_at", "symbol", "side", "level"),
    replaces=True,
    snapshot=True,
    segment_rows=SNAPSHOT_ROWS,
)

ORDER_COLUMNS: Final = (
    required("timestamp", "When the order was placed (UTC, microseconds).", TIME),
    required("side", "buy or sell.", values=SIDES),
    required("type", "limit or market.", values=("limit", "market")),
    required("price", "Limit, in quote currency for one unit of base currency.", PRICE),
    required("amount", "As ordered, in base currency.", PRICE),
    required("remaining", "Still open, in base currency; 0 once closed or canceled.", PRICE),
    required("status", "open, closed (filled) or canceled.", values=("open", "closed", "canceled")),
    nullable(
        "filled",
        "Filled so far, in base currency, 0 if nothing; null where the exchange does not say.",
    ),
    nullable("cost", "Paid or received so far, in quote currency; null where unknown.", COST),
    nullable("average", "Average price of what is filled; null where unknown."),
)
"""Columns of every order, public or own."""
CLOSED_AT: Final = nullable(
    "closed_at", "When it was filled or canceled (UTC); null while open or unknown.", TIME
)

PUBLIC_ORDERS = Dataset(
    name="public_orders",
    description="The orders of all accounts, the newest state of each; amounts in base currency.",
    columns=(EXCHANGE, SYMBOL, ORDER_ID, *ORDER_COLUMNS, CLOSED_AT, INGESTED_AT),
    key=("exchange", "symbol", "order_id"),
    partition=("exchange", "symbol"),
    period=Period.DAY,
    time_column="timestamp",
    order=("timestamp", "order_id"),
    replaces=True,
    id_column="order_id",
)
