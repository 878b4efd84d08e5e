"""What every column means: shown in DuckDB, in Dagster and in ``docs/data-dictionary.md``.

Kept apart from the Arrow schemas, so that no file of the lake carries these words.
"""

from collections.abc import Mapping
from typing import Final

_EVERYWHERE: Final[Mapping[str, str]] = {
    "exchange": "The exchange the row is from: bitexbit, wex.",
    "symbol": "Market, BASE-QUOTE in upper case.",
    "account": "Label of the account, main if there is one only.",
    "timestamp": "When it happened (UTC, microseconds), by the exchange's clock.",
    "observed_at": "When it was observed (UTC, microseconds).",
    "ingested_at": "When the row was stored (UTC, microseconds).",
    "trade_id": "The exchange's number of the trade, as text; compare as BIGINT.",
    "order_id": "The exchange's number of the order, as text; compare as BIGINT.",
    "price": "Quote currency for one unit of base currency.",
    "amount": "In base currency, positive.",
    "cost": "price × amount in quote currency, exact; null where it does not fit.",
    "currency": "Currency, in upper case.",
    "native_symbol": "The exchange's own spelling of symbol.",
    "base": "Currency that amounts are in.",
    "quote": "Currency that prices are in.",
    "price_precision": "Decimals that a price may have.",
    "amount_precision": "Decimals that an amount may have.",
    "min_amount": "Least amount of an order, in base currency.",
    "max_amount": "Greatest amount of an order, in base currency.",
    "min_value": "Least value of an order, in quote currency.",
    "min_price": "Least price of an order, in quote currency.",
    "max_price": "Greatest price of an order, in quote currency.",
    "fee_rate": "Fee as a fraction: 0.002 is 0.2 %.",
    "active": "Whether it is listed and enabled.",
    "valid_from": "When the row was first seen so (UTC).",
    "valid_to": "When it was first seen otherwise (UTC); null: still so.",
}
_ORDER: Final[Mapping[str, str]] = {
    "timestamp": "When the order was placed (UTC, microseconds).",
    "side": "buy or sell.",
    "type": "limit or market.",
    "price": "Limit, in quote currency for one unit of base currency.",
    "amount": "As ordered, in base currency.",
    "remaining": "Still open, in base currency; 0 once closed or canceled.",
    "status": "open, closed (filled) or canceled.",
    "filled": "Filled so far, in base currency, 0 if nothing; null where the exchange is silent.",
    "cost": "Paid or received so far, in quote currency; null where unknown.",
    "average": "Average price of what is filled; null where unknown.",
    "fee_amount": "Fee so far; null where the exchange does not say.",
    "closed_at": "When it was filled or canceled (UTC); null while open or unknown.",
}
_IN: Final[Mapping[str, Mapping[str, str]]] = {
    "trades": {"side": "buy or sell: the taker's."},
    "candles": {
        "timeframe": "Length of the interval: 5m 15m 30m 1h 4h 1d.",
        "timestamp": "Opening time (UTC).",
        "open": "Price of the first trade, in quote currency.",
        "high": "Highest price.",
        "low": "Lowest price.",
        "close": "Price of the last trade.",
        "volume": "Sum of amounts, in base currency.",
        "is_final": "Whether the interval had ended, by the exchange's clock, when it was read.",
    },
    "tickers": {
        "timestamp": "The exchange's time of the ticker (UTC).",
        "last": "Price of the last trade.",
        "bid": "Best bid.",
        "ask": "Best ask.",
        "high": "Highest price of the last 24 hours.",
        "low": "Lowest price of the last 24 hours.",
        "base_volume": "Volume of the last 24 hours, in base currency.",
        "quote_volume": "Volume of the last 24 hours, in quote currency.",
        "change_percent": "Change of the price in 24 hours, in per cent.",
        "average": "Average price of the last 24 hours, as the exchange reckons it.",
    },
    "order_books": {
        "side": "bid or ask.",
        "level": "0 is the best price of the side.",
        "amount": "Offered at this price, in base currency.",
    },
    "public_orders": _ORDER,
    "account_orders": _ORDER,
    "account_trades": {
        "side": "buy or sell: the account's.",
        "order_id": "The account's own order; null where the exchange does not name it.",
        "taker_or_maker": "taker or maker; null where the exchange does not say.",
        "fee_amount": "Fee, in fee_currency; null where the exchange does not say.",
        "fee_currency": "Currency of fee_amount.",
    },
    "account_transactions": {
        "transaction_id": "The exchange's number of the transaction, as text.",
        "type": "deposit, withdrawal, credit or debit.",
        "amount": "In currency, positive.",
        "status": "failed, pending, ok or unconfirmed: the newest state.",
        "description": "The exchange's own words.",
    },
    "balances": {
        "available": "Free to use.",
        "reserved": "Held by open orders; null where the exchange does not say (WEX).",
    },
    "trading_fees": {
        "symbol": "Market, BASE-QUOTE; * is the rate of all that have none of their own.",
        "buy_fee_rate": "Fee of a buy as a fraction: 0.002 is 0.2 %.",
        "sell_fee_rate": "Fee of a sale as a fraction: 0.002 is 0.2 %.",
    },
    "currencies": {"name": "In words.", "precision": "Decimals that an amount may have."},
    "currencies_history": {"name": "In words.", "precision": "Decimals that an amount may have."},
    "quarantine": {
        "dataset": "The dataset that the row was meant for.",
        "row_hash": "Hash of the row as received: the same row is kept once.",
        "reason": "Why it was not stored there.",
        "payload": "The row as received.",
        "observed_at": "When it was received (UTC, microseconds).",
    },
    "coverage": {
        "ingested_at": "When the stream's coverage was recorded so (UTC, microseconds).",
        "dataset": "The dataset that the claim is about.",
        "stream": "Symbol or account, with :timeframe for candles (BTC-USD:5m).",
        "lower": "First id of the span, or its beginning in microseconds since 1970 UTC.",
        "upper": "Last id of the span (inclusive), or its end in microseconds (exclusive).",
        "unit": "id or time: what lower and upper count.",
        "state": "complete (proved), gap (wanted, not yet fetched), lost (can no longer be had).",
    },
}


def column_description(table: str, column: str) -> str:
    """What ``column`` of ``table`` means, with its unit. ``KeyError`` where nobody has said it."""
    return _IN.get(table, {}).get(column) or _EVERYWHERE[column]
