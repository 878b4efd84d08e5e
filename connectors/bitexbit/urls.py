"""Where things are on BitexBit, what is offered, and the documented limits.

Source: "API Docs v2" of BitexBit; ``/private/transfers`` stands in a later version of it only.
"""

from typing import Final

from connectors.base import Cursor, Key, Paging

DEFAULT_BASE_URL: Final = "https://bitexbit.com"

ROOT: Final = "/api/v2"
PAIRS: Final = f"{ROOT}/public/pairs"
CURRENCIES: Final = f"{ROOT}/public/currencies"
CURRENCY: Final = f"{ROOT}/public/currency"
DEPTH: Final = f"{ROOT}/public/depth"
ORDERS: Final = f"{ROOT}/public/orders"
TRADES: Final = f"{ROOT}/public/trades"
CANDLES: Final = f"{ROOT}/public/ohlcv"
TICKERS: Final = f"{ROOT}/public/tickers"
ACCOUNT_TRADES: Final = f"{ROOT}/private/trades"
ACCOUNT_ORDERS: Final = f"{ROOT}/private/orders"
BALANCE: Final = f"{ROOT}/private/balance"
TRADING_FEES: Final = f"{ROOT}/private/trading-fees"
TRANSFERS: Final = f"{ROOT}/private/transfers"

PUBLIC_PER_SECOND: Final = 100.0
"""Per IP address."""
PRIVATE_PER_SECOND: Final = 2.0
"""Per account."""
MAX_ROWS: Final = 1000
MAX_LEVELS: Final = 50
"""Of either side of an order book."""

TIMEFRAMES: Final = {"5m": "5", "15m": "15", "30m": "30", "1h": "60", "4h": "240", "1d": "D"}

OFFERS: Final = {
    "trades": Paging(Cursor.ID, max_rows=MAX_ROWS),
    # Row dates are milliseconds, the candles of the example are seconds: nobody knows the bounds'.
    "candles": Paging(Cursor.TIME, key=Key.TIME, max_rows=MAX_ROWS, units=("ms", "s")),
    "tickers": Paging(Cursor.SNAPSHOT, max_rows=5, batch=5),
    "order_books": Paging(Cursor.SNAPSHOT, max_rows=2 * MAX_LEVELS),
    "public_orders": Paging(Cursor.ID, max_rows=MAX_ROWS),
    "markets": Paging(Cursor.SNAPSHOT, batch=0, details=True),
    "currencies": Paging(Cursor.SNAPSHOT, batch=0, details=True),
    "account_trades": Paging(Cursor.ID, max_rows=MAX_ROWS),
    "account_transactions": Paging(Cursor.PAGES, key=Key.TEXT),
    "account_orders": Paging(Cursor.ID, max_rows=MAX_ROWS),
    "balances": Paging(Cursor.SNAPSHOT, batch=0),
    "trading_fees": Paging(Cursor.SNAPSHOT, batch=0),
}


def symbol_of(native: str) -> str:
    """``BTC_USD`` as Tidemark writes it: ``BTC-USD``."""
    return native.upper().replace("_", "-")


def native_of(symbol: str) -> str:
    """``BTC-USD`` as BitexBit writes it: ``BTC_USD``."""
    return symbol.upper().replace("-", "_")
