"""Coinbase's rows as they come, under the names that they come with.

Any field may be missing, null, text or number: parse.py decides. Numbers that are not integers
arrive as their text (see :func:`connectors.jsontext.decode`).
"""

from connectors.jsontext import row_type

PublicTrade = row_type("PublicTrade", "time trade_id price size side")
"""``/products/<id>/trades``: ``side`` is the MAKER's; the answer does not name the market."""

Candle = row_type("Candle", "time low high open close volume", array_like=True)
"""``/products/<id>/candles``: low before high, open third; the time is in seconds."""

Ticker = row_type("Ticker", "time price bid ask volume")
"""``/products/<id>/ticker``: ``time`` is that of the last trade."""

Product = row_type(
    "Product",
    "id base_currency quote_currency quote_increment base_increment base_min_size base_max_size "
    "min_market_funds status trading_disabled",
)
"""``/products``: increments are the steps of price and amount."""

Currency = row_type("Currency", "id name min_size max_precision status")
"""``/currencies``: ``max_precision`` and ``min_size`` are steps."""

Fill = row_type(
    "Fill",
    "trade_id product_id order_id created_at side price size fee liquidity settled",
)
"""``/fills``: ``side`` is the account's own; ``trade_id`` is that of the public trade."""

Order = row_type(
    "Order",
    "id product_id created_at side type price size filled_size executed_value fill_fees status "
    "done_at done_reason",
)
"""``/orders``: a market order has no ``price``, and no ``size`` where it named funds."""

Transfer = row_type(
    "Transfer",
    "id type created_at amount currency details completed_at canceled_at processed_at",
)
"""``/transfers``: ``details`` differs by kind; three times say how far it has come."""

Entry = row_type("Entry", "id created_at amount type details")
"""``/accounts/<id>/ledger``: one change of one currency; ``amount`` is signed."""

Account = row_type("Account", "id currency available hold")
"""``/accounts``: one currency of the key's profile."""

Fees = row_type("Fees", "maker_fee_rate taker_fee_rate")
"""``/fees``: one pair of rates for all markets."""

Refusal = row_type("Refusal", "message")
"""Every error, whatever its status."""
