"""BitexBit's endpoints in one table: dataset, paging, request, parser.

Source: "API Docs v2" of BitexBit; ``/private/transfers`` is in a later version of it only.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs, quote, unquote

from connectors.base import Cursor, Key, Paging, Window
from connectors.bitexbit import auth, parse, transfers
from connectors.dialect import Asked, Dialect, Endpoint, NonceRule, NotFound
from connectors.errors import NotOfferedError, RequestError, UnknownRowError
from connectors.http import Request, Response, get
from connectors.names import IN_PATH
from connectors.pace import Allowance

_PUBLIC: Final = "/api/v2/public"
_PRIVATE: Final = "/api/v2/private"

READS: Final = (
    f"GET {_PUBLIC}/(pairs|currencies|depth|orders|trades|ohlcv|tickers)",
    f"GET {_PUBLIC}/(pairs|currency)/{IN_PATH}",
    f"GET {_PRIVATE}/(orders|trades|balance|trading-fees|transfers)",
)
MAX_ROWS: Final = 1000
MAX_LEVELS: Final = 50
"""Of either side of an order book."""
TIMEFRAMES: Final = {"5m": "5", "15m": "15", "30m": "30", "1h": "60", "4h": "240", "1d": "D"}

_US_PER_UNIT: Final = {"ms": 1000, "s": 1_000_000}
_NONCE_STEP: Final = 5_000
_NONCE_NAMED: Final = re.compile(rb"(?i)nonce[^0-9]{1,80}([0-9]{1,18})(?![0-9])")


def _markets_of(request: Request) -> list[str]:
    query = parse_qs(request.query)
    if "symbols" in query:
        return query["symbols"][0].split(",")
    return query.get("symbol") or [unquote(request.path.rpartition("/")[2])]


def _ids(window: Window) -> dict[str, str]:
    query = {"limit": str(min(window.limit, MAX_ROWS))}
    if window.lower is not None:
        query["since_id"] = str(max(window.lower, 0))
    if window.upper is not None:
        query["until_id"] = str(window.upper)
    return query


def _times(window: Window) -> dict[str, str]:
    """Bounds in the unit asked for, rounded outwards, so that no row at a bound is cut off."""
    per_unit = _US_PER_UNIT[window.unit or "ms"]
    query = {"limit": str(min(window.limit, MAX_ROWS))}
    if window.lower is not None:
        query["since"] = str(max(window.lower, 0) // per_unit)
    if window.upper is not None:
        query["until"] = str(-(-window.upper // per_unit))
    return query


def _of_market(name: str, asked: Asked) -> Request:
    return get(f"{_PUBLIC}/{name}", {"symbol": asked.natives[0], **_ids(asked.window)})


def _candles(asked: Asked) -> Request:
    timeframe = TIMEFRAMES[asked.timeframe]
    query = {"symbol": asked.natives[0], "timeframe": timeframe}
    return get(f"{_PUBLIC}/ohlcv", query | _times(asked.window))


def _tickers(asked: Asked) -> Request:
    return get(f"{_PUBLIC}/tickers", {"symbols": ",".join(asked.natives)})


def _one_or_all(one: str, every: str, name: str) -> Request:
    """The row of that name, where there is a name, else the whole list."""
    return get(f"{_PUBLIC}/{one}/{quote(name, safe='')}" if name else f"{_PUBLIC}/{every}")


def _private(name: str, query: Mapping[str, str] | None = None) -> Request:
    return get(f"{_PRIVATE}/{name}", query, private=True)


def _transfers(asked: Asked) -> Request:
    if asked.token == transfers.DEAD_LINK:
        raise RequestError("bitexbit: the link to the next page of transfers leads nowhere")
    return replace(_private("transfers"), query=asked.token or "")


def _no_such_name(asked: Asked, status: int) -> NotFound | None:
    """A pair or currency that is gone: 404, or 400 like every other call that names it."""
    return UnknownRowError if asked.symbol else None


def _no_such_call(asked: Asked, status: int) -> NotFound | None:
    """Only of the first page: a later page may be gone although the call exists."""
    return NotOfferedError if status == 404 and asked.token is None else None


ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "trades": Endpoint(
        Paging(Cursor.ID),
        lambda asked: _of_market("trades", asked),
        lambda body, about: parse.trades(body, *about.market),
    ),
    "candles": Endpoint(
        # Row dates are milliseconds, the example's candles seconds: the bounds' unit is unknown.
        Paging(Cursor.TIME, key=Key.TIME, units=("ms", "s"), timeframes=tuple(TIMEFRAMES)),
        _candles,
        lambda body, about: parse.candles(body, about.symbol, about.timeframe, about.server_time),
    ),
    "tickers": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=5, batch=5),
        _tickers,
        lambda body, about: parse.tickers(body, about.markets, about.at),
    ),
    "order_books": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=2 * MAX_LEVELS),
        lambda asked: get(
            f"{_PUBLIC}/depth", {"symbol": asked.natives[0], "limit": str(MAX_LEVELS)}
        ),
        lambda body, about: parse.order_books(body, *about.market, about.at),
    ),
    "public_orders": Endpoint(
        Paging(Cursor.ID),
        lambda asked: _of_market("orders", asked),
        lambda body, about: parse.public_orders(body, *about.market),
    ),
    "markets": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0, details=True),
        lambda asked: _one_or_all("pairs", "pairs", "".join(asked.natives)),
        lambda body, about: parse.market_rows(
            body, about.at, about.market if about.symbol else None, about.names
        ),
        not_found=_no_such_name,
    ),
    "currencies": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0, details=True),
        lambda asked: _one_or_all("currency", "currencies", asked.symbol),
        lambda body, about: parse.currency_rows(
            body, about.at, about.symbol or None, about.names.codes
        ),
        not_found=_no_such_name,
    ),
    "account_trades": Endpoint(
        Paging(Cursor.ID),
        lambda asked: _private("trades", _ids(asked.window)),
        lambda body, about: parse.account_trades(body, about.names),
    ),
    "account_transactions": Endpoint(
        Paging(Cursor.PAGES, key=Key.TEXT),
        _transfers,
        lambda body, about: transfers.read_transfers(body, about.names.codes),
        not_found=_no_such_call,
        renamed=transfers.renamed,
    ),
    "account_orders": Endpoint(
        Paging(Cursor.ID),
        lambda asked: _private("orders", _ids(asked.window)),
        lambda body, about: parse.account_orders(body, about.names),
    ),
    "balances": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0),
        lambda asked: _private("balance"),
        lambda body, about: parse.balances(body, about.at, about.names.codes),
    ),
    "trading_fees": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0),
        lambda asked: _private("trading-fees"),
        lambda body, about: parse.trading_fees(body, about.at, about.names),
    ),
}


def _nonce_after(response: Response, sent: int) -> int | None:
    """A nonce that a server which refused ``sent`` may take.

    Above the number that the refusal names, if any; else above what another program with a right
    clock, or one a little fast, has used.
    """
    if response.status not in (400, 401, 403) or b"nonce" not in response.body.lower():
        return None
    named = [int(n) for n in _NONCE_NAMED.findall(response.body[:2000])]
    clock = (response.server_time or 0) // 1000 + 1000
    return max(sent + _NONCE_STEP, clock, *(n + 1 for n in named))


DIALECT: Final = Dialect(
    name="bitexbit",
    base_url="https://bitexbit.com",
    endpoints=ENDPOINTS,
    reads=READS,
    limits={"public": Allowance(100), "private": Allowance(2, per_account=True)},
    sign=auth.sign,
    spelling=parse.SPELLING,
    markets_of=_markets_of,
    freshness=NonceRule(
        first=lambda now_us: now_us // 1000, after=_nonce_after, tries=2, largest=2**63 - 1
    ),
)
