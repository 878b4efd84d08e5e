"""Where things are on WEX, what is offered, and how often to ask.

Source: "Trade API v1" of WEX for ``/tapi``; public API v3 as its siblings of the BTC-e dialect
speak it. Neither documents a rate limit: answers are cached for two seconds, and a sibling allows a
hundred calls a minute, so the calls here are few.
"""

from typing import Final

from connectors.base import Cursor, Offer

DEFAULT_BASE_URL: Final = "https://wex.link"

INFO: Final = "/api/3/info"
TRADES: Final = "/api/3/trades"
TICKER: Final = "/api/3/ticker"
TAPI: Final = "/tapi"

PUBLIC_PER_SECOND: Final = 5.0
"""Per IP address; our own choice."""
PRIVATE_PER_SECOND: Final = 2.0
"""Per account; our own choice."""
MAX_TRADES: Final = 5000
MAX_HISTORY: Final = 1000

OFFERS: Final = {
    "trades": Offer(Cursor.LATEST, max_rows=MAX_TRADES),
    "candles": Offer(Cursor.DERIVED),
    "tickers": Offer(Cursor.SNAPSHOT, max_rows=30, batch=30),
    "account_trades": Offer(Cursor.ID, max_rows=MAX_HISTORY),
    "account_transactions": Offer(Cursor.ID, max_rows=MAX_HISTORY),
}


def symbol_of(native: str) -> str:
    """``btc_usd`` as Tidemark writes it: ``BTC-USD``."""
    return native.upper().replace("_", "-")


def native_of(symbol: str) -> str:
    """``BTC-USD`` as WEX writes it: ``btc_usd``."""
    return symbol.lower().replace("-", "_")
