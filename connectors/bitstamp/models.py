"""Bitstamp's rows as they come, under the names that they come with.

Any field may be missing, null, text or number: parse.py decides. Numbers that are not integers
arrive as their text. Rows of an account's history and fills of an order have no fixed names: the
currencies are among them.
"""

from connectors.jsontext import row_type

PublicTrade = row_type("PublicTrade", "tid date price amount type")
"""``/transactions/<market>/``: ``type`` 0 is a taker's purchase, 1 a sale; ``date`` in seconds."""

Candle = row_type("Candle", "timestamp open high low close volume")
"""One of ``/ohlc/<market>/``; an interval without a trade has volume 0 and four equal prices."""

Ticker = row_type("Ticker", "timestamp last bid ask high low volume vwap percent_change_24")
"""``/ticker/<market>/``: ``volume`` is in base."""

Market = row_type(
    "Market",
    "market_symbol url_symbol name base_currency counter_currency base_decimals counter_decimals "
    "minimum_order_value minimum_order trading market_type",
)
"""``/markets/``; ``/trading-pairs-info/`` before it had ``url_symbol`` and ``minimum_order``."""

Currency = row_type("Currency", "currency name decimals deposit withdrawal")
"""One of ``/currencies/``."""

Balance = row_type("Balance", "currency available reserved")
"""One of ``/account_balances/``."""

Fees = row_type("Fees", "market currency_pair fees")
"""One of ``/fees/trading/``: rates in percent. Some rows have the ``market`` of another one."""
