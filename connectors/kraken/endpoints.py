"""Kraken's endpoints in one table: dataset, paging, request, parser.

Source: "Spot REST API" of Kraken. Public calls are counted by address, about one a second. A key
has a counter: calls of histories add 2, others 1, and it falls by 0.33 a second from 15 at most
(the lowest of three tiers).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs, urlencode

from connectors.base import Bounds, Cursor, Key, Page, Paging, ReadOnlyKey
from connectors.dialect import Answered, Asked, Dialect, Endpoint, NonceRule
from connectors.http import Request, get
from connectors.kraken import account, auth, parse, refusals
from connectors.kraken.names import SPELLING
from connectors.pace import Allowance
from connectors.rows import Built

READS: Final = (
    "GET /0/public/(AssetPairs|Assets|Trades|OHLC|Ticker|Depth)",
    "POST /0/private/(BalanceEx|TradesHistory|OpenOrders|ClosedOrders|Ledgers|TradeVolume"
    "|DepositStatus|WithdrawStatus)",
)
MAX_TRADES: Final = 1000
MAX_LEVELS: Final = 500  # of either side of an order book
BATCH: Final = 50  # markets of one call of Ticker; documented is no limit but that of a URL
TIMEFRAMES: Final = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240, "1d": 1440}
"""Minutes. Kraken's week does not begin on a Monday: 1w is built from trades, like all others."""
_TRANSFERS: Final = ("/0/private/DepositStatus", "/0/private/WithdrawStatus")


def _markets_of(request: Request) -> list[str]:
    pairs = parse_qs(request.query or request.form).get("pair", [""])[0]
    return pairs.split(",") if pairs else []


def _public(name: str, asked: Asked, **more: int) -> Request:
    query = {"pair": ",".join(asked.natives)} | {key: str(value) for key, value in more.items()}
    if any(native != native.upper() and ".d" not in native for native in asked.natives):
        query["asset_class"] = "tokenized_asset"  # as AAPLxUSD
    return get(f"/0/public/{name}", query)


def _trades(asked: Asked) -> Request:
    window = asked.window
    more = {"count": min(window.limit, MAX_TRADES)}
    if window.lower is not None:
        # nanoseconds; what an answer named is finer than a window's microseconds
        since = max(window.lower, 0) * 1000 if window.resume is None else window.resume
        more["since"] = since if since >= 10**18 else 0  # fewer digits are not read as nanoseconds
    return _public("Trades", asked, **more)


def _candles(asked: Asked) -> Request:
    return _public("OHLC", asked, interval=TIMEFRAMES[asked.timeframe])


def _private(name: str, form: Mapping[str, str] | None = None, cost: float = 1.0) -> Request:
    text = urlencode(form or {}, safe=",")
    return Request("POST", f"/0/private/{name}", form=text, private=True, cost=cost)


def _history(name: str, token: str | None, **more: str) -> Request:
    """A page by its distance from the newest row: rows that appear meanwhile shift the pages."""
    form = {**more, "ofs": token} if token else more
    return _private(name, form, cost=2)


def _orders(asked: Asked) -> Request:
    """What is open first: an order that closes between two pages is then in both."""
    token = asked.token
    return _private("OpenOrders") if token is None else _history("ClosedOrders", token)


def _transfers(asked: Asked, request: Request, page: Page, new: int) -> Request | None:
    """With the newest page of the ledger: the transfers of the last 90 days, booked or not."""
    if asked.token is not None or request.path == _TRANSFERS[1]:
        return None
    return _private("WithdrawStatus" if request.path == _TRANSFERS[0] else "DepositStatus")


def _ledger_rows(body: bytes, about: Answered) -> Page | Built:
    if about.path in _TRANSFERS:
        kind = "deposit" if about.path == _TRANSFERS[0] else "withdrawal"
        return account.transfers(body, kind, about.names.codes)
    return account.account_transactions(body, about.query, about.names.codes)


def _fees(asked: Asked) -> Request:
    """It gives the rates of the pairs that it is asked for, and none where one is unknown."""
    pairs = ",".join(filter(SPELLING.is_usual, asked.names.listed))
    return _private("TradeVolume", {"pair": pairs or "XBTUSD"})


def _candle_rows(body: bytes, about: Answered) -> Built:
    timeframe, clock = about.timeframe, about.server_time or about.at
    return parse.candles(body, *about.market, timeframe, clock, about.names)


_NOW: Final = Paging(Cursor.SNAPSHOT, batch=0)
_HISTORY: Final = Paging(Cursor.PAGES, key=Key.TEXT, max_rows=50)


ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "trades": Endpoint(
        Paging(Cursor.TIME, max_rows=MAX_TRADES, bounds=Bounds.LOWER, dense=True),
        _trades,
        lambda body, about: parse.trades(body, *about.market, about.names),
    ),
    "candles": Endpoint(
        Paging(Cursor.NEWEST, key=Key.TIME, max_rows=721, timeframes=tuple(TIMEFRAMES)),
        _candles,
        _candle_rows,
    ),
    "tickers": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=BATCH, batch=BATCH),
        lambda asked: _public("Ticker", asked),
        lambda body, about: parse.tickers(
            body, about.markets, about.at, about.server_time, about.names
        ),
    ),
    "order_books": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=2 * MAX_LEVELS),
        lambda asked: _public("Depth", asked, count=MAX_LEVELS),
        lambda body, about: parse.order_books(body, *about.market, about.at, about.names),
    ),
    "markets": Endpoint(
        _NOW,
        lambda asked: get("/0/public/AssetPairs"),
        lambda body, about: parse.market_rows(body, about.at, about.names),
    ),
    "currencies": Endpoint(
        _NOW,
        lambda asked: get("/0/public/Assets"),
        lambda body, about: parse.currency_rows(body, about.at, about.names.codes),
    ),
    "account_trades": Endpoint(
        _HISTORY,
        # else several fills of one order of a taker come as one
        lambda asked: _history("TradesHistory", asked.token, consolidate_taker="false"),
        lambda body, about: account.account_trades(body, about.query, about.names),
    ),
    "account_transactions": Endpoint(
        replace(_HISTORY, apart=account.TRANSFER),
        lambda asked: _history("Ledgers", asked.token),
        _ledger_rows,
        following=_transfers,
        extras=_TRANSFERS,
    ),
    "account_orders": Endpoint(
        _HISTORY,
        _orders,
        lambda body, about: account.account_orders(body, about.query, about.names),
    ),
    "balances": Endpoint(
        _NOW,
        lambda asked: _private("BalanceEx"),
        lambda body, about: account.balances(body, about.at, about.names.codes),
    ),
    "trading_fees": Endpoint(
        _NOW,
        _fees,
        lambda body, about: account.trading_fees(body, about.at, about.names),
    ),
}

DIALECT: Final = Dialect(
    name="kraken",
    base_url="https://api.kraken.com",
    endpoints=ENDPOINTS,
    reads=READS,
    limits={"public": Allowance(1), "private": Allowance(0.33, burst=11, per_account=True)},
    sign=auth.sign,
    spelling=SPELLING,
    markets_of=_markets_of,
    freshness=NonceRule(lambda now_us: now_us // 1000, refusals.nonce_after, 3, auth.MAX_NONCE),
    refusal=refusals.refusal,
    content=refusals.content,
    rest=refusals.rest,
    key=ReadOnlyKey(
        "query",
        "in Kraken's settings, section API, with Query funds, Query open orders and trades, Query "
        "closed orders and trades and Query ledger entries ticked, and nothing else",
    ),
)
