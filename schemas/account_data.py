"""The datasets of an account: its fills, transactions, orders, balances and fee rates."""

from schemas.declare import COST, PRICE, TEXT, TIME, Dataset, Period, may, need, schema
from schemas.market_data import ORDER_COLUMNS

ACCOUNT_TRADES = Dataset(
    name="account_trades",
    description="The account's own fills; side is the account's.",
    schema=schema(
        "exchange account symbol trade_id",
        need("timestamp", TIME),
        need("side"),
        need("price", PRICE),
        need("amount", PRICE),
        may("cost", COST),
        may("order_id", TEXT),
        may("taker_or_maker", TEXT),
        may("fee_amount"),
        may("fee_rate"),
        may("fee_currency", TEXT),
    ),
    key=("exchange", "account", "symbol", "trade_id"),
    partition=("exchange", "account"),
    period=Period.YEAR,
    time_column="timestamp",
    order=("timestamp", "trade_id"),
    replaces=True,
    id_column="trade_id",
    computed=("cost",),
)

ACCOUNT_TRANSACTIONS = Dataset(
    name="account_transactions",
    description="Deposits, withdrawals, credits and debits; the newest state of each.",
    schema=schema(
        "exchange account transaction_id",
        need("timestamp", TIME),
        need("type"),
        need("currency"),
        need("amount", PRICE),
        need("status"),
        need("description"),
    ),
    key=("exchange", "account", "transaction_id"),
    partition=("exchange", "account"),
    period=Period.YEAR,
    time_column="timestamp",
    order=("timestamp", "transaction_id"),
    replaces=True,
)

ACCOUNT_ORDERS = Dataset(
    name="account_orders",
    description="The account's own orders, the newest state of each; amounts in base currency.",
    schema=schema(
        "exchange account symbol order_id",
        *ORDER_COLUMNS,
        may("fee_amount"),
        may("closed_at", TIME),
    ),
    key=("exchange", "account", "symbol", "order_id"),
    partition=("exchange", "account"),
    period=Period.YEAR,
    time_column="timestamp",
    order=("timestamp", "order_id"),
    replaces=True,
    id_column="order_id",
)

BALANCES = Dataset(
    name="balances",
    description="The account's balances as observed, all currencies of an observation together; "
    "an observation that repeats the last is not stored.",
    schema=schema(
        "exchange account currency observed_at", need("available", PRICE), may("reserved")
    ),
    key=("exchange", "account", "currency", "observed_at"),
    partition=("exchange", "account"),
    period=Period.YEAR,
    time_column="observed_at",
    order=("observed_at", "currency"),
    replaces=True,
    snapshot=True,
)

TRADING_FEES = Dataset(
    name="trading_fees",
    description="The account's fee rates as fractions (0.002 = 0.2 %), from observed_at until the "
    "next observation; symbol * is the rate of all markets that have none of their own.",
    schema=schema(
        "exchange account symbol observed_at",
        need("buy_fee_rate", PRICE),
        need("sell_fee_rate", PRICE),
    ),
    key=("exchange", "account", "symbol", "observed_at"),
    partition=("exchange", "account"),
    period=Period.YEAR,
    time_column="observed_at",
    order=("observed_at", "symbol"),
    replaces=True,
    snapshot=True,
)
