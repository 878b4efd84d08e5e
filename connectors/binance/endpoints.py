"""Binance's endpoints in one table: dataset, paging, request, parser.

Source: "Binance Spot API" (``/api/v3``) and "Wallet" (``/sapi/v1``). Calls cost weights, counted by
minute: of an address for ``/api``, of an address or an account for each call of ``/sapi``.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import parse_qs

from connectors.base import Bounds, Cursor, Key, Paging, ReadOnlyKey
from connectors.binance import auth, parse, refusals, transactions
from connectors.books import book_of
from connectors.dialect import Asked, Dialect, Endpoint, NotFound, public_clock
from connectors.errors import NotOfferedError
from connectors.http import Request, get
from connectors.pace import Allowance
from schemas import TIMEFRAMES

_API: Final = "/api/v3"
_SAPI: Final = "/sapi/v1"

READS: Final = (
    f"GET {_API}/(time|exchangeInfo|trades|historicalTrades|klines|depth|ticker/24hr)",
    f"GET {_API}/(account|myTrades|allOrders)",
    f"GET {_SAPI}/(asset/(tradeFee|assetDividend|dribblet)|convert/tradeFlow)",
    f"GET {_SAPI}/(capital/(deposit/hisrec|withdraw/history)|fiat/(orders|payments))",
)
MAX_ROWS: Final = 1000
MAX_LEVELS: Final = 5000
"""Of either side of an order book."""
MAX_TICKERS: Final = 20
"""Of one call of weight 2."""


def _markets_of(request: Request) -> list[str]:
    query = parse_qs(request.query)
    return query.get("symbol") or re.findall(r'"([^"]+)"', query.get("symbols", [""])[0])


def _own(name: str, query: Mapping[str, str]) -> Request:
    """The weight of a signed call is that of the address, like that of a public one."""
    return get(f"{_API}/{name}", query, private=True, cost=20, bucket="public")


def _ids(name: str, asked: Asked) -> dict[str, str]:
    """From an id on, the oldest rows first; without one, the newest."""
    query = {"symbol": asked.natives[0], "limit": str(min(asked.window.limit, MAX_ROWS))}
    if asked.window.lower is not None:
        query[name] = str(max(asked.window.lower, 0))
    return query


def _trades(asked: Asked) -> Request:
    """The newest come from memory; those from an id on come from a store that may lag behind."""
    name = "trades" if asked.window.lower is None else "historicalTrades"
    return get(f"{_API}/{name}", _ids("fromId", asked), cost=25)


def _no_such_call(asked: Asked, status: int) -> NotFound | None:
    """The host for public data alone may lack a call."""
    return NotOfferedError if status == 404 else None


def _candles(asked: Asked) -> Request:
    """Bounds in milliseconds, rounded outwards: openings off the grid have occurred."""
    window = asked.window
    query = {
        "symbol": asked.natives[0],
        "interval": asked.timeframe,
        "limit": str(min(window.limit, MAX_ROWS)),
    }
    if window.lower is not None:
        query["startTime"] = str(max(window.lower, 0) // 1000)
    if window.upper is not None:
        query["endTime"] = str(-(-window.upper // 1000))
    return get(f"{_API}/klines", query, cost=2)


def _tickers(asked: Asked) -> Request:
    names = ",".join(f'"{native}"' for native in asked.natives)
    return get(f"{_API}/ticker/24hr", {"symbols": f"[{names}]"}, cost=2)


ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "trades": Endpoint(
        Paging(Cursor.ID, bounds=Bounds.LOWER, dense=True),
        _trades,
        lambda body, about: parse.trades(body, about.symbol),
        not_found=_no_such_call,
    ),
    "candles": Endpoint(
        Paging(Cursor.TIME, key=Key.TIME, units=("ms",), timeframes=tuple(TIMEFRAMES)),
        _candles,
        lambda body, about: parse.candles(body, about.symbol, about.timeframe, about.server_time),
    ),
    "tickers": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=MAX_TICKERS, batch=MAX_TICKERS),
        _tickers,
        lambda body, about: parse.tickers(body, about.markets, about.at),
    ),
    "order_books": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=2 * MAX_LEVELS),
        lambda asked: get(
            f"{_API}/depth", {"symbol": asked.natives[0], "limit": str(MAX_LEVELS)}, cost=250
        ),
        lambda body, about: book_of(body, about.symbol, about.at),
    ),
    "markets": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0),
        lambda asked: get(f"{_API}/exchangeInfo", cost=20),
        lambda body, about: parse.market_rows(body, about.at, about.names),
    ),
    "account_trades": Endpoint(
        Paging(Cursor.ID, bounds=Bounds.LOWER, per_market=True),
        lambda asked: _own("myTrades", _ids("fromId", asked)),
        lambda body, about: parse.account_trades(body, *about.market, about.names.codes),
    ),
    "account_orders": Endpoint(
        Paging(Cursor.ID, bounds=Bounds.LOWER, per_market=True),
        lambda asked: _own("allOrders", _ids("orderId", asked)),
        lambda body, about: parse.account_orders(body, *about.market),
    ),
    "account_transactions": Endpoint(
        Paging(Cursor.TIME, key=Key.TEXT, units=("ms",), max_span_us=transactions.SPAN_US),
        transactions.LISTS.first,
        transactions.LISTS.parsed,
        not_found=_no_such_call,
        following=transactions.LISTS.following,
        parts={
            # Read whole: a call costs half of a minute's allowance.
            name: Endpoint(
                Paging(Cursor.PAGES, key=Key.TEXT, max_rows=transactions.MAX_FIAT),
                partial(transactions.fiat_orders, of),
                of.parse,
                not_found=_no_such_call,
            )
            for name, of in transactions.FIAT_ORDERS.items()
        },
    ),
    "balances": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0),
        lambda asked: _own("account", {"omitZeroBalances": "true"}),
        lambda body, about: parse.balances(body, about.at, about.names.codes),
    ),
    "trading_fees": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0),
        lambda asked: get(f"{_SAPI}/asset/tradeFee", private=True, bucket="sapi"),
        lambda body, about: parse.trading_fees(body, about.at, about.names),
    ),
}

DIALECT: Final = Dialect(
    name="binance",
    base_url="https://api.binance.com",
    endpoints=ENDPOINTS,
    reads=READS,
    limits={
        # 6000 a minute of an address, whoever is behind it; the list of markets says what now.
        "public": Allowance(90, burst=280, most=6_000),
        # 12,000 a minute for each call; 180,000 of an account, and ten calls a second.
        "sapi": Allowance(150, burst=500),
        "uid": Allowance(2_700, burst=18_000, per_account=True),
        "fiat": Allowance(1_500, burst=90_000, per_account=True),
    },
    sign=auth.sign,
    spelling=parse.SPELLING,
    markets_of=_markets_of,
    freshness=public_clock("binance", f"{_API}/time", "serverTime", refusals.is_late),
    refusal=refusals.refusal,
    content=lambda response: parse.without_permissions(response.json),
    rest=refusals.rest,
    used=refusals.used,
    announced=refusals.announced,
    with_key=auth.with_key,
    key=ReadOnlyKey(
        "Enable Reading",
        "at Binance under API Management: leave Enable Reading ticked, and nothing else",
    ),
)
