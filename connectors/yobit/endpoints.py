"""YoBit's endpoints in one table, and all in which it differs from WEX (:mod:`connectors.wex`).

Source: yobit.net/en/api. Public answers are cached for two seconds. No limit of calls is
documented, nor whether those with and without a key are counted together: here they are, one in
two seconds.

There is no list of deposits and withdrawals (``TransHistory``), and no call that reads an address
without perhaps making one. Own trades and open orders are given market by market.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from connectors.base import Cursor, Paging, ReadOnlyKey
from connectors.dialect import Asked, Call, Dialect, Endpoint, NonceRule, rest_of_header
from connectors.errors import ExchangeError, RateLimitedError
from connectors.http import Request, Response
from connectors.names import IN_PATH
from connectors.pace import Allowance
from connectors.wex import auth, parse, refusals
from connectors.wex import endpoints as wex

READS: Final = (
    "GET /api/3/info",
    f"GET /api/3/(trades|ticker|depth)/{IN_PATH}",
    "POST /tapi/ (getInfo|ActiveOrders|OrderInfo|TradeHistory)",
)
MAX_TRADES: Final = 2000
MAX_LEVELS: Final = 2000
"""Of either side of an order book."""
MAX_NONCE: Final = 2_147_483_646
"""Half of WEX's: epoch seconds fit until January 2038."""
BATCH: Final = 30
"""Pairs of one call: about 40 are answered with ``Empty pair list``."""
QUOTES: Final = {"bid": "buy", "ask": "sell"}
"""Of a ticker: the other way round than WEX."""
_GUARD: Final = b"bad bot detected"
_GUARD_REST: Final = 30.0
"""Seconds for which nothing is sent after the guard in front of the exchange has refused a call."""


def _tapi(method: str, parameters: Mapping[str, str] | None = None) -> Request:
    """One call a second at most: nonces are seconds."""
    return replace(wex.tapi(method, parameters, "/tapi/"), bucket="public")


def _of_pair(method: str, asked: Asked, parameters: Mapping[str, str] | None = None) -> Request:
    return _tapi(method, {"pair": asked.natives[0], **(parameters or {})})


def _markets_of(request: Request) -> list[str]:
    return wex.pair_of_form(request) or wex.markets_of(request)


ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "trades": Endpoint(
        Paging(Cursor.NEWEST, max_rows=MAX_TRADES, cache_us=wex.CACHE_US),
        lambda asked: wex.of_pairs("trades", asked, min(asked.window.limit, MAX_TRADES)),
        lambda body, about: parse.trades(body, *about.market),
    ),
    "candles": Endpoint(Paging(Cursor.DERIVED)),
    "tickers": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=BATCH, batch=BATCH, cache_us=wex.CACHE_US),
        lambda asked: wex.of_pairs("ticker", asked),
        lambda body, about: parse.tickers(body, about.markets, about.at, QUOTES),
    ),
    "order_books": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=20 * MAX_LEVELS, batch=10, cache_us=wex.CACHE_US),
        lambda asked: wex.of_pairs("depth", asked, MAX_LEVELS),
        lambda body, about: parse.order_books(body, about.markets, about.at),
    ),
    "markets": wex.ENDPOINTS["markets"],
    "account_trades": Endpoint(
        Paging(Cursor.ID, max_rows=wex.MAX_HISTORY, per_market=True),
        lambda asked: _of_pair("TradeHistory", asked, wex.history(asked.window)),
        lambda body, about: parse.account_trades(body, about.names, about.market[0]),
    ),
    "account_orders": Endpoint(
        Paging(Cursor.LOOKUP, max_rows=1, per_market=True),
        lambda asked: _tapi("OrderInfo", {"order_id": str(asked.row_id)}),
        lambda body, about: parse.order(body, about.names),
        open_rows=Call(
            lambda asked: _of_pair("ActiveOrders", asked),
            lambda body, about: parse.open_orders(body),
        ),
    ),
    "balances": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0, cache_us=60_000_000),  # as at WEX; it is not known
        lambda asked: _tapi("getInfo"),
        lambda body, about: parse.balances(body, about.at, about.names.codes),
    ),
}


def _is_guard(response: Response) -> bool:
    """Whether it is no answer of the exchange, but a refusal of the guard in front of it."""
    page = response.status == 403 and not response.json.lstrip().startswith(b"{")
    return page or _GUARD in response.body[:10_000]


def _refusal(response: Response) -> type[ExchangeError] | None:
    return RateLimitedError if _is_guard(response) else refusals.refusal(response)


def _content(response: Response) -> bytes:
    """The result of an answer; where there is nothing, it may be absent altogether."""
    return refusals.content(response) or b"{}"


def _rest(response: Response) -> float | None:
    return rest_of_header(response) or (_GUARD_REST if _is_guard(response) else None)


DIALECT: Final = Dialect(
    name="yobit",
    base_url="https://yobit.net",
    endpoints=ENDPOINTS,
    reads=READS,
    limits={"public": Allowance(0.5)},
    sign=auth.sign,
    spelling=parse.SPELLING,
    markets_of=_markets_of,
    freshness=NonceRule(
        first=lambda now_us: now_us // 1_000_000,
        after=refusals.nonce_after,
        tries=4,
        largest=MAX_NONCE,
    ),
    refusal=_refusal,
    content=_content,
    rest=_rest,
    key=ReadOnlyKey(
        "info", "in your profile at YoBit, section API keys, tick info only and nothing else"
    ),
)
