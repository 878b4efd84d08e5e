"""Coinbase Exchange's endpoints in one table: dataset, paging, request, parser.

Source: the exchange's REST documentation; what clients and recorded answers add is said where it
counts. Cursors are exclusive and named by their place in lists that begin with the newest row:
``after`` asks for older rows than it names, ``before`` for newer ones.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qs, quote, unquote

from connectors.base import EACH, Bounds, Cursor, Key, Paging, ReadOnlyKey
from connectors.coinbase import auth, parse
from connectors.dialect import Asked, Dialect, Endpoint, public_clock
from connectors.errors import AuthError, ExchangeError, RateLimitedError, RefusedError, RequestError
from connectors.http import Request, Response, get
from connectors.names import IN_PATH
from connectors.pace import Allowance
from schemas import timeframe_us

READS: Final = (
    "GET /(products|currencies|time|accounts|fills|orders|transfers|fees)",
    f"GET /products/{IN_PATH}/(trades|candles|ticker|book)",
    f"GET /accounts/{IN_PATH}/ledger",
)
MAX_ROWS: Final = 1000
MAX_CANDLES: Final = 300
MAX_SPAN: Final = MAX_CANDLES - 1
"""Steps from the first to the last candle asked for: both ends are inclusive."""
MAX_ORDERS: Final = 100  # documented for transfers; the default of orders
TIMEFRAMES: Final = ("1m", "5m", "15m", "1h", "6h", "1d")
_FIRST: Final = "2012-01-01T00:00:00Z"
"""Before the exchange began."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _product(asked: Asked, name: str, query: Mapping[str, str] | None = None) -> Request:
    return get(f"/products/{quote(asked.natives[0], safe='')}/{name}", query)


def _private(path: str, query: Mapping[str, str] | None = None, cost: float = 1.0) -> Request:
    return get(path, query, private=True, cost=cost)


def _markets_of(request: Request) -> list[str]:
    query = parse_qs(request.query)
    if "product_id" in query:
        return query["product_id"]
    _, _, rest = request.path.partition("/products/")
    return [unquote(rest.partition("/")[0])] if rest else []


def _bounds(low: int | None, high: int | None, limit: int) -> dict[str, str]:
    """The cursors between which the ids from ``low`` to ``high`` lie."""
    query = {"limit": str(limit)}
    if low is not None and low > 0:
        query["before"] = str(low - 1)
    if high is not None:
        query["after"] = str(high + 1)
    return query


def _trades(asked: Asked) -> Request:
    """Never ``before`` alone: of the rows above it, answers may show the newest or the oldest.

    Ids have no holes, so that a bracket of ``limit`` ids has room for all that there are.
    """
    window = asked.window
    low, high, limit = window.lower, window.upper, min(window.limit, MAX_ROWS)
    if low is not None:
        low = max(low, 0)
        if high is None:
            high = low + limit - 1
        low = max(low, high - limit + 1)
    return _product(asked, "trades", _bounds(low, high, limit))


def _fills(asked: Asked) -> Request:
    window = asked.window
    bounds = _bounds(window.lower, window.upper, min(window.limit, MAX_ROWS))
    # ten of the fifteen calls a second may be for fills
    return _private("/fills", {"product_id": asked.natives[0], **bounds}, cost=1.5)


def _iso(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=max(us, 0))


def _candles(asked: Asked) -> Request:
    """Both bounds or none: of a single one the exchange takes no notice.

    They are rounded inwards to whole seconds, on which all candles open, and name no more candles
    than an answer holds.
    """
    step = timeframe_us(asked.timeframe)
    low, high = asked.window.lower, asked.window.upper
    query = {"granularity": str(step // 1_000_000)}
    if low is not None or high is not None:
        span = MAX_SPAN * step
        if high is None:
            high = (low or 0) + span
        low = max(high - span, 0 if low is None else low)
        first, last = -(-low // 1_000_000), high // 1_000_000
        for name, second in (("start", first), ("end", max(first, last))):
            query[name] = _iso(second * 1_000_000).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _product(asked, "candles", query)


def _orders(asked: Asked) -> Request:
    """All states: without being asked, only open orders are shown."""
    window = asked.window
    query = {"status": "all", "sortedBy": "created_at", "sorting": "desc"}
    query["limit"] = str(min(window.limit, MAX_ORDERS))
    for name, us in (("start_date", window.lower), ("end_date", window.upper)):
        if us is not None:
            query[name] = _iso(us).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return _private("/orders", query)


def _cursor(us: int) -> str:
    """A moment as rows of transfers have it: ``2022-12-21 00:48:45.4775+00``."""
    whole, fraction = _iso(us).strftime("%Y-%m-%d %H:%M:%S.%f").split(".")
    digits = fraction.rstrip("0")
    return f"{whole}.{digits}+00" if digits else f"{whole}+00"


def _transfers(asked: Asked) -> Request:
    window = asked.window
    query = {"limit": str(min(window.limit, MAX_ORDERS))}
    for name, us in (("before", window.lower), ("after", window.upper)):
        if us is not None:
            query[name] = _cursor(us)
    asks = _private("/transfers", query)
    return replace(asks, query=asks.query.replace("+", "%20"))


def _ledger(asked: Asked) -> Request:
    """Of one currency, from the beginning on: without dates, only the last day is shown."""
    accounts = asked.names.codes.aliases.items()
    account = next((name for name, code in accounts if code == asked.symbol), None)
    if account is None:
        raise RequestError(f"coinbase: the profile has no account of {asked.symbol}")
    query = {
        "start_date": _FIRST,
        "end_date": _iso(asked.now).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "limit": str(MAX_ROWS),
    }
    query |= {"after": asked.token} if asked.token else {}
    return _private(f"/accounts/{quote(account, safe='')}/ledger", query)


ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "trades": Endpoint(
        Paging(Cursor.ID, max_rows=MAX_ROWS, dense=True, cache_us=1_000_000),
        _trades,
        lambda body, about: parse.trades(body, about.symbol),
    ),
    "candles": Endpoint(
        Paging(
            Cursor.TIME,
            key=Key.TIME,
            max_rows=MAX_CANDLES,
            max_span_steps=MAX_SPAN,
            timeframes=TIMEFRAMES,
        ),
        _candles,
        lambda body, about: parse.candles(body, about.symbol, about.timeframe, about.server_time),
    ),
    "tickers": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=1),
        lambda asked: _product(asked, "ticker"),
        lambda body, about: parse.ticker(body, about.symbol, about.at),
    ),
    "order_books": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=parse.MAX_LEVELS),
        lambda asked: _product(asked, "book", {"level": "2"}),
        lambda body, about: parse.order_book(body, about.symbol, about.at),
    ),
    "markets": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0),
        lambda asked: get("/products"),
        lambda body, about: parse.products(body, about.at, about.names),
    ),
    "currencies": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0),
        lambda asked: get("/currencies"),
        lambda body, about: parse.currencies(body, about.at, about.names.codes),
    ),
    "account_trades": Endpoint(
        # The ids are those of the public trades, so that most are missing here.
        Paging(Cursor.ID, max_rows=MAX_ROWS, bounds=Bounds.UPPER, per_market=True),
        _fills,
        lambda body, about: parse.fills(body, *about.market, about.names.codes),
    ),
    "account_orders": Endpoint(
        Paging(Cursor.TIME, key=Key.TEXT, max_rows=MAX_ORDERS, drops_canceled=True),
        _orders,
        lambda body, about: parse.orders(body, about.names),
    ),
    "account_transactions": Endpoint(
        Paging(Cursor.TIME, key=Key.TEXT, max_rows=MAX_ORDERS, bounds=Bounds.UPPER),
        _transfers,
        lambda body, about: parse.transfers(body, about.names.codes),
        parts={
            # Entries of the ledger that neither transfers nor fills repeat.
            EACH: Endpoint(
                Paging(Cursor.PAGES, key=Key.TEXT, max_rows=MAX_ROWS, appends=True),
                _ledger,
                lambda body, about: parse.ledger(body, about.query, about.symbol),
            )
        },
    ),
    "balances": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0),
        lambda asked: _private("/accounts"),
        lambda body, about: parse.balances(body, about.at, about.names.codes),
    ),
    "trading_fees": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0),
        lambda asked: _private("/fees"),
        lambda body, about: parse.fees(body, about.at),
    ),
}

_MEANINGS: Final[tuple[tuple[str, type[ExchangeError]], ...]] = (
    (r"rate limit", RateLimitedError),
    (r"api key|signature|passphrase|request timestamp", AuthError),
)


def _refusal(response: Response) -> type[ExchangeError] | None:
    """What the text of an error means where the status alone does not say it.

    With status 200 it is a fault of the moment, as of an exchange under maintenance.
    """
    if response.status not in (200, 400, 403):
        return None
    text = parse.message(response.json)
    if text is None:
        return None
    for pattern, error in _MEANINGS:
        if re.search(pattern, text, re.IGNORECASE):
            return error
    return RefusedError if response.status == 200 else None


def _content(response: Response) -> bytes:
    """What parsers read: the body, without candles from before ``start``, which may come along."""
    start = parse_qs(response.request.query).get("start")
    if start is None:
        return response.json
    return parse.without_surplus(response.json, int(datetime.fromisoformat(start[0]).timestamp()))


def _is_late(response: Response) -> bool:
    """Whether the time of a call was too far from the exchange's own."""
    text = parse.message(response.json) if response.status in (400, 401, 403) else None
    return text is not None and "timestamp" in text.lower()


DIALECT: Final = Dialect(
    name="coinbase",
    base_url="https://api.exchange.coinbase.com",
    endpoints=ENDPOINTS,
    reads=READS,
    limits={
        # documented: 10 and 15 a second, with bursts of up to 15 and 30
        "public": Allowance(10, burst=4),
        "private": Allowance(15, burst=14, per_account=True),
    },
    sign=auth.sign,
    spelling=parse.SPELLING,
    markets_of=_markets_of,
    freshness=public_clock("coinbase", "/time", "epoch", _is_late),
    refusal=_refusal,
    content=_content,
    key=ReadOnlyKey("view", "in the API settings of your profile at Coinbase Exchange, tick View"),
    has_passphrase=True,
)
