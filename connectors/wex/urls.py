"""Where things are on WEX, what is offered, and how often to ask.

Source: "Trade API v1" of WEX for ``/tapi``; public API v3 as its siblings of the BTC-e dialect
speak it. Neither documents a rate limit: answers are cached for two seconds, and a sibling allows a
hundred calls a minute, so the calls here are few.
"""

from typing import Final

from connectors.base import Cursor, Paging

DEFAULT_BASE_URL: Final = "https://wex.link"

INFO: Final = "/api/3/info"
TRADES: Final = "/api/3/trades"
TICKER: Final = "/api/3/ticker"
DEPTH: Final = "/api/3/depth"
TAPI: Final = "/tapi"

PUBLIC_PER_SECOND: Final = 5.0
"""Per IP address; our own choice."""
PRIVATE_PER_SECOND: Final = 2.0
"""Per account; our own choice."""
MAX_TRADES: Final = 5000
MAX_LEVELS: Final = 5000
"""Of either side of an order book."""
MAX_HISTORY: Final = 1000
CACHE_US: Final = 3_000_000
"""Public answers come from a cache of 2 s, which may be filled a little late."""

OFFERS: Final = {
    "trades": Paging(Cursor.NEWEST, max_rows=MAX_TRADES, cache_us=CACHE_US),
    "candles": Paging(Cursor.DERIVED),
    "tickers": Paging(Cursor.SNAPSHOT, max_rows=30, batch=30),
    "order_books": Paging(Cursor.SNAPSHOT, max_rows=20 * MAX_LEVELS, batch=10),
    "markets": Paging(Cursor.SNAPSHOT, batch=0),
    "account_trades": Paging(Cursor.ID, max_rows=MAX_HISTORY),
    "account_transactions": Paging(Cursor.ID, max_rows=MAX_HISTORY),
    # The open ones in a list, all others by their id alone.
    "account_orders": Paging(Cursor.LOOKUP, max_rows=1),
    "balances": Paging(Cursor.SNAPSHOT, batch=0),
}


def symbol_of(native: str) -> str:
    """``btc_usd`` as Tidemark writes it: ``BTC-USD``."""
    return native.upper().replace("_", "-")


def native_of(symbol: str) -> str:
    """``BTC-USD`` as WEX writes it: ``btc_usd``."""
    return symbol.lower().replace("-", "_")
