"""Bitstamp's endpoints in one table: dataset, paging, request, parser.

Source: "Bitstamp HTTP API" (v2). Every call counts alike: 400 a second, and 8,000 to 10,000 (by the
age of the text) in ten minutes, of one client.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlencode

from connectors.base import Bounds, Cursor, Key, Page, Paging, ReadOnlyKey
from connectors.bitstamp import account, auth, parse, refusals
from connectors.dialect import Asked, Call, Dialect, Endpoint, ServerClock
from connectors.http import Request, get
from connectors.names import IN_PATH
from connectors.pace import Allowance
from schemas import timeframe_us

_API: Final = "/api/v2"
READS: Final = (
    f"GET {_API}/(markets|currencies)/",
    f"GET {_API}/(transactions|ohlc|ticker|order_book)/{IN_PATH}/",
    f"POST {_API}/(user_transactions|account_balances|fees/trading|open_orders/all|order_status)/",
)
MAX_ROWS: Final = 1000  # of candles, and of an account's history
_WINDOWS: Final = ((100, "minute"), (parse.MAX_TRADES - 1, "hour"))
"""The stretch of time that is asked for where so many trades are wanted at most; else a day."""
DAY_US: Final = 86_400_000_000
TIMEFRAMES: Final = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", "3d")
_OF_MARKET: Final = re.compile(rf"{_API}/(?:transactions|ohlc|ticker|order_book)/([^/]+)/")


def _markets_of(request: Request) -> list[str]:
    found = _OF_MARKET.fullmatch(request.path)
    return [unquote(found[1])] if found else []


def _of_market(name: str, asked: Asked, query: Mapping[str, str] | None = None) -> Request:
    return get(f"{_API}/{name}/{quote(asked.natives[0], safe='')}/", query)


def _private(name: str, form: Mapping[str, str] | None = None) -> Request:
    """Calls with and without a key are counted together."""
    text = urlencode(form or {})
    return Request("POST", f"{_API}/{name}/", form=text, private=True, bucket="public")


def _trades(asked: Asked) -> Request:
    """The last minute, hour or day: nothing else can be asked for."""
    limit = asked.window.limit
    stretch = next((name for most, name in _WINDOWS if limit <= most), "day")
    return _of_market("transactions", asked, {"time": stretch})


def _ohlc(asked: Asked, end: int | None, limit: int) -> Request:
    """The newest candles that open at ``end`` (microseconds) or before.

    ``start`` is never named: beside ``end`` it has no effect.
    """
    step = timeframe_us(asked.streams[0].timeframe or "") // 1_000_000
    query = {"step": str(step), "limit": str(limit)}
    if end is not None:
        query["end"] = str(max(end, 0) // 1_000_000)
    return _of_market("ohlc", asked, query)


def _candles(asked: Asked) -> Request:
    return _ohlc(asked, asked.window.upper, min(asked.window.limit, MAX_ROWS))


def _contested(asked: Asked, request: Request, page: Page, new: int) -> Request | None:
    """The candle that came twice, alone: then it is there once, and right."""
    twice = [r.position for r in page.rejected if r.reason == parse.TWICE and r.position]
    is_alone = parse_qs(request.query)["limit"] == ["1"]
    return None if is_alone or not twice else _ohlc(asked, twice[0], 1)


def _history(asked: Asked) -> Request:
    """A page of the whole account, oldest first. ``since_id=1`` gives it from the beginning on."""
    since, _, offset = (asked.token or account.FIRST).partition("+")
    form = {"sort": "asc", "since_id": since, "limit": str(MAX_ROWS), "offset": offset or "0"}
    return _private("user_transactions", form)


_NOW: Final = Paging(Cursor.SNAPSHOT, batch=0)
_HISTORY: Final = Paging(Cursor.PAGES, key=Key.TEXT, max_rows=MAX_ROWS, resumes=True)

ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "trades": Endpoint(
        Paging(Cursor.NEWEST, max_rows=parse.MAX_TRADES, max_span_us=DAY_US),
        _trades,
        lambda body, about: parse.trades(body, about.symbol),
    ),
    "candles": Endpoint(
        Paging(
            Cursor.TIME,
            key=Key.TIME,
            max_rows=MAX_ROWS,
            bounds=Bounds.UPPER,
            timeframes=TIMEFRAMES,
        ),
        _candles,
        lambda body, about: parse.candles(
            body, about.symbol, about.streams[0].timeframe or "", about.server_time
        ),
        following=_contested,
    ),
    "tickers": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=1),
        lambda asked: _of_market("ticker", asked),
        lambda body, about: parse.ticker(body, about.symbol, about.at),
    ),
    "order_books": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=parse.MAX_LEVELS),
        lambda asked: _of_market("order_book", asked, {"group": "1"}),
        lambda body, about: parse.order_book(body, about.symbol, about.at),
    ),
    "markets": Endpoint(
        _NOW,
        lambda asked: get(f"{_API}/markets/"),
        lambda body, about: parse.market_rows(body, about.at, about.names),
    ),
    "currencies": Endpoint(
        _NOW,
        lambda asked: get(f"{_API}/currencies/"),
        lambda body, about: parse.currency_rows(body, about.at, about.names.codes),
    ),
    "account_trades": Endpoint(
        _HISTORY,
        _history,
        lambda body, about: account.account_trades(body, about.query, about.names),
    ),
    "account_transactions": Endpoint(
        _HISTORY,
        _history,
        lambda body, about: account.account_transactions(body, about.query, about.names.codes),
    ),
    "account_orders": Endpoint(
        Paging(Cursor.LOOKUP, max_rows=1, cache_us=10_000_000),  # documented of the open orders
        lambda asked: _private("order_status", {"id": str(asked.row_id)}),
        lambda body, about: account.order(body, about.names),
        open_rows=Call(
            lambda asked: _private("open_orders/all"),
            lambda body, about: account.open_orders(body),
        ),
    ),
    "balances": Endpoint(
        _NOW,
        lambda asked: _private("account_balances"),
        lambda body, about: account.balances(body, about.at, about.names.codes),
    ),
    "trading_fees": Endpoint(
        _NOW,
        lambda asked: _private("fees/trading"),
        lambda body, about: account.trading_fees(body, about.at, about.names),
    ),
}

DIALECT: Final = Dialect(
    name="bitstamp",
    base_url="https://www.bitstamp.net",
    endpoints=ENDPOINTS,
    reads=READS,
    limits={"public": Allowance(13, burst=100)},
    sign=auth.sign,
    spelling=parse.SPELLING,
    markets_of=_markets_of,
    freshness=ServerClock(None, refusals.is_not_fresh),
    refusal=refusals.refusal,
    content=parse.content,
    key=ReadOnlyKey(
        "read",
        "in Bitstamp's settings, section API access, with Account balance, User transactions, "
        "Open orders and Order status ticked, and nothing else",
    ),
)
